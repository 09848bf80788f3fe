// Element by element: activations, sums, gates and dropout, forward and backward.
#pragma once
#include "common.cuh"

// `to[i] = f(a[i])`, and `f(a[i], b[i])`.
template <class T, int V, class F> __device__ void map(const T *a, T *to, i64 count, F f) {
    for (i64 i = thread_number() * V; i < count; i += thread_count() * V) {
        float x[V];
        load<V>(x, a + i);
#pragma unroll
        for (int k = 0; k < V; k++) x[k] = f(x[k]);
        store<V>(to + i, x);
    }
}
template <class T, int V, class F> __device__ void zip(const T *a, const T *b, T *to, i64 count, F f) {
    for (i64 i = thread_number() * V; i < count; i += thread_count() * V) {
        float x[V], y[V];
        load<V>(x, a + i);
        load<V>(y, b + i);
#pragma unroll
        for (int k = 0; k < V; k++) x[k] = f(x[k], y[k]);
        store<V>(to + i, x);
    }
}

struct Relu { __device__ float operator()(float v) const { return v > 0 ? v : (v != v ? v : 0.f); } };
struct Sigmoid { __device__ float operator()(float v) const { return 1.f / (1.f + expf(-v)); } };
struct Scale { float by; __device__ float operator()(float v) const { return v * by; } };
struct Add { __device__ float operator()(float a, float b) const { return a + b; } };
struct AddRelu { __device__ float operator()(float a, float b) const { return Relu()(a + b); } };
// A gradient where the result of a ReLU is positive, that of a logistic function, products.
struct Pass { __device__ float operator()(float g, float y) const { return y > 0 ? g : 0.f; } };
struct SigmoidSlope { __device__ float operator()(float g, float y) const { return g * y * (1.f - y); } };
struct Product { float keep; __device__ float operator()(float x, float f) const { return x * f + keep * x; } };
struct BlendInto { float share; __device__ float operator()(float a, float v) const { return fmaf(v - a, share, a); } };

#define MAP(NAME, F) FOR_ALL_TYPES(NAME, (map<T, V>(a, to, count, F)), const T *a, T *to, i64 count, float by)
#define ZIP(NAME, F) FOR_ALL_TYPES(NAME, (zip<T, V>(a, b, to, count, F)), const T *a, const T *b, T *to, i64 count, float by)
MAP(relu, Relu())
MAP(sigmoid, Sigmoid())
MAP(scale, Scale{by})
ZIP(add, Add())
ZIP(add_relu, AddRelu())
ZIP(pass, Pass())
ZIP(sigmoid_slope, SigmoidSlope())
ZIP(product, Product{by})
ZIP(blend_into, BlendInto{by})

// `x` (N, P, C) times `factors` (N, C), plus x if `keep`.
template <class T, int V> __device__ void gate_channels(const T *x, const T *factors, T *to, int images, int pixels, int channels, float keep) {
    int groups = channels / V;
    i64 count = (i64)images * pixels * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        int c = ((unsigned)i % groups) * V;
        i64 row = (unsigned)i / groups;
        float v[V], f[V];
        load<V>(v, x + row * channels + c);
        load<V>(f, factors + (unsigned)row / pixels * (i64)channels + c);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] = v[k] * f[k] + keep * v[k];
        store<V>(to + row * channels + c, v);
    }
}
FOR_ALL_TYPES(gate_channels, (gate_channels<T, V>(x, factors, to, images, pixels, channels, keep)),
          const T *x, const T *factors, T *to, int images, int pixels, int channels, float keep)

// canet_core::mix, and whether element `i` is dropped: the draw of the CPU's dropout, to the bit.
__device__ __forceinline__ u64 mix(u64 v) {
    v = (v ^ (v >> 30)) * 0xbf58476d1ce4e5b9ull;
    v = (v ^ (v >> 27)) * 0x94d049bb133111ebull;
    return v ^ (v >> 31);
}
__device__ __forceinline__ bool is_dropped(u64 key, u64 i, u64 limit) {
    return (mix(key + (i + 1) * 0x9e3779b97f4a7c15ull) >> 11) < limit;
}

// A key that is drawn, as canet_ops::MaskKey is: where `drawn` is given, from the number it points to.
struct Key {
    const u64 *drawn;
    u64 draw, site;
    int is_drawn;
    __device__ u64 bits() const {
        const u64 gamma = 0x9e3779b97f4a7c15ull;
        return is_drawn ? mix((mix((drawn ? *drawn : draw) + gamma) ^ site) + gamma) : draw;
    }
};

// Element (n, c, p) is number (n C + c) P + p, as on the CPU; with `by_sample` it is number n.
template <class T, int V> __device__ void dropout(const T *x, T *to, int images, int pixels, int channels, Key drawn, u64 limit, float kept, int by_sample) {
    int groups = channels / V;
    i64 count = (i64)images * pixels * groups;
    u64 key = drawn.bits();
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        int c = ((unsigned)i % groups) * V;
        unsigned row = (unsigned)i / groups, n = row / pixels, p = row % pixels;
        float v[V];
        load<V>(v, x + (i64)row * channels + c);
#pragma unroll
        for (int k = 0; k < V; k++) {
            u64 number = by_sample ? n : ((u64)n * channels + c + k) * pixels + p;
            v[k] = is_dropped(key, number, limit) ? 0.f : v[k] * kept;
        }
        store<V>(to + (i64)row * channels + c, v);
    }
}
FOR_TYPES(dropout, (dropout<T, V>(x, to, images, pixels, channels, Key{drawn, draw, site, is_drawn}, limit, kept, by_sample)),
          const T *x, T *to, int images, int pixels, int channels, const u64 *drawn, u64 draw, u64 site, int is_drawn, u64 limit, float kept, int by_sample)
