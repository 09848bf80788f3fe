// What happens to all parameters at once: a block has a piece of one of them, blockIdx.y says of which.
#pragma once
#include "common.cuh"
#include "norm.cuh"

// A parameter: where it is, its gradient and its memory, and what is its own in a step.
struct Row {
    float *weight;
    const float *gradient;
    float *first, *second;
    i64 count;
    float rate, decay;
};

// Whether a step counts, which is known when its gradients are there.
struct Verdict {
    double norm, loss;
    float shorten; // what clipping leaves of the gradient
    int refused;   // this step, or one before that the host has not seen to yet
};

// What changes anything in a step looks at its verdict first; without one the step counts.
__device__ inline bool is_refused(const Verdict *verdict) { return verdict && verdict->refused; }
__device__ inline float shortened(float scale, const Verdict *verdict) { return verdict ? scale * verdict->shorten : scale; }

struct Sgd {
    float momentum, nesterov, scale;
    __device__ void operator()(const Row &row, i64 i) const {
        float w = row.weight[i], g = row.gradient[i] * scale;
        if (row.decay != 0.f) g = fmaf(w, row.decay, g);
        float m = fmaf(row.first[i], momentum, g);
        row.first[i] = m;
        row.weight[i] = fmaf(nesterov != 0.f ? fmaf(m, momentum, g) : m, -row.rate, w);
    }
};

// `correction` and `second_scale` make up for the moments' start from 0.
struct Adam {
    float keep1, keep2, add1, add2, second_scale, eps, decoupled, scale, correction;
    __device__ void operator()(const Row &row, i64 i) const {
        float w = row.weight[i], g = row.gradient[i] * scale;
        if (decoupled == 0.f && row.decay != 0.f) g = fmaf(w, row.decay, g);
        float m = fmaf(row.first[i], keep1, g * add1), v = fmaf(row.second[i], keep2, g * g * add2);
        row.first[i] = m, row.second[i] = v;
        float left = decoupled != 0.f ? 1.f - row.rate * row.decay : 1.f;
        row.weight[i] = fmaf(w, left, -row.rate * correction * (m / (sqrtf(v * second_scale) + eps)));
    }
};

template <class F> __device__ void step(const Row *rows, F f) {
    Row row = rows[blockIdx.y];
    for (i64 i = thread_number(); i < row.count; i += thread_count()) f(row, i);
}
extern "C" __global__ void sgd(const Row *rows, const Verdict *verdict, float momentum, float nesterov, float scale) {
    if (!is_refused(verdict)) step(rows, Sgd{momentum, nesterov, shortened(scale, verdict)});
}
extern "C" __global__ void adam(const Row *rows, const Verdict *verdict, float keep1, float keep2, float add1, float add2, float second_scale, float eps, float decoupled, float scale, float correction) {
    if (!is_refused(verdict)) step(rows, Adam{keep1, keep2, add1, add2, second_scale, eps, decoupled, shortened(scale, verdict), correction});
}

// `weight += rate (gradient - weight)`: a step of a moving average.
struct Average {
    __device__ void operator()(const Row &row, i64 i) const {
        float w = row.weight[i];
        row.weight[i] = fmaf(row.gradient[i] - w, row.rate, w);
    }
};
extern "C" __global__ void average(const Row *rows, const Verdict *verdict) {
    if (!is_refused(verdict)) step(rows, Average{});
}

struct Copy {
    __device__ void operator()(const Row &row, i64 i) const { row.weight[i] = row.gradient[i]; }
};
extern "C" __global__ void copy_rows(const Row *rows) { step(rows, Copy{}); }
// The way back for what a refused step has moved before its verdict.
extern "C" __global__ void copy_rows_if_refused(const Row *rows, const Verdict *verdict) {
    if (is_refused(verdict)) step(rows, Copy{});
}

// Shares of the sum of the squares of all gradients: (gridDim.y, gridDim.x) of f64, as the square of the
// largest f32 does not fit f32.
extern "C" __global__ void squares(const Row *rows, double *shares) {
    __shared__ double shared[BLOCK];
    Row row = rows[blockIdx.y];
    double sum = 0;
    for (i64 i = thread_number(); i < row.count; i += thread_count()) sum += (double)row.gradient[i] * row.gradient[i];
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) shares[(i64)blockIdx.y * gridDim.x + blockIdx.x] = shared[0];
}

// The sum of `count` shares, by one block.
extern "C" __global__ void add_squares(const double *shares, i64 count, double *sum) {
    __shared__ double shared[BLOCK];
    double mine = 0;
    for (i64 i = threadIdx.x; i < count; i += blockDim.x) mine += shares[i];
    shared[threadIdx.x] = mine;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) *sum = shared[0];
}

// The verdict on a step whose gradients' squares have this sum. Its loss is the mean of `count` numbers. A refusal
// stays until the host has seen to it: what was queued behind the refused step changes nothing, either.
extern "C" __global__ void judge(const double *squares, const float *const *losses, int count, double scale, double limit, Verdict *verdict) {
    if (threadIdx.x != 0) return;
    double norm = sqrt(*squares) * scale, loss = 0;
    for (int i = 0; i < count; i++) loss += *losses[i];
    loss /= count;
    verdict->norm = norm, verdict->loss = loss;
    verdict->shorten = limit > 0 && norm > limit ? (float)(limit / norm) : 1.f;
    if (norm - norm != 0 || loss - loss != 0) verdict->refused = 1; // not finite
}
