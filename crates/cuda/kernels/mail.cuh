// What kernels report beside their results: numbers that are out of range, and divisions by zero.
#pragma once
#include "common.cuh"

// In memory of the host; who finds it empty fills it.
struct Mail {
    u32 taken;
    u32 call;
    i64 number;
    i64 dim;
    i64 size;
};

__device__ inline void report(Mail* mail, u32 call, i64 number, i64 dim, i64 size) {
    if (atomicCAS(&mail->taken, 0u, 1u) != 0u) return;
    mail->number = number;
    mail->dim = dim;
    mail->size = size;
    mail->call = call;
    __threadfence_system();
    atomicExch(&mail->taken, 2u);
}

// The place of a number of an index, 0 for one that is out of range.
__device__ inline i64 checked(Mail* mail, u32 call, i64 number, i64 dim, i64 size, bool wrap) {
    i64 at = number < 0 && wrap ? number + size : number;
    if (at >= 0 && at < size) return at;
    report(mail, call, number, dim, size);
    return 0;
}

// A divisor, 1 for zero.
__device__ inline i64 divisor(Mail* mail, u32 call, i64 number) {
    if (number != 0) return number;
    report(mail, call, 0, -1, 0);
    return 1;
}
