// Norms of layers, of root mean squares, of groups and of batches, and the gradients through them. All are one thing:
// rows of elements with a mean and a deviation, and parameters that belong to a place in the row or to the row.
#include "common.cuh"

struct Norm {
    // What is written: the result or the gradient of x; then by row mean and 1/deviation (or variance), or by parameter
    // the gradients of weight and bias.
    void* out;
    void* first;
    void* second;
    const void* x;
    const void* g;
    const void* weight;
    const void* bias;
    const void* mean;
    const void* spread;
    i64 rows, width;
    // Element j of row r lies at r * base + (j / segment) * step + j % segment.
    i64 base, segment, step;
    // Its parameter is (r % groups) * each + j / inner.
    i64 groups, each, inner;
    double eps;
    int dtype, weight_dtype, bias_dtype;
    // Are rows centred; is the spread a variance, or 1 over the deviation; are mean and spread given, not of the row?
    int centred, variance, given;
};

template <class T> struct Row {
    const Norm& n;
    i64 r;
    __device__ i64 at(i64 j) const {
        if (n.segment == n.width) return r * n.base + j;
        i64 s = j / n.segment;
        return r * n.base + s * n.step + (j - s * n.segment);
    }
    __device__ i64 parameter(i64 j) const {
        return (n.groups == 1 ? 0 : r % n.groups) * n.each + (n.inner == 1 ? j : n.each == 1 ? 0 : j / n.inner);
    }
    __device__ T x(i64 j) const { return load<T>(n.x, at(j), n.dtype); }
    __device__ T g(i64 j) const { return load<T>(n.g, at(j), n.dtype); }
    __device__ T weight(i64 j) const { return n.weight ? load<T>(n.weight, parameter(j), n.weight_dtype) : T(1); }
    __device__ T bias(i64 j) const { return n.bias ? load<T>(n.bias, parameter(j), n.bias_dtype) : T(0); }
    __device__ T mean() const { return n.centred ? ((const T*)n.mean)[r] : T(0); }
    __device__ T rstd() const {
        T s = ((const T*)n.spread)[r];
        return n.variance ? T(1) / sqrt(s + T(n.eps)) : s;
    }
};

template <class T, int TEAM> __device__ inline void forward(const Norm& n) {
    Row<T> row = {n, team<TEAM>()};
    if (row.r >= n.rows) return;
    int first = place_in_team<TEAM>();
    T mean = 0, rstd;
    if (n.given) {
        mean = row.mean(), rstd = row.rstd();
    } else {
        if (n.centred) {
            T sum = 0;
            for (i64 j = first; j < n.width; j += TEAM) sum += row.x(j);
            mean = whole<T, Sum<T>, TEAM>(sum) / T(n.width);
        }
        T squares = 0;
        for (i64 j = first; j < n.width; j += TEAM) {
            T d = row.x(j) - mean;
            squares += d * d;
        }
        T variance = whole<T, Sum<T>, TEAM>(squares) / T(n.width);
        rstd = T(1) / sqrt(variance + T(n.eps));
        if (first == 0) {
            if (n.first) ((T*)n.first)[row.r] = mean;
            if (n.second) ((T*)n.second)[row.r] = n.variance ? variance : rstd;
        }
    }
    for (i64 j = first; j < n.width; j += TEAM)
        store<T>(n.out, row.at(j), n.dtype, (row.x(j) - mean) * rstd * row.weight(j) + row.bias(j));
}

template <class T, int TEAM> __device__ inline void backward(const Norm& n) {
    Row<T> row = {n, team<TEAM>()};
    if (row.r >= n.rows) return;
    int first = place_in_team<TEAM>();
    T mean = row.mean(), rstd = row.rstd(), level = 0, along = 0;
    if (!n.given) {
        for (i64 j = first; j < n.width; j += TEAM) {
            T g = row.g(j) * row.weight(j);
            level += g;
            along += g * (row.x(j) - mean);
        }
        along = whole<T, Sum<T>, TEAM>(along) / T(n.width) * rstd * rstd;
        level = whole<T, Sum<T>, TEAM>(level) / T(n.width);
        if (!n.centred) level = 0;
    }
    for (i64 j = first; j < n.width; j += TEAM)
        store<T>(n.out, row.at(j), n.dtype, rstd * (row.g(j) * row.weight(j) - level - (row.x(j) - mean) * along));
}

// Term `i` of parameter `p`'s gradients.
template <class T> __device__ inline void add_term(const Norm& n, i64 p, i64 i, T& weight, T& bias) {
    i64 group = p / n.each, k = p - group * n.each;
    i64 q = i / n.inner;
    Row<T> row = {n, q * n.groups + group};
    i64 j = k * n.inner + (i - q * n.inner);
    T g = row.g(j);
    bias += g;
    if (n.first) weight += g * (row.x(j) - row.mean()) * row.rstd();
}

template <class T> __device__ inline void put_terms(const Norm& n, i64 p, T weight, T bias) {
    if (n.first) store<T>(n.first, p, n.weight_dtype, weight);
    if (n.second) store<T>(n.second, p, n.bias_dtype, bias);
}

// A block for each parameter.
template <class T> __device__ inline void parameters(const Norm& n) {
    i64 p = blockIdx.x, terms = n.rows / n.groups * n.inner;
    T weight = 0, bias = 0;
    for (i64 i = threadIdx.x; i < terms; i += 256) add_term(n, p, i, weight, bias);
    weight = whole<T, Sum<T>, 256>(weight);
    bias = whole<T, Sum<T>, 256>(bias);
    if (threadIdx.x == 0) put_terms(n, p, weight, bias);
}

// Where parameters lie side by side: 32 of them for a block, eight threads for each.
template <class T> __device__ inline void columns(const Norm& n) {
    __shared__ T weights[8][33], biases[8][33];
    int x = threadIdx.x % 32, y = threadIdx.x / 32;
    i64 p = (i64)blockIdx.x * 32 + x, terms = n.rows / n.groups * n.inner;
    T weight = 0, bias = 0;
    if (p < n.groups * n.each)
        for (i64 i = y; i < terms; i += 8) add_term(n, p, i, weight, bias);
    weights[y][x] = weight;
    biases[y][x] = bias;
    __syncthreads();
    if (y != 0 || p >= n.groups * n.each) return;
    for (int k = 1; k < 8; k++) weight += weights[k][x], bias += biases[k][x];
    put_terms(n, p, weight, bias);
}

#define KERNEL(NAME, CALL) extern "C" __global__ void __launch_bounds__(256) NAME(const __grid_constant__ Norm n) { CALL(n); }
#define KERNELS(LANE, T) \
    KERNEL(norm_##LANE##_warp, (forward<T, 32>)) \
    KERNEL(norm_##LANE##_block, (forward<T, 256>)) \
    KERNEL(norm_backward_##LANE##_warp, (backward<T, 32>)) \
    KERNEL(norm_backward_##LANE##_block, (backward<T, 256>)) \
    KERNEL(norm_parameters_##LANE##_block, parameters<T>) \
    KERNEL(norm_parameters_##LANE##_columns, columns<T>)

KERNELS(f32, float)
KERNELS(f64, double)
