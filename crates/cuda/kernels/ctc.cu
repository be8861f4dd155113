// The loss of connectionist temporal classification (Graves et al. 2006): recursions over frames, in logarithms and doubles. A
// block has a sequence, its threads the labels: a blank before, between and behind the target's classes.
#include "mail.cuh"

#define SEQUENCES 64

struct Ctc {
    const void* x;
    const i64* targets;
    const void* g;
    void* out;
    // For each sequence of the launch, frame and label.
    double* forward;
    double* backward;
    Mail* mail;
    // Frames and classes there are, numbers from a frame to the next, classes of a target, labels that memory is for.
    i64 frames, classes, stride, targets_stride, labels, blank;
    // The number of the launch's first sequence.
    i64 first;
    i64 inputs[SEQUENCES];
    i64 lengths[SEQUENCES];
    u32 call;
    int dtype, zero_infinity;
};

#define NONE (-1.0 / 0.0)

__device__ inline double add(double a, double b) {
    double most = fmax(a, b);
    return most == NONE ? NONE : most + log(exp(a - most) + exp(b - most));
}

struct Sequence {
    const Ctc& c;
    i64 b, frames, labels;
    __device__ Sequence(const Ctc& c)
        : c(c), b(c.first + blockIdx.x), frames(c.inputs[blockIdx.x]), labels(2 * c.lengths[blockIdx.x] + 1) {}
    __device__ i64 label(i64 s) const {
        if (s % 2 == 0) return c.blank;
        return checked(c.mail, c.call, c.targets[b * c.targets_stride + s / 2], 0, c.classes, false);
    }
    __device__ i64 at(i64 t, i64 label) const { return t * c.stride + b * c.classes + label; }
    __device__ double x(i64 t, i64 label) const { return load<double>(c.x, at(t, label), c.dtype); }
    // May the step to label `s` come from the one two before?
    __device__ bool skips(i64 s) const { return s >= 2 && s % 2 == 1 && label(s) != label(s - 2); }
    __device__ double* row(double* all, i64 t) const { return all + ((i64)blockIdx.x * c.frames + t) * c.labels; }

    // The logarithms of the probabilities of all ways to each frame and label.
    __device__ void forward() const {
        for (i64 t = 0; t < frames; t++) {
            for (i64 s = threadIdx.x; s < labels; s += blockDim.x) {
                double ways = s < 2 ? 0.0 : NONE;
                if (t > 0) {
                    const double* before = row(c.forward, t - 1);
                    ways = s > 0 ? add(before[s], before[s - 1]) : before[s];
                    if (skips(s)) ways = add(ways, before[s - 2]);
                }
                row(c.forward, t)[s] = ways + x(t, label(s));
            }
            __syncthreads();
        }
    }

    // Those from there to the end.
    __device__ void backward() const {
        for (i64 t = frames - 1; t >= 0; t--) {
            for (i64 s = threadIdx.x; s < labels; s += blockDim.x) {
                double ways = s + 2 >= labels ? 0.0 : NONE;
                if (t + 1 < frames) {
                    const double* after = row(c.backward, t + 1);
                    ways = s + 1 < labels ? add(after[s], after[s + 1]) : after[s];
                    if (s + 2 < labels && skips(s + 2)) ways = add(ways, after[s + 2]);
                }
                row(c.backward, t)[s] = ways + x(t, label(s));
            }
            __syncthreads();
        }
    }

    __device__ double loss() const {
        if (frames == 0) return labels == 1 ? 0.0 : -NONE;
        const double* last = row(c.forward, frames - 1);
        return -(labels > 1 ? add(last[labels - 1], last[labels - 2]) : last[0]);
    }
};

extern "C" __global__ void __launch_bounds__(256) ctc_loss(const __grid_constant__ Ctc c) {
    Sequence q(c);
    q.forward();
    if (threadIdx.x > 0) return;
    double loss = q.loss();
    store<double>(c.out, q.b, c.dtype, c.zero_infinity && loss == -NONE ? 0.0 : loss);
}

extern "C" __global__ void __launch_bounds__(256) ctc_loss_backward(const __grid_constant__ Ctc c) {
    Sequence q(c);
    q.forward();
    q.backward();
    double loss = q.loss(), g = load<double>(c.g, q.b, c.dtype);
    bool none = c.zero_infinity && loss == -NONE;
    // No label has the class: the probability alone.
    for (i64 i = threadIdx.x; i < c.frames * c.classes; i += blockDim.x) {
        i64 t = i / c.classes, label = i % c.classes;
        bool inside = t < q.frames && !none;
        double log = inside ? q.x(t, label) : 0.0;
        // As if there were ways that come to nothing, which is no number where the loss is infinite.
        double way = NONE + loss;
        store<double>(c.out, q.at(t, label), c.dtype, inside ? (exp(log) - exp(way - log)) * g : 0.0);
    }
    __syncthreads();
    if (none) return;
    // The first label of a class takes all ways through the class, in their order.
    for (i64 i = threadIdx.x; i < q.frames * q.labels; i += blockDim.x) {
        i64 t = i / q.labels, s = i % q.labels, label = q.label(s);
        bool first = true;
        for (i64 k = 0; first && k < s; k++) first = q.label(k) != label;
        if (!first) continue;
        double ways = NONE, log = q.x(t, label);
        for (i64 k = s; k < q.labels; k++) {
            if (q.label(k) == label) ways = add(ways, q.row(c.forward, t)[k] + q.row(c.backward, t)[k]);
        }
        store<double>(c.out, q.at(t, label), c.dtype, (exp(log) - exp(ways + loss - log)) * g);
    }
}
