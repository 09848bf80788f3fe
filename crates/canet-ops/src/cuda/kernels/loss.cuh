// Softmax cross-entropy, a thread a pixel.
#pragma once
#include "common.cuh"
#include "norm.cuh"

// What all pixels need of their logits: the largest, and the sum of the exponentials of the shortfalls.
template <class T> __device__ __forceinline__ float softmax_sum(const T *x, int classes, float &largest) {
    largest = to_float(x[0]);
    for (int c = 1; c < classes; c++) {
        float v = to_float(x[c]);
        if (v > largest || v != v) largest = v;
    }
    float sum = 0.f;
    for (int c = 0; c < classes; c++) sum += expf(to_float(x[c]) - largest);
    return sum;
}

// Shares of the sum of `-weight log softmax`; `weights` has what a pixel counts by its target, (256).
template <class T> __device__ void cross_entropy(const T *x, const u8 *targets, const float *weights, float *shares, i64 pixels, int classes) {
    __shared__ float shared[BLOCK];
    float loss = 0.f;
    for (i64 i = thread_number(); i < pixels; i += thread_count()) {
        int target = targets[i];
        float weight = weights[target], largest;
        if (weight == 0.f) continue;
        float sum = softmax_sum(x + i * classes, classes, largest);
        loss += weight * (logf(sum) + largest - to_float(x[i * classes + target]));
    }
    shared[threadIdx.x] = loss;
    __syncthreads();
    for (int half = BLOCK / 2; half > 0; half /= 2) {
        if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) shares[blockIdx.x] = shared[0];
}
extern "C" __global__ void cross_entropy_f32(const float *x, const u8 *targets, const float *weights, float *shares, i64 pixels, int classes) { cross_entropy(x, targets, weights, shares, pixels, classes); }
extern "C" __global__ void cross_entropy_bf16(const bf16 *x, const u8 *targets, const float *weights, float *shares, i64 pixels, int classes) { cross_entropy(x, targets, weights, shares, pixels, classes); }

// The gradient: `factor scale weight (softmax - one-hot)`, with the factor where `factor` points to.
template <class T> __device__ void cross_entropy_backward(const T *x, const u8 *targets, const float *weights, const float *factor, float scale, T *gx, i64 pixels, int classes) {
    float by = *factor * scale;
    for (i64 i = thread_number(); i < pixels; i += thread_count()) {
        int target = targets[i];
        float weight = weights[target], largest = 0.f, sum = 1.f;
        const T *from = x + i * classes;
        if (weight != 0.f) sum = softmax_sum(from, classes, largest);
        for (int c = 0; c < classes; c++) {
            float share = weight == 0.f ? 0.f : by * weight * (expf(to_float(from[c]) - largest) / sum - (c == target ? 1.f : 0.f));
            gx[i * classes + c] = from_float<T>(share);
        }
    }
}
extern "C" __global__ void cross_entropy_backward_f32(const float *x, const u8 *targets, const float *weights, const float *factor, float scale, float *gx, i64 pixels, int classes) { cross_entropy_backward(x, targets, weights, factor, scale, gx, pixels, classes); }
extern "C" __global__ void cross_entropy_backward_bf16(const bf16 *x, const u8 *targets, const float *weights, const float *factor, float scale, bf16 *gx, i64 pixels, int classes) { cross_entropy_backward(x, targets, weights, factor, scale, gx, pixels, classes); }
