// Pooling and resizing.
#pragma once
#include "common.cuh"

// The largest value of each window of x (N, h, w, C), and its number in the window; padding never wins,
// of equals the first does, and NaN always.
template <class T, int V> __device__ void max_pool(const T *x, T *y, u8 *winners, int images, int h, int w, int oh, int ow, int channels, int kernel, int stride, int padding) {
    int groups = channels / V;
    i64 count = (i64)images * oh * ow * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        Spot at_pixel = spot_of<V>(i, groups, oh, ow);
        int c = at_pixel.c, column = at_pixel.column, row = at_pixel.row;
        i64 image = at_pixel.image;
        float best[V];
        u8 winner[V];
        bool first = true;
        for (int ky = 0; ky < kernel; ky++) {
            int iy = row * stride - padding + ky;
            if (iy < 0 || iy >= h) continue;
            for (int kx = 0; kx < kernel; kx++) {
                int ix = column * stride - padding + kx;
                if (ix < 0 || ix >= w) continue;
                float v[V];
                load<V>(v, x + ((image * h + iy) * w + ix) * channels + c);
#pragma unroll
                for (int k = 0; k < V; k++) {
                    if (first || !(v[k] <= best[k] || best[k] != best[k])) best[k] = v[k], winner[k] = ky * kernel + kx;
                }
                first = false;
            }
        }
        i64 at = ((image * oh + row) * ow + column) * channels + c;
        store<V>(y + at, best);
#pragma unroll
        for (int k = 0; k < V; k++) winners[at + k] = winner[k];
    }
}
FOR_ALL_TYPES(max_pool, (max_pool<T, V>(x, y, winners, images, h, w, oh, ow, channels, kernel, stride, padding)),
          const T *x, T *y, u8 *winners, int images, int h, int w, int oh, int ow, int channels, int kernel, int stride, int padding)

// Each input gathers the gradients of the windows that it won.
template <class T, int V> __device__ void max_pool_backward(const T *g, const u8 *winners, T *gx, int images, int h, int w, int oh, int ow, int channels, int kernel, int stride, int padding) {
    int groups = channels / V;
    i64 count = (i64)images * h * w * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        Spot at_pixel = spot_of<V>(i, groups, h, w);
        int c = at_pixel.c, ix = at_pixel.column, iy = at_pixel.row;
        i64 image = at_pixel.image;
        float sum[V];
        for (int k = 0; k < V; k++) sum[k] = 0.f;
        int top = iy + padding - kernel + 1, left = ix + padding - kernel + 1;
        int row0 = top > 0 ? (top + stride - 1) / stride : 0, column0 = left > 0 ? (left + stride - 1) / stride : 0;
        for (int row = row0; row < oh && row * stride <= iy + padding; row++) {
            for (int column = column0; column < ow && column * stride <= ix + padding; column++) {
                int number = (iy + padding - row * stride) * kernel + (ix + padding - column * stride);
                i64 at = ((image * oh + row) * ow + column) * channels + c;
                float v[V];
                load<V>(v, g + at);
#pragma unroll
                for (int k = 0; k < V; k++)
                    if (winners[at + k] == number) sum[k] += v[k];
            }
        }
        store<V>(gx + ((image * h + iy) * w + ix) * channels + c, sum);
    }
}
FOR_TYPES(max_pool_backward, (max_pool_backward<T, V>(g, winners, gx, images, h, w, oh, ow, channels, kernel, stride, padding)),
          const T *g, const u8 *winners, T *gx, int images, int h, int w, int oh, int ow, int channels, int kernel, int stride, int padding)

// A banded map of an axis: output i is the sum of `weights[at[i] + k] * input[start[i] + k]`, for
// at[i + 1] - at[i] values k.
struct Bands {
    const int *start, *at;
    const float *weights;
};

// Maps rows and columns of x (N, h, w, C): pooling, resizing, and the gradients of both. With `onto` the
// result is added to what y holds.
template <class T, int V> __device__ void blend(const T *x, T *y, int onto, int images, int h, int w, int oh, int ow, int channels, Bands rows, Bands columns) {
    int groups = channels / V;
    i64 count = (i64)images * oh * ow * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        Spot at_pixel = spot_of<V>(i, groups, oh, ow);
        int c = at_pixel.c, column = at_pixel.column, row = at_pixel.row;
        i64 image = at_pixel.image;
        float sum[V];
        for (int k = 0; k < V; k++) sum[k] = 0.f;
        int y0 = rows.start[row], ya = rows.at[row], ny = rows.at[row + 1] - ya;
        int x0 = columns.start[column], xa = columns.at[column], nx = columns.at[column + 1] - xa;
        for (int dy = 0; dy < ny; dy++) {
            float line[V];
            for (int k = 0; k < V; k++) line[k] = 0.f;
            const T *from = x + ((image * h + y0 + dy) * w + x0) * channels + c;
            for (int dx = 0; dx < nx; dx++) {
                float v[V], weight = columns.weights[xa + dx];
                load<V>(v, from + (i64)dx * channels);
#pragma unroll
                for (int k = 0; k < V; k++) line[k] += weight * v[k];
            }
            float weight = rows.weights[ya + dy];
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] += weight * line[k];
        }
        T *to = y + ((image * oh + row) * ow + column) * channels + c;
        if (onto) {
            float before[V];
            load<V>(before, to);
#pragma unroll
            for (int k = 0; k < V; k++) sum[k] += before[k];
        }
        store<V>(to, sum);
    }
}
FOR_ALL_TYPES(blend, (blend<T, V>(x, y, onto, images, h, w, oh, ow, channels, Bands{row_start, row_at, row_weights}, Bands{column_start, column_at, column_weights})),
          const T *x, T *y, int onto, int images, int h, int w, int oh, int ow, int channels,
          const int *row_start, const int *row_at, const float *row_weights, const int *column_start, const int *column_at, const float *column_weights)

// One value (N, C) over all pixels, times `scale`; with `onto` added to what y holds.
template <class T, int V> __device__ void spread(const T *x, T *y, int onto, int images, int pixels, int channels, float scale) {
    int groups = channels / V;
    i64 count = (i64)images * pixels * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        int c = ((unsigned)i % groups) * V;
        i64 row = (unsigned)i / groups;
        float v[V];
        load<V>(v, x + (unsigned)row / pixels * (i64)channels + c);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] *= scale;
        if (onto) {
            float before[V];
            load<V>(before, y + row * channels + c);
#pragma unroll
            for (int k = 0; k < V; k++) v[k] += before[k];
        }
        store<V>(y + row * channels + c, v);
    }
}
FOR_ALL_TYPES(spread, (spread<T, V>(x, y, onto, images, pixels, channels, scale)), const T *x, T *y, int onto, int images, int pixels, int channels, float scale)

// The number of the largest of the channels of each pixel, the first of equals; 255 where one is not finite.
template <class T> __device__ void best_class(const T *x, u8 *to, i64 pixels, int channels) {
    for (i64 i = thread_number(); i < pixels; i += thread_count()) {
        float best = to_float(x[i * channels]);
        bool finite = best - best == 0;
        int number = 0;
        for (int c = 1; c < channels; c++) {
            float v = to_float(x[i * channels + c]);
            finite = finite && v - v == 0;
            if (v > best) best = v, number = c;
        }
        to[i] = finite ? number : 255;
    }
}
extern "C" __global__ void best_class_f32(const float *x, u8 *to, i64 pixels, int channels) { best_class(x, to, pixels, channels); }
extern "C" __global__ void best_class_bf16(const bf16 *x, u8 *to, i64 pixels, int channels) { best_class(x, to, pixels, channels); }
extern "C" __global__ void best_class_f16(const f16 *x, u8 *to, i64 pixels, int channels) { best_class(x, to, pixels, channels); }
