// Optimizer steps of lists of tensors: up to 64 tensors a launch, a block for each piece of one.
#include "common.cuh"

struct Tensors {
    // Gradient; parameter; then the state: SGD's buffer, or Adam's moments and the largest of the second.
    void* at[5][64];
    // Where the device counts steps.
    float* steps[64];
    i64 n[64];
    // The first block of each, and the one behind the last.
    u32 first[65];
    int count;
    int dtype;
};

struct Step {
    Tensors list;
    double lr, momentum, keep, weight_decay;
    double beta1, beta2, eps;
    // Numbers that the device holds, where they are not null.
    const void* scalars[3];
    int scalar_dtype[3];
    double step;
    int nesterov, maximize, first, decoupled, amsgrad;
};

const int PIECE = 4096;

__device__ inline double held(const Step& s, int i, double otherwise) {
    return s.scalars[i] ? load<double>(s.scalars[i], 0, s.scalar_dtype[i]) : otherwise;
}

template <class T, class F> __device__ inline void each_element(const Step& s, F f) {
    if (held(s, 2, 0.0) != 0.0) return;
    const Tensors& list = s.list;
    int low = 0, high = list.count;
    while (high - low > 1) {
        int middle = (low + high) / 2;
        if (list.first[middle] <= blockIdx.x) low = middle; else high = middle;
    }
    i64 start = (i64)(blockIdx.x - list.first[low]) * PIECE, end = min(start + PIECE, list.n[low]);
    for (i64 i = start + threadIdx.x; i < end; i += 256) f(low, i);
}

template <class T> __device__ inline void sgd(const Step& s) {
    const Tensors& list = s.list;
    T lr = T(held(s, 0, s.lr)), unscale = T(1.0 / held(s, 1, 1.0)), momentum = T(s.momentum), keep = T(s.keep);
    each_element<T>(s, [&](int k, i64 i) {
        T p = load<T>(list.at[1][k], i, list.dtype), g = load<T>(list.at[0][k], i, list.dtype) * unscale;
        if (s.maximize) g = -g;
        if (s.weight_decay != 0.0) g = g + p * T(s.weight_decay);
        if (s.momentum != 0.0) {
            T b = s.first ? g : load<T>(list.at[2][k], i, list.dtype) * momentum + g * keep;
            store<T>(list.at[2][k], i, list.dtype, b);
            g = s.nesterov ? g + b * momentum : b;
        }
        store<T>(list.at[1][k], i, list.dtype, p - lr * g);
    });
}

template <class T> __device__ inline void adam(const Step& s) {
    const Tensors& list = s.list;
    double rate = held(s, 0, s.lr);
    T unscale = T(1.0 / held(s, 1, 1.0)), shrink = T(1.0 - rate * s.weight_decay);
    T keep1 = T(1.0 - s.beta1), beta2 = T(s.beta2), keep2 = T(1.0 - s.beta2), eps = T(s.eps), decay = T(s.weight_decay);
    T size = 0, root = 0;
    int last = -1;
    each_element<T>(s, [&](int k, i64 i) {
        if (k != last) {
            double step = list.steps[k] ? (double)*list.steps[k] : s.step;
            size = T(rate / (1.0 - pow(s.beta1, step)));
            root = sqrt(T(1.0 - pow(s.beta2, step)));
            last = k;
        }
        T p = load<T>(list.at[1][k], i, list.dtype), g = load<T>(list.at[0][k], i, list.dtype) * unscale;
        T m = load<T>(list.at[2][k], i, list.dtype), v = load<T>(list.at[3][k], i, list.dtype);
        if (s.maximize) g = -g;
        if (s.weight_decay != 0.0) {
            if (s.decoupled) p = p * shrink; else g = g + p * decay;
        }
        m = m + (g - m) * keep1;
        v = v * beta2 + g * g * keep2;
        store<T>(list.at[2][k], i, list.dtype, m);
        store<T>(list.at[3][k], i, list.dtype, v);
        if (s.amsgrad) {
            T top = load<T>(list.at[4][k], i, list.dtype);
            v = v > top ? v : top;
            store<T>(list.at[4][k], i, list.dtype, v);
        }
        store<T>(list.at[1][k], i, list.dtype, p - size * (m / (sqrt(v) / root + eps)));
    });
}

#define KERNEL(NAME, CALL) extern "C" __global__ void __launch_bounds__(256) NAME(const __grid_constant__ Step s) { CALL(s); }
KERNEL(sgd_f32, sgd<float>)
KERNEL(sgd_f64, sgd<double>)
KERNEL(adam_f32, adam<float>)
KERNEL(adam_f64, adam<double>)

// One more step, before those that look at the number run.
extern "C" __global__ void __launch_bounds__(256) count_steps(const __grid_constant__ Step s) {
    int k = threadIdx.x;
    if (k < s.list.count && held(s, 2, 0.0) == 0.0) *s.list.steps[k] += 1.0f;
}
