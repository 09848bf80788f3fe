// Enough of CUDA to run the kernels on a CPU: each thread of a block is a thread of the machine, and
// blocks run one after the other. Slow, and only for tests, which so see every index and every sum.
#pragma once
#include <barrier>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <thread>
#include <vector>

#define __global__
#define __device__
#define __host__
#define __forceinline__ inline
// One block at a time, so what its threads share may be static.
#define __shared__ static

struct Dim3 {
    unsigned x, y, z;
};
inline Dim3 gridDim, blockDim, blockIdx;
inline thread_local Dim3 threadIdx;
inline std::barrier<> *block_barrier;
inline void __syncthreads() { block_barrier->arrive_and_wait(); }

struct bf16 {
    uint16_t bits;
};
inline float to_float(bf16 v) {
    uint32_t bits = (uint32_t)v.bits << 16;
    float f;
    memcpy(&f, &bits, 4);
    return f;
}
template <class T> inline T from_float(float v);
template <> inline bf16 from_float<bf16>(float v) {
    uint32_t bits;
    memcpy(&bits, &v, 4);
    if (v != v) return {(uint16_t)((bits >> 16) | 0x40)};
    return {(uint16_t)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16)};
}

// Of the numbers that tests use: neither too large nor too small for f16, which they round as it does.
struct f16 {
    uint16_t bits;
};
inline float to_float(f16 v) {
    int exponent = (v.bits >> 10) & 31, mantissa = v.bits & 1023;
    float f = exponent ? std::ldexp(1024.f + mantissa, exponent - 25) : std::ldexp((float)mantissa, -24);
    return v.bits >> 15 ? -f : f;
}
template <> inline f16 from_float<f16>(float v) {
    uint16_t sign = std::signbit(v) ? 0x8000 : 0;
    int exponent;
    float mantissa = std::frexp(std::fabs(v), &exponent);
    if (exponent < -13) return {(uint16_t)(sign | (uint16_t)std::nearbyint(std::ldexp(std::fabs(v), 24)))};
    return {(uint16_t)(sign | (((exponent + 14) << 10) + (int)std::nearbyint(mantissa * 2048) - 1024))};
}

// Runs a kernel. A thread that returns early still has to be waited for at no barrier.
template <class F> void launch(Dim3 grid, unsigned threads, F kernel) {
    gridDim = grid, blockDim = {threads, 1, 1};
    for (unsigned z = 0; z < grid.z; z++)
        for (unsigned y = 0; y < grid.y; y++)
            for (unsigned x = 0; x < grid.x; x++) {
                blockIdx = {x, y, z};
                std::barrier<> barrier(threads);
                block_barrier = &barrier;
                std::vector<std::thread> all;
                for (unsigned t = 0; t < threads; t++)
                    all.emplace_back([&, t] {
                        threadIdx = {t, 0, 0};
                        kernel();
                        barrier.arrive_and_drop();
                    });
                for (auto &thread : all) thread.join();
            }
}
