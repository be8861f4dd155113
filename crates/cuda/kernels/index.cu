// Elements by number: read, written, added; and the numbers of those that are not zero.
//
// What meets at one place is joined in the order of the index. A number that is out of range is written to the mailbox,
// and 0 stands for it.
#include "mail.cuh"

struct Index {
    void* out;
    const void* in;
    // The index tensors, in rows; the size of each dimension, and the elements from one number to the next.
    const i64* index[8];
    i64 size[8], step[8], dim[8];
    Mail* mail;
    // Of `owner[place]`, the last entry that wants the place, plus one.
    u64* owner;
    i64 n;
    // Entries of the index, and elements of each.
    i64 picks, rest;
    int count, wrap;
    u32 call;
    int dtype, in_dtype;
    // The walk over all elements: operand 0 the indexed tensor, 1 the index, 2 the other tensor. Its dimensions are
    // those of an entry first, then those of the index.
    Places places;
};

__device__ inline i64 picked(const Index& p, i64 pick) {
    i64 at = 0;
    for (int k = 0; k < p.count; k++)
        at += checked(p.mail, p.call, p.index[k][pick], p.dim[k], p.size[k], p.wrap) * p.step[k];
    return at;
}

template <class E> __device__ inline void read(const Index& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (i >= p.n) return;
    place<3>(p.places, i, at);
    ((E*)p.out)[at[2]] = ((const E*)p.in)[at[0] + picked(p, at[1])];
}

// The last entry stays: first it says so, then it writes.
__device__ inline void claim(const Index& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (i >= p.n) return;
    place<3>(p.places, i, at);
    atomicMax(&p.owner[at[0] + picked(p, at[1])], (u64)at[1] + 1);
}
template <class E> __device__ inline void write(const Index& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (i >= p.n) return;
    place<3>(p.places, i, at);
    i64 to = at[0] + picked(p, at[1]);
    if (p.owner[to] == (u64)at[1] + 1) ((E*)p.out)[to] = ((const E*)p.in)[at[2]];
}

// A thread for each element of an entry walks through the index.
template <class T> __device__ inline void add(const Index& p) {
    i64 r = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (r >= p.rest) return;
    for (i64 k = 0; k < p.picks; k++) {
        place<3>(p.places, k * p.rest + r, at);
        i64 to = at[0] + picked(p, at[1]);
        store<T>(p.out, to, p.dtype, load<T>(p.out, to, p.dtype) + load<T>(p.in, at[2], p.in_dtype));
    }
}

#define KERNEL(NAME, STRUCT, CALL) \
    extern "C" __global__ void __launch_bounds__(256) NAME(const __grid_constant__ STRUCT p) { CALL(p); }
#define WORDS(NAME, STRUCT, CALL) \
    KERNEL(NAME##_1, STRUCT, CALL<unsigned char>) KERNEL(NAME##_2, STRUCT, CALL<unsigned short>) \
    KERNEL(NAME##_4, STRUCT, CALL<u32>) KERNEL(NAME##_8, STRUCT, CALL<u64>) KERNEL(NAME##_16, STRUCT, CALL<uint4>)
#define LANES(NAME, STRUCT, CALL) \
    KERNEL(NAME##_f32, STRUCT, CALL<float>) KERNEL(NAME##_f64, STRUCT, CALL<double>) KERNEL(NAME##_i64, STRUCT, CALL<i64>)

WORDS(index_read, Index, read)
KERNEL(index_claim, Index, claim)
WORDS(index_write, Index, write)
LANES(index_add, Index, add)

// Along one dimension, by an index of the tensor's own rank.
struct Line {
    void* out;
    const void* in;
    const i64* index;
    Mail* mail;
    u64* owner;
    int* seen;
    i64 n;
    // Elements of the index along the dimension; then the size of the dimension in the indexed tensor.
    i64 length, size;
    // Elements between neighbours along the dimension: of the indexed tensor, the index, the other one.
    i64 step[3];
    i64 dim;
    int dtype, reduce, include_self;
    u32 call;
    int in_dtype;
    // All elements of the index, or, for lines, all but the dimension: operands as the steps have them.
    Places places;
};

__device__ inline i64 target(const Line& p, i64 number) {
    return checked(p.mail, p.call, number, p.dim, p.size, false) * p.step[0];
}

template <class E> __device__ inline void gather(const Line& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (i >= p.n) return;
    place<3>(p.places, i, at);
    ((E*)p.out)[at[2]] = ((const E*)p.in)[at[0] + target(p, p.index[at[1]])];
}

__device__ inline void claim_line(const Line& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (i >= p.n) return;
    place<3>(p.places, i, at);
    atomicMax(&p.owner[at[0] + target(p, p.index[at[1]])], (u64)i + 1);
}
template <class E> __device__ inline void scatter(const Line& p) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (i >= p.n) return;
    place<3>(p.places, i, at);
    i64 to = at[0] + target(p, p.index[at[1]]);
    if (p.owner[to] == (u64)i + 1) ((E*)p.out)[to] = ((const E*)p.in)[at[2]];
}

// Sum, product, mean, largest, smallest; NaN if any is.
template <class T> __device__ inline T joined(int reduce, T a, T b) {
    switch (reduce) {
    case 1: return a * b;
    case 3: return a != a ? a : b != b ? b : a > b ? a : b;
    case 4: return a != a ? a : b != b ? b : a < b ? a : b;
    default: return a + b;
    }
}
template <class T> __device__ inline T over(T sum, i64 n) { return sum / T(n); }
template <> __device__ inline i64 over<i64>(i64 sum, i64 n) {
    i64 q = sum / n;
    return sum % n != 0 && sum < 0 ? q - 1 : q;
}

// A thread for each line.
template <class T> __device__ inline void reduce(const Line& p) {
    i64 r = (i64)blockIdx.x * blockDim.x + threadIdx.x, at[3];
    if (r >= p.n) return;
    place<3>(p.places, r, at);
    for (i64 k = 0; k < p.length; k++) {
        i64 to = at[0] + target(p, p.index[at[1] + k * p.step[1]]);
        T x = load<T>(p.in, at[2] + k * p.step[2], p.in_dtype);
        bool first = p.seen && p.seen[to] == 0 && !p.include_self;
        store<T>(p.out, to, p.dtype, first ? x : joined(p.reduce, load<T>(p.out, to, p.dtype), x));
        if (p.seen) p.seen[to] += 1;
    }
    if (p.reduce != 2) return;
    for (i64 k = 0; k < p.size; k++) {
        i64 to = at[0] + k * p.step[0], n = p.seen[to];
        if (n > 0) store<T>(p.out, to, p.dtype, over(load<T>(p.out, to, p.dtype), n + p.include_self));
    }
}

WORDS(gather, Line, gather)
KERNEL(scatter_claim, Line, claim_line)
WORDS(scatter, Line, scatter)
LANES(scatter_reduce, Line, reduce)

// The places of elements that are not zero, in order: one block walks through all.
struct Nonzero {
    i64* out;
    const unsigned char* in;
    i64 n, count;
    int rank;
    i64 size[8];
};

__device__ inline void find_nonzero(const Nonzero& p) {
    __shared__ int of_warp[8];
    i64 found = 0;
    int lane = threadIdx.x % 32, warp = threadIdx.x / 32;
    for (i64 base = 0; base < p.n; base += 256) {
        i64 i = base + threadIdx.x;
        bool is = i < p.n && p.in[i] != 0;
        u32 all = __ballot_sync(0xffffffffu, is);
        if (lane == 0) of_warp[warp] = __popc(all);
        __syncthreads();
        i64 at = found + __popc(all & ((1u << lane) - 1));
        for (int w = 0; w < 8; w++) {
            if (w < warp) at += of_warp[w];
            found += of_warp[w];
        }
        if (is && at < p.count) {
            i64 rest = i;
            for (int d = p.rank - 1; d >= 0; d--) {
                p.out[at * p.rank + d] = rest % p.size[d];
                rest /= p.size[d];
            }
        }
        __syncthreads();
    }
}
KERNEL(nonzero, Nonzero, find_nonzero)
