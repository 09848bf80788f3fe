// Changes of type and order.
#pragma once
#include "common.cuh"

// Weights (O, I, K taps) of f32 to (O, K, I): what a convolution over (N, H, W, C) reads.
template <class T> __device__ void pack_weight(const float *from, T *to, int outputs, int inputs, int taps) {
    i64 count = (i64)outputs * inputs * taps;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        int input = i % inputs;
        i64 rest = i / inputs;
        i64 tap = rest % taps, output = rest / taps;
        to[i] = from_float<T>(from[(output * inputs + input) * taps + tap]);
    }
}
extern "C" __global__ void pack_weight_f32(const float *from, float *to, int o, int i, int k) { pack_weight(from, to, o, i, k); }
extern "C" __global__ void pack_weight_bf16(const float *from, bf16 *to, int o, int i, int k) { pack_weight(from, to, o, i, k); }
extern "C" __global__ void pack_weight_f16(const float *from, f16 *to, int o, int i, int k) { pack_weight(from, to, o, i, k); }

// And the gradient back.
template <class T> __device__ void unpack_weight(const T *from, float *to, int outputs, int inputs, int taps) {
    i64 count = (i64)outputs * inputs * taps;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        i64 tap = i % taps, rest = i / taps;
        i64 input = rest % inputs, output = rest / inputs;
        to[i] = to_float(from[(output * taps + tap) * inputs + input]);
    }
}
extern "C" __global__ void unpack_weight_f32(const float *from, float *to, int o, int i, int k) { unpack_weight(from, to, o, i, k); }
extern "C" __global__ void unpack_weight_bf16(const bf16 *from, float *to, int o, int i, int k) { unpack_weight(from, to, o, i, k); }

template <class A, class B> __device__ void convert(const A *from, B *to, i64 count) {
    for (i64 i = thread_number(); i < count; i += thread_count()) to[i] = from_float<B>(to_float(from[i]));
}
extern "C" __global__ void convert_f32_bf16(const float *from, bf16 *to, i64 count) { convert(from, to, count); }
extern "C" __global__ void convert_f32_f16(const float *from, f16 *to, i64 count) { convert(from, to, count); }
extern "C" __global__ void convert_bf16_f32(const bf16 *from, float *to, i64 count) { convert(from, to, count); }
extern "C" __global__ void convert_f16_f32(const f16 *from, float *to, i64 count) { convert(from, to, count); }

// Bytes (pixels, 3) to normalised pixels; `table` has the value of each byte, (3, 256).
template <class T> __device__ void pictures(const u8 *from, const float *table, T *to, i64 pixels) {
    for (i64 i = thread_number(); i < pixels; i += thread_count()) {
        for (int c = 0; c < 3; c++) to[i * 3 + c] = from_float<T>(table[c * 256 + from[i * 3 + c]]);
    }
}
extern "C" __global__ void pictures_f32(const u8 *from, const float *table, float *to, i64 pixels) { pictures(from, table, to, pixels); }
extern "C" __global__ void pictures_bf16(const u8 *from, const float *table, bf16 *to, i64 pixels) { pictures(from, table, to, pixels); }
extern "C" __global__ void pictures_f16(const u8 *from, const float *table, f16 *to, i64 pixels) { pictures(from, table, to, pixels); }

// (N, C, P pixels) to (N, P, C).
template <class T> __device__ void transpose(const T *from, T *to, int images, int channels, int pixels) {
    i64 count = (i64)images * channels * pixels;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        i64 c = i % channels, rest = i / channels;
        i64 p = rest % pixels, n = rest / pixels;
        to[i] = from[(n * channels + c) * pixels + p];
    }
}
extern "C" __global__ void transpose_f32(const float *from, float *to, int n, int c, int p) { transpose(from, to, n, c, p); }
extern "C" __global__ void transpose_bf16(const bf16 *from, bf16 *to, int n, int c, int p) { transpose(from, to, n, c, p); }
extern "C" __global__ void transpose_f16(const f16 *from, f16 *to, int n, int c, int p) { transpose(from, to, n, c, p); }

// Rows of `width` elements into rows of `to_width`, from column `at` on; or out of such rows.
template <class T, int V> __device__ void copy_columns(
    const T *from, T *to, i64 rows, int width, int from_width, int from_at, int to_width, int to_at) {
    int groups = width / V;
    i64 count = rows * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        i64 row = (unsigned)i / groups;
        int column = ((unsigned)i % groups) * V;
        *reinterpret_cast<Vec<T, V> *>(to + row * to_width + to_at + column) =
            *reinterpret_cast<const Vec<T, V> *>(from + row * from_width + from_at + column);
    }
}
FOR_ALL_TYPES(copy_columns, (copy_columns<T, V>(from, to, rows, width, from_width, from_at, to_width, to_at)),
          const T *from, T *to, i64 rows, int width, int from_width, int from_at, int to_width, int to_at)

// A window of h by w pixels from one map to another, each with its size and where the window lies in it.
struct Frame {
    int h, w, top, left;
};
template <class T, int V> __device__ void copy_window(const T *from, T *to, int images, int h, int w, int channels, Frame a, Frame b) {
    int groups = channels / V;
    i64 count = (i64)images * h * w * groups;
    for (i64 i = thread_number(); i < count; i += thread_count()) {
        Spot at_pixel = spot_of<V>(i, groups, h, w);
        int c = at_pixel.c, x = at_pixel.column, y = at_pixel.row;
        i64 n = at_pixel.image;
        *reinterpret_cast<Vec<T, V> *>(to + ((n * b.h + y + b.top) * b.w + x + b.left) * channels + c) =
            *reinterpret_cast<const Vec<T, V> *>(from + ((n * a.h + y + a.top) * a.w + x + a.left) * channels + c);
    }
}
FOR_ALL_TYPES(copy_window, (copy_window<T, V>(from, to, images, h, w, channels, Frame{ah, aw, atop, aleft}, Frame{bh, bw, btop, bleft})),
          const T *from, T *to, int images, int h, int w, int channels, int ah, int aw, int atop, int aleft, int bh, int bw, int btop, int bleft)
