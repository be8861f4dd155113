// Random numbers: Philox 4x32-10 (Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", 2011), in
// PyTorch's order. Thread `t` has the stream of that number; its round `r` gives four words of the counter `offset / 4 + r`, and
// element `t + threads * (parts * r + i)` takes part `i`: four parts of 32 bits, or two of 64.
#include "common.cuh"

struct Words {
    u32 x[4];
};

__device__ inline Words philox(u64 seed, u64 stream, u64 counter) {
    Words c = {{(u32)counter, (u32)(counter >> 32), (u32)stream, (u32)(stream >> 32)}};
    u32 k0 = (u32)seed, k1 = (u32)(seed >> 32);
#pragma unroll
    for (int round = 0; round < 10; round++) {
        u32 h0 = __umulhi(0xd2511f53u, c.x[0]), l0 = 0xd2511f53u * c.x[0];
        u32 h1 = __umulhi(0xcd9e8d57u, c.x[2]), l1 = 0xcd9e8d57u * c.x[2];
        c = {{h1 ^ c.x[1] ^ k0, l1, h0 ^ c.x[3] ^ k1, l0}};
        k0 += 0x9e3779b9u;
        k1 += 0xbb67ae85u;
    }
    return c;
}

// In (0, 1].
__device__ inline float unit(u32 x) { return x * 2.3283064365386963e-10f + 1.1641532182693481e-10f; }
__device__ inline double unit(u32 x, u32 y) {
    u64 z = (u64)x ^ (u64)y << 21;
    return z * 1.1102230246251565e-16 + 5.5511151231257827e-17;
}

// Four floats or two doubles of a round.
template <class T> struct Draw;
template <> struct Draw<float> {
    static const int PARTS = 4;
    __device__ static void uniform(const Words& w, float* out) {
        for (int i = 0; i < 4; i++) out[i] = unit(w.x[i]);
    }
    // Box and Muller: sine first, then cosine.
    __device__ static void normal(const Words& w, float* out) {
        for (int i = 0; i < 4; i += 2) {
            float size = sqrtf(-2.0f * logf(unit(w.x[i]))), s, c;
            sincosf(w.x[i + 1] * 1.4629180792671596e-09f + 7.3145903963357980e-10f, &s, &c);
            out[i] = s * size;
            out[i + 1] = c * size;
        }
    }
};
template <> struct Draw<double> {
    static const int PARTS = 2;
    __device__ static void uniform(const Words& w, double* out) {
        out[0] = unit(w.x[0], w.x[1]);
        out[1] = unit(w.x[2], w.x[3]);
    }
    __device__ static void normal(const Words& w, double* out) {
        u64 z = (u64)w.x[2] ^ (u64)w.x[3] << 21;
        double size = sqrt(-2.0 * log(unit(w.x[0], w.x[1]))), s, c;
        sincospi(z * 2.2204460492503131e-16 + 1.1102230246251565e-16, &s, &c);
        out[0] = s * size;
        out[1] = c * size;
    }
};

struct Random {
    void* out;
    u64 seed, offset;
    i64 n;
    // The distribution's parameters; of integers the least and how many.
    double a, b;
    i64 low;
    u64 range;
    int dtype;
    // Where the elements lie, in the order of memory.
    Places places;
};

template <class T> __device__ inline T smallest_step();
template <> __device__ inline float smallest_step<float>() { return 1.1920929e-07f; }
template <> __device__ inline double smallest_step<double>() { return 2.220446049250313e-16; }

// A number as an element of the dtype holds it.
template <class T> __device__ inline T held(T x, int dtype) {
    if (dtype == F16) return (T)__half2float(__float2half_rn((float)x));
    if (dtype == BF16) return (T)__bfloat162float(__float2bfloat16_rn((float)x));
    return x;
}

// From a number of (0, 1], or a normal one, to the distribution's.
template <class T> struct Uniform {
    static const bool NORMAL = false;
    __device__ static T run(T x, const Random& r) {
        T from = held(T(r.a), r.dtype), to = held(T(r.b), r.dtype), value = held(x * (to - from) + from, r.dtype);
        return value == to ? from : value;
    }
};
template <class T> struct Normal {
    static const bool NORMAL = true;
    __device__ static T run(T x, const Random& r) { return x * T(r.b) + T(r.a); }
};
template <class T> struct LogNormal {
    static const bool NORMAL = true;
    __device__ static T run(T x, const Random& r) { return exp(x * T(r.b) + T(r.a)); }
};
template <class T> struct Bernoulli {
    static const bool NORMAL = false;
    __device__ static T run(T x, const Random& r) { return x < T(r.a) ? T(1) : T(0); }
};
// 1 gives no 0.
template <class T> struct Exponential {
    static const bool NORMAL = false;
    __device__ static T run(T x, const Random& r) {
        T half = smallest_step<T>() / T(2);
        return T(-1) / T(r.a) * (x >= T(1) - half ? -half : log(x));
    }
};
template <class T> struct Geometric {
    static const bool NORMAL = false;
    __device__ static T run(T x, const Random& r) { return ceil(log(x) / log1p(-T(r.a))); }
};
template <class T> struct Cauchy {
    static const bool NORMAL = false;
    __device__ static T run(T x, const Random& r) {
        if (sizeof(T) == 4) {
            T step = smallest_step<T>();
            x = x > T(1) - step ? T(1) - step : x < step ? step : x;
        }
        return T(r.a) + T(r.b) * tan(T(3.14159265358979323846) * (x - T(0.5)));
    }
};

// Calls `f` with each element's number, its round and its part.
template <int PARTS, class F> __device__ inline void each(i64 n, F f) {
    i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)blockDim.x * gridDim.x;
    u64 round = 0;
    for (i64 first = thread; first < n; first += threads * PARTS, round++) f(first, threads, (u64)thread, round);
}

template <class T, class O> __device__ inline void fill(const Random& r) {
    each<Draw<T>::PARTS>(r.n, [&](i64 first, i64 threads, u64 thread, u64 round) {
        T x[4];
        Words w = philox(r.seed, thread, r.offset / 4 + round);
        if (O::NORMAL) Draw<T>::normal(w, x);
        else Draw<T>::uniform(w, x);
#pragma unroll
        for (int i = 0; i < Draw<T>::PARTS; i++) {
            i64 li = first + threads * i, at[1];
            if (li >= r.n) continue;
            place<1>(r.places, li, at);
            store<T>(r.out, at[0], r.dtype, O::run(x[i], r));
        }
    });
}

// Whole numbers: 32 bits each, or 64.
template <bool WIDE> __device__ inline void integers(const Random& r) {
    const int PARTS = WIDE ? 2 : 4;
    each<PARTS>(r.n, [&](i64 first, i64 threads, u64 thread, u64 round) {
        Words w = philox(r.seed, thread, r.offset / 4 + round);
#pragma unroll
        for (int i = 0; i < PARTS; i++) {
            i64 li = first + threads * i, at[1];
            if (li >= r.n) continue;
            place<1>(r.places, li, at);
            u64 x = WIDE ? (u64)w.x[2 * i] << 32 | w.x[2 * i + 1] : w.x[i];
            store<i64>(r.out, at[0], r.dtype, (i64)((r.range ? x % r.range : x) + (u64)r.low));
        }
    });
}

#define KERNEL(NAME, LANE, BODY) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE(const __grid_constant__ Random r) { BODY; }
#define BOTH(NAME, O) KERNEL(NAME, f32, (fill<float, O<float>>(r))) KERNEL(NAME, f64, (fill<double, O<double>>(r)))
BOTH(uniform, Uniform)
BOTH(normal, Normal)
BOTH(log_normal, LogNormal)
BOTH(bernoulli, Bernoulli)
BOTH(exponential, Exponential)
BOTH(geometric, Geometric)
BOTH(cauchy, Cauchy)
KERNEL(integers, 32, integers<false>(r))
KERNEL(integers, 64, integers<true>(r))

struct Dropout {
    void* out;
    unsigned char* kept;
    const void* in;
    u64 seed, offset;
    i64 n;
    double keep;
    // Neighbours that a thread takes in a round; 1 where they are spread as above.
    int together, dtype;
    // Operand 0 the output, 1 which are kept, 2 the input, in the order of the input's memory.
    Places places;
};

template <class T> __device__ inline void drop(const Dropout& d) {
    i64 thread = (i64)blockIdx.x * blockDim.x + threadIdx.x, threads = (i64)blockDim.x * gridDim.x;
    bool spread = d.together == 1;
    i64 parts = spread ? 4 : d.together, between = spread ? threads : 1;
    u64 round = 0;
    float keep = (float)d.keep;
    for (i64 first = spread ? thread : thread * parts; first < d.n; first += threads * parts, round++) {
        Words w = philox(d.seed, (u64)thread, d.offset / 4 + round);
        for (i64 i = 0; i < parts; i++) {
            i64 li = first + between * i, at[3];
            if (li >= d.n) continue;
            place<3>(d.places, li, at);
            bool stays = unit(w.x[i]) < keep;
            T x = load<T>(d.in, at[2], d.dtype);
            store<T>(d.out, at[0], d.dtype, x * (stays ? T(1) : T(0)) * T(1.0 / d.keep));
            d.kept[at[1]] = stays;
        }
    }
}
extern "C" __global__ void __launch_bounds__(256) dropout_f32(const __grid_constant__ Dropout d) { drop<float>(d); }
extern "C" __global__ void __launch_bounds__(256) dropout_f64(const __grid_constant__ Dropout d) { drop<double>(d); }

struct Islands {
    void* out;
    // Sorted, and the numbers in their order.
    const i64 *keys, *order;
    u64 seed, offset;
    i64 n;
    int dtype;
};

// Numbers in the order of random keys; those among equal keys are shuffled (Durstenfeld 1964) by the thread of the first.
extern "C" __global__ void __launch_bounds__(256) shuffle_islands(const __grid_constant__ Islands s) {
    i64 at = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (at >= s.n) return;
    i64 key = s.keys[at];
    if (at > 0 && s.keys[at - 1] == key) return;
    i64 size = 1;
    while (at + size < s.n && s.keys[at + size] == key) size++;
    for (i64 i = 0; i < size; i++) store<i64>(s.out, at + i, s.dtype, s.order[at + i]);
    // A word of the thread's stream after another.
    Words w;
    for (i64 i = size - 1, drawn = 0; i > 0; i--, drawn++) {
        if (drawn % 4 == 0) w = philox(s.seed, (u64)at, s.offset / 4 + drawn / 4);
        i64 other = w.x[drawn % 4] % (u32)(i + 1);
        i64 a = load<i64>(s.out, at + i, s.dtype), b = load<i64>(s.out, at + other, s.dtype);
        store<i64>(s.out, at + i, s.dtype, b);
        store<i64>(s.out, at + other, s.dtype, a);
    }
}
