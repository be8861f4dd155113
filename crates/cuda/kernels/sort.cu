// Order along the last dimension. A line is cut into pieces that a block sorts (bitonic, several short lines at once), and
// sorted pieces are joined two by two: an element's place in the joint is its own and the number of those before it in the
// other. Elements are compared by keys, unsigned numbers that order as they do, and equal ones by their places, so that the
// order is one and the same from run to run.
#include "common.cuh"

// What a block holds.
#define PIECE 2048

struct Sort {
    const void* in;
    // The sorted keys and their places, and where they are joined to.
    u64* keys;
    u32* places;
    u64* next_keys;
    u32* next_places;
    void* values;
    i64* indices;
    i64 lines, n;
    // Slots of a piece, a power of two; pieces of a line; the length of sorted runs; elements taken of each line.
    i64 slots, pieces, run, k;
    int dtype, size, flip;
};

__device__ inline u64 key_of(const Sort& s, i64 i) {
    u64 key;
    switch (s.dtype) {
    case Bool: case U8: key = ((const unsigned char*)s.in)[i]; break;
    case I8: key = (u64)((const signed char*)s.in)[i] ^ 1ull << 63; break;
    case I16: key = (u64)((const short*)s.in)[i] ^ 1ull << 63; break;
    case I32: key = (u64)((const int*)s.in)[i] ^ 1ull << 63; break;
    case I64: key = (u64)((const i64*)s.in)[i] ^ 1ull << 63; break;
    default: {
        // One zero of two, and NaN above all.
        double x = load<double>(s.in, i, s.dtype);
        u64 bits = x != x ? ~0ull >> 1 : (u64)__double_as_longlong(x + 0.0);
        key = bits >> 63 ? ~bits : bits | 1ull << 63;
    }
    }
    return s.flip ? ~key : key;
}

__device__ inline bool before(u64 a, u32 place, u64 b, u32 other) { return a != b ? a < b : place < other; }

extern "C" __global__ void __launch_bounds__(256) sort_pieces(const __grid_constant__ Sort s) {
    __shared__ u64 keys[PIECE];
    __shared__ u32 places[PIECE];
    i64 together = PIECE / s.slots, first = (i64)blockIdx.x * together, all = s.lines * s.pieces;
    for (i64 t = threadIdx.x; t < PIECE; t += 256) {
        i64 piece = first + t / s.slots, line = piece / s.pieces, at = piece % s.pieces * s.slots + t % s.slots;
        bool there = piece < all && at < s.n;
        keys[t] = there ? key_of(s, line * s.n + at) : ~0ull;
        places[t] = there ? (u32)at : ~0u;
    }
    for (i64 size = 2; size <= s.slots; size *= 2) {
        for (i64 gap = size / 2; gap > 0; gap /= 2) {
            __syncthreads();
            for (i64 t = threadIdx.x; t < PIECE / 2; t += 256) {
                i64 a = t / gap * gap * 2 + t % gap, b = a + gap;
                bool down = (a % s.slots & size) != 0;
                if (before(keys[b], places[b], keys[a], places[a]) != down) {
                    u64 key = keys[a];
                    keys[a] = keys[b];
                    keys[b] = key;
                    u32 place = places[a];
                    places[a] = places[b];
                    places[b] = place;
                }
            }
        }
    }
    __syncthreads();
    for (i64 t = threadIdx.x; t < PIECE; t += 256) {
        i64 piece = first + t / s.slots, line = piece / s.pieces, at = piece % s.pieces * s.slots + t % s.slots;
        if (piece >= all || at >= s.n) continue;
        s.keys[line * s.n + at] = keys[t];
        s.places[line * s.n + at] = places[t];
    }
}

// Runs of `run` elements, joined two by two.
extern "C" __global__ void __launch_bounds__(256) sort_join(const __grid_constant__ Sort s) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.lines * s.n) return;
    i64 line = i / s.n, at = i % s.n, own = at / s.run, start = line * s.n;
    i64 low = (own ^ 1) * s.run, high = min(low + s.run, s.n), other = low;
    u64 key = s.keys[i];
    u32 place = s.places[i];
    while (low < high) {
        i64 middle = (low + high) / 2;
        if (before(s.keys[start + middle], s.places[start + middle], key, place)) low = middle + 1;
        else high = middle;
    }
    // A run without another stays where it is.
    i64 less = other < s.n ? low - other : 0;
    i64 to = start + own / 2 * 2 * s.run + (at - own * s.run) + less;
    s.next_keys[to] = key;
    s.next_places[to] = place;
}

__device__ inline void take(const Sort& s, i64 to, i64 line, u32 place) {
    i64 from = line * s.n + place;
    switch (s.size) {
    case 1: ((unsigned char*)s.values)[to] = ((const unsigned char*)s.in)[from]; break;
    case 2: ((unsigned short*)s.values)[to] = ((const unsigned short*)s.in)[from]; break;
    case 4: ((u32*)s.values)[to] = ((const u32*)s.in)[from]; break;
    default: ((u64*)s.values)[to] = ((const u64*)s.in)[from];
    }
    s.indices[to] = place;
}

// The first `k` of each line.
extern "C" __global__ void __launch_bounds__(256) sort_take(const __grid_constant__ Sort s) {
    i64 i = (i64)blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= s.lines * s.k) return;
    i64 line = i / s.k;
    take(s, i, line, s.places[line * s.n + i % s.k]);
}

// How many of a line are numbers.
__device__ inline i64 numbers(const Sort& s, i64 line) {
    if (s.dtype < F16) return s.n;
    i64 low = 0, high = s.n;
    while (low < high) {
        i64 middle = (low + high) / 2;
        // The key of NaN.
        if (s.keys[line * s.n + middle] == ~0ull) high = middle;
        else low = middle + 1;
    }
    return low;
}

// One of each line: at a place; the lower median, where there is one the first NaN; that of the numbers; the last place of
// the most frequent.
#define PICK(NAME, BODY) \
    extern "C" __global__ void __launch_bounds__(256) pick_##NAME(const __grid_constant__ Sort s) { \
        i64 line = (i64)blockIdx.x * blockDim.x + threadIdx.x; \
        if (line >= s.lines) return; \
        i64 at; \
        BODY \
        take(s, line, line, s.places[line * s.n + at]); \
    }
PICK(place, { at = s.k; })
PICK(median, {
    i64 count = numbers(s, line);
    at = count < s.n ? count : (s.n - 1) / 2;
})
PICK(nanmedian, {
    i64 count = numbers(s, line);
    at = count > 0 ? (count - 1) / 2 : 0;
})
PICK(mode, {
    const u64* keys = s.keys + line * s.n;
    i64 longest = 0;
    at = 0;
    for (i64 start = 0; start < s.n;) {
        i64 end = start + 1;
        while (end < s.n && keys[end] == keys[start]) end++;
        if (end - start > longest) {
            longest = end - start;
            at = end - 1;
        }
        start = end;
    }
})
