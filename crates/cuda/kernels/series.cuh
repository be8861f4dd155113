// What special functions share: sums of Chebyshev's polynomials, and constants.
#pragma once

#define PI 3.14159265358979323846
#define INF __longlong_as_double(0x7ff0000000000000ll)
#define NOTHING __longlong_as_double(0x7ff8000000000000ll)

// The sum of c[k] T_k(t), |t| <= 1 (Clenshaw).
__device__ __noinline__ double chebyshev(const double* c, int n, double t) {
    double b1 = 0, b2 = 0;
    for (int k = n - 1; k > 0; k--) {
        double b = 2 * t * b1 - b2 + c[k];
        b2 = b1;
        b1 = b;
    }
    return t * b1 - b2 + c[0];
}
#define SERIES(TABLE, T) chebyshev(TABLE, sizeof(TABLE) / sizeof(double), T)
