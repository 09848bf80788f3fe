// Convolutions with one filter a channel. A thread has V channels of one pixel.
#pragma once
#include "common.cuh"
#include "norm.cuh"

struct Filter {
    int kh, kw, sy, sx, dy, dx, top, left;
};

// Weights are (taps, C) of f32.
template <class T, int V> __device__ void depthwise(const T *x, const float *weight, T *y, int images, int h, int w, int oh, int ow, int channels, Filter f) {
    int groups = channels / V;
    i64 count = (i64)images * oh * ow * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        Spot at_pixel = spot_of<V>(i, groups, oh, ow);
        int c = at_pixel.c, column = at_pixel.column, row = at_pixel.row;
        i64 image = at_pixel.image;
        float sum[V];
        for (int k = 0; k < V; k++) sum[k] = 0.f;
        for (int ky = 0; ky < f.kh; ky++) {
            int iy = row * f.sy - f.top + ky * f.dy;
            if (iy < 0 || iy >= h) continue;
            for (int kx = 0; kx < f.kw; kx++) {
                int ix = column * f.sx - f.left + kx * f.dx;
                if (ix < 0 || ix >= w) continue;
                float v[V], weights[V];
                load<V>(v, x + ((image * h + iy) * w + ix) * channels + c);
                const float *tap = weight + (i64)(ky * f.kw + kx) * channels + c;
#pragma unroll
                for (int k = 0; k < V; k++) weights[k] = tap[k];
#pragma unroll
                for (int k = 0; k < V; k++) sum[k] += v[k] * weights[k];
            }
        }
        store<V>(y + ((image * oh + row) * ow + column) * channels + c, sum);
    }
}
#define FILTER int kh, int kw, int sy, int sx, int dy, int dx, int top, int left
FOR_ALL_TYPES(depthwise, (depthwise<T, V>(x, weight, y, images, h, w, oh, ow, channels, Filter{kh, kw, sy, sx, dy, dx, top, left})),
          const T *x, const float *weight, T *y, int images, int h, int w, int oh, int ow, int channels, FILTER)

// The gradient of x (N, h, w, C) from that of y: each input gathers the outputs that saw it.
template <class T, int V> __device__ void depthwise_input(const T *g, const float *weight, T *gx, int images, int h, int w, int oh, int ow, int channels, Filter f) {
    int groups = channels / V;
    i64 count = (i64)images * h * w * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        Spot at_pixel = spot_of<V>(i, groups, h, w);
        int c = at_pixel.c, ix = at_pixel.column, iy = at_pixel.row;
        i64 image = at_pixel.image;
        float sum[V];
        for (int k = 0; k < V; k++) sum[k] = 0.f;
        for (int ky = 0; ky < f.kh; ky++) {
            int y = iy + f.top - ky * f.dy;
            if (y < 0 || y % f.sy || y / f.sy >= oh) continue;
            for (int kx = 0; kx < f.kw; kx++) {
                int x = ix + f.left - kx * f.dx;
                if (x < 0 || x % f.sx || x / f.sx >= ow) continue;
                float v[V];
                load<V>(v, g + ((image * oh + y / f.sy) * ow + x / f.sx) * channels + c);
                const float *tap = weight + (i64)(ky * f.kw + kx) * channels + c;
#pragma unroll
                for (int k = 0; k < V; k++) sum[k] += v[k] * tap[k];
            }
        }
        store<V>(gx + ((image * h + iy) * w + ix) * channels + c, sum);
    }
}
FOR_TYPES(depthwise_input, (depthwise_input<T, V>(g, weight, gx, images, h, w, oh, ow, channels, Filter{kh, kw, sy, sx, dy, dx, top, left})),
          const T *g, const float *weight, T *gx, int images, int h, int w, int oh, int ow, int channels, FILTER)

// Shares of the gradient of one tap, blockIdx.z: `shares` is (taps, gridDim.y, C), as `reduce` has images.
template <class T, int V> __device__ void depthwise_weight(const T *x, const T *g, float *shares, int images, int h, int w, int oh, int ow, int channels, int width, Filter f) {
    Place p = place_of(channels / V, width);
    float sums[1][V];
    for (int k = 0; k < V; k++) sums[0][k] = 0.f;
    int ky = blockIdx.z / f.kw, kx = blockIdx.z % f.kw;
    i64 rows = (i64)images * oh * ow;
    for (i64 i = p.inside ? p.first : rows; i < rows; i += p.step) {
        int column = (unsigned)i % ow;
        unsigned rest = (unsigned)i / ow;
        int row = rest % oh;
        i64 image = rest / oh;
        int iy = row * f.sy - f.top + ky * f.dy, ix = column * f.sx - f.left + kx * f.dx;
        if (iy < 0 || iy >= h || ix < 0 || ix >= w) continue;
        float v[V], d[V];
        load<V>(v, x + ((image * h + iy) * w + ix) * channels + p.group * V);
        load<V>(d, g + i * channels + p.group * V);
#pragma unroll
        for (int k = 0; k < V; k++) sums[0][k] += v[k] * d[k];
    }
    add_lanes<1, V>(sums, width);
    if (p.lane == 0 && p.inside) {
        float *share = shares + ((i64)blockIdx.z * gridDim.y + blockIdx.y) * channels + p.group * V;
        for (int k = 0; k < V; k++) share[k] = sums[0][k];
    }
}
FOR_TYPES(depthwise_weight, (depthwise_weight<T, V>(x, g, shares, images, h, w, oh, ow, channels, width, Filter{kh, kw, sy, sx, dy, dx, top, left})),
          const T *x, const T *g, float *shares, int images, int h, int w, int oh, int ow, int channels, int width, FILTER)
