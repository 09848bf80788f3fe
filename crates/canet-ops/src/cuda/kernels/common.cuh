// What all kernels share: the element types, vectors of elements, and the sharing out of work.
//
// Maps lie in memory as (N, H, W, C), so that threads that are neighbours work on channels that are
// neighbours. A thread takes V channels at once: 16 bytes, or 1 where C is no multiple.
//
// The same source is compiled as host code by the tests (host.h), so kernels use threads, blocks,
// shared memory and __syncthreads(), and nothing else of the machine.
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_fp16.h>
typedef __nv_bfloat16 bf16;
typedef __half f16;
__device__ __forceinline__ float to_float(bf16 v) { return __bfloat162float(v); }
__device__ __forceinline__ float to_float(f16 v) { return __half2float(v); }
template <class T> __device__ __forceinline__ T from_float(float v);
template <> __device__ __forceinline__ bf16 from_float<bf16>(float v) { return __float2bfloat16_rn(v); }
template <> __device__ __forceinline__ f16 from_float<f16>(float v) { return __float2half_rn(v); }
#else
#include "host.h"
#endif

typedef unsigned char u8;
typedef unsigned long long u64;
typedef long long i64;

__device__ __forceinline__ float to_float(float v) { return v; }
template <> __device__ __forceinline__ float from_float<float>(float v) { return v; }

// V elements that are read and written at once.
template <class T, int V> struct alignas(sizeof(T) * V) Vec {
    T v[V];
};

template <int V, class T> __device__ __forceinline__ void load(float (&to)[V], const T *from) {
    Vec<T, V> raw = *reinterpret_cast<const Vec<T, V> *>(from);
#pragma unroll
    for (int i = 0; i < V; i++) to[i] = to_float(raw.v[i]);
}

template <int V, class T> __device__ __forceinline__ void store(T *to, const float (&from)[V]) {
    Vec<T, V> raw;
#pragma unroll
    for (int i = 0; i < V; i++) raw.v[i] = from_float<T>(from[i]);
    *reinterpret_cast<Vec<T, V> *>(to) = raw;
}

// What the type rounds a value to.
template <class T> __device__ __forceinline__ float rounded(float v) { return to_float(from_float<T>(v)); }

// Kernels over elements cut the number of a vector in 32 bits, which is far faster than in 64; the host
// refuses maps of more.

// The number of this thread among all of a one-dimensional launch, and how many there are.
__device__ __forceinline__ i64 thread_number() { return (i64)blockIdx.x * blockDim.x + threadIdx.x; }
__device__ __forceinline__ i64 thread_count() { return (i64)gridDim.x * blockDim.x; }

// Where vector number `i` of a map (N, h, w, C) lies; `groups` vectors make up the channels of a pixel.
struct Spot {
    int c, column, row;
    i64 image;
};
template <int V> __device__ __forceinline__ Spot spot_of(i64 i, int groups, int h, int w) {
    unsigned rest = (unsigned)i / groups;
    Spot s;
    s.c = ((unsigned)i % groups) * V;
    s.column = rest % w;
    rest /= w;
    s.row = rest % h;
    s.image = rest / h;
    return s;
}

// A kernel for the element types of training, and for vectors and single elements: name_bf16_v, name_f32_s.
// The parameters may use T, CALL may use T and V.
#define FOR_TYPES(NAME, CALL, ...)                                                              \
    FOR_ONE_TYPE(NAME, f32, float, 4, CALL, __VA_ARGS__)                                        \
    FOR_ONE_TYPE(NAME, bf16, bf16, 8, CALL, __VA_ARGS__)
// The same and f16, in which networks only predict: its least numbers are too large for gradients.
#define FOR_ALL_TYPES(NAME, CALL, ...)                                                          \
    FOR_TYPES(NAME, CALL, __VA_ARGS__)                                                          \
    FOR_ONE_TYPE(NAME, f16, f16, 8, CALL, __VA_ARGS__)
#define FOR_ONE_TYPE(NAME, SUFFIX, TYPE, WIDTH, CALL, ...)                                      \
    namespace of_##SUFFIX {                                                                     \
    typedef TYPE T;                                                                             \
    extern "C" __global__ void NAME##_##SUFFIX##_v(__VA_ARGS__) { constexpr int V = WIDTH; CALL; } \
    extern "C" __global__ void NAME##_##SUFFIX##_s(__VA_ARGS__) { constexpr int V = 1; CALL; }   \
    }
