// Softmax and its logarithm along a dimension, and the gradients through them. A row is worked on by a thread, where
// rows lie side by side, by a warp, or by a block. Any strides and dtypes.
#include "common.cuh"

struct Rows {
    void* out;
    const void* in[2];
    i64 rows;
    i64 n;
    // Elements between neighbours of a row: in the output and in the inputs.
    i64 step[3];
    int dtype[3];
    // Where each row begins.
    Places places;
};

template <class T> struct Largest {
    __device__ static T join(T a, T b) { return a != a ? a : b != b ? b : a > b ? a : b; }
};

template <class T> struct Row {
    const Rows& r;
    i64 at[3];
    __device__ T in(int k, i64 i) const { return load<T>(r.in[k], at[k + 1] + i * r.step[k + 1], r.dtype[k + 1]); }
    __device__ void put(i64 i, T x) const { store<T>(r.out, at[0] + i * r.step[0], r.dtype[0], x); }
};

template <class T, int TEAM> struct Team {
    __device__ static T largest(const Row<T>& row) {
        T x = -__int_as_float(0x7f800000);
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) x = Largest<T>::join(x, row.in(0, i));
        return whole<T, Largest<T>, TEAM>(x);
    }
    __device__ static T exponentials(const Row<T>& row, T top) {
        T x = 0;
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) x += exp(row.in(0, i) - top);
        return whole<T, Sum<T>, TEAM>(x);
    }
};

template <class T, int TEAM> struct Softmax {
    __device__ static void run(const Row<T>& row) {
        T top = Team<T, TEAM>::largest(row), scale = T(1) / Team<T, TEAM>::exponentials(row, top);
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) row.put(i, exp(row.in(0, i) - top) * scale);
    }
};
template <class T, int TEAM> struct LogSoftmax {
    __device__ static void run(const Row<T>& row) {
        T top = Team<T, TEAM>::largest(row), total = log(Team<T, TEAM>::exponentials(row, top));
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) row.put(i, row.in(0, i) - top - total);
    }
};
template <class T, int TEAM> struct SoftmaxBackward {
    __device__ static void run(const Row<T>& row) {
        T total = 0;
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) total += row.in(0, i) * row.in(1, i);
        total = whole<T, Sum<T>, TEAM>(total);
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) row.put(i, row.in(1, i) * (row.in(0, i) - total));
    }
};
template <class T, int TEAM> struct LogSoftmaxBackward {
    __device__ static void run(const Row<T>& row) {
        T total = 0;
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) total += row.in(0, i);
        total = whole<T, Sum<T>, TEAM>(total);
        for (i64 i = place_in_team<TEAM>(); i < row.r.n; i += TEAM) row.put(i, row.in(0, i) - exp(row.in(1, i)) * total);
    }
};

template <class T, class F, int TEAM> __device__ inline void each_row(const Rows& r) {
    i64 number = team<TEAM>();
    if (number >= r.rows) return;
    Row<T> row = {r};
    place<3>(r.places, number, row.at);
    F::run(row);
}

#define KERNEL(NAME, F, LANE, T) \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_thread(const __grid_constant__ Rows r) { each_row<T, F<T, 1>, 1>(r); } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_warp(const __grid_constant__ Rows r) { each_row<T, F<T, 32>, 32>(r); } \
    extern "C" __global__ void __launch_bounds__(256) NAME##_##LANE##_block(const __grid_constant__ Rows r) { each_row<T, F<T, 256>, 256>(r); }
#define KERNELS(NAME, F) KERNEL(NAME, F, f32, float) KERNEL(NAME, F, f64, double)

KERNELS(softmax, Softmax)
KERNELS(log_softmax, LogSoftmax)
KERNELS(softmax_backward, SoftmaxBackward)
KERNELS(log_softmax_backward, LogSoftmaxBackward)
