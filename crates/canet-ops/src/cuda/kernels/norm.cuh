// Sums over the rows of (rows, C), a channel each, and batch normalisation, which needs them.
//
// Each block adds up some rows of some channels and writes its share; a second kernel adds the shares
// in order. So the sums have the same bits every time.
#pragma once
#include "common.cuh"

// The threads of a block: this many channels side by side (times V), the others on top of each other.
constexpr int BLOCK = 256;

// Where a thread of a reduction stands. The width of a block in groups of V channels is a power of two.
struct Place {
    int group, lane, lanes;
    i64 first, step;
    bool inside;
};
__device__ __forceinline__ Place place_of(int groups, int width) {
    Place p;
    p.lanes = BLOCK / width;
    p.lane = threadIdx.x / width;
    p.group = blockIdx.x * width + threadIdx.x % width;
    p.first = (i64)blockIdx.y * p.lanes + p.lane;
    p.step = (i64)gridDim.y * p.lanes;
    p.inside = p.group < groups;
    return p;
}

// Adds N values of V channels over the lanes of a block; the first lane has the sum afterwards.
template <int N, int V> __device__ void add_lanes(float (&sums)[N][V], int width) {
    __shared__ float shared[BLOCK];
    for (int n = 0; n < N; n++) {
        for (int k = 0; k < V; k++) {
            shared[threadIdx.x] = sums[n][k];
            __syncthreads();
            for (int half = BLOCK / 2; half >= width; half /= 2) {
                if ((int)threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
                __syncthreads();
            }
            sums[n][k] = shared[threadIdx.x];
            __syncthreads();
        }
    }
}

// Shares of N sums: `shares` is (images, gridDim.y, N, C). `f` adds a row's values to the sums.
template <int N, int V, class F> __device__ void reduce(i64 rows, int channels, int width, float *shares, F f) {
    Place p = place_of(channels / V, width);
    float sums[N][V];
    for (int n = 0; n < N; n++)
        for (int k = 0; k < V; k++) sums[n][k] = 0.f;
    i64 image = blockIdx.z;
    if (p.inside) {
        f.start(p.group * V);
        // Unrolled, so that the loads of several rows are under way at once.
#pragma unroll 4
        for (i64 row = p.first; row < rows; row += p.step) f.add(sums, (image * rows + row) * channels + p.group * V);
    }
    add_lanes<N, V>(sums, width);
    if (p.lane == 0 && p.inside) {
        float *share = shares + (image * gridDim.y + blockIdx.y) * N * channels + p.group * V;
        for (int n = 0; n < N; n++)
            for (int k = 0; k < V; k++) share[n * channels + k] = sums[n][k];
    }
}

// Sums of x, and of a times b.
template <class T, int V> struct Plain {
    const T *x;
    __device__ void start(int) {}
    __device__ void add(float (&sums)[1][V], i64 at) {
        float v[V];
        load<V>(v, x + at);
#pragma unroll
        for (int k = 0; k < V; k++) sums[0][k] += v[k];
    }
};
template <class T, int V> struct Products {
    const T *a, *b;
    __device__ void start(int) {}
    __device__ void add(float (&sums)[1][V], i64 at) {
        float v[V], w[V];
        load<V>(v, a + at);
        load<V>(w, b + at);
#pragma unroll
        for (int k = 0; k < V; k++) sums[0][k] += v[k] * w[k];
    }
};
FOR_ALL_TYPES(sum_rows, (reduce<1, V>(rows, channels, width, shares, Plain<T, V>{x})), const T *x, i64 rows, int channels, int width, float *shares)
FOR_TYPES(sum_products, (reduce<1, V>(rows, channels, width, shares, Products<T, V>{a, b})), const T *a, const T *b, i64 rows, int channels, int width, float *shares)

// Adds up the shares (count, N, C) of image blockIdx.y, in order; a block has SIDE channels. True for the
// one thread a channel that gets the sums.
constexpr int SIDE = 32;
template <int N> __device__ bool sum_of_shares(const float *shares, int count, int channels, double (&sums)[N], int &channel) {
    __shared__ double parts[N][BLOCK];
    int lane = threadIdx.x / SIDE;
    channel = blockIdx.x * SIDE + threadIdx.x % SIDE;
    shares += (i64)blockIdx.y * count * N * channels;
    for (int n = 0; n < N; n++) {
        double sum = 0;
        if (channel < channels)
            for (int s = lane; s < count; s += BLOCK / SIDE) sum += shares[((i64)s * N + n) * channels + channel];
        parts[n][threadIdx.x] = sum;
    }
    __syncthreads();
    if (lane > 0) return false;
    for (int n = 0; n < N; n++) {
        sums[n] = 0;
        for (int l = 0; l < BLOCK / SIDE; l++) sums[n] += parts[n][l * SIDE + threadIdx.x];
    }
    return channel < channels;
}

// The sums times `scale`, where image and channel have the given steps.
template <class T> __device__ void add_shares(const float *shares, T *to, int count, int channels, float scale, i64 image_step, i64 channel_step) {
    double sums[1];
    int c;
    if (sum_of_shares<1>(shares, count, channels, sums, c)) to[blockIdx.y * image_step + c * channel_step] = from_float<T>((float)(sums[0] * scale));
}
extern "C" __global__ void add_shares_f32(const float *shares, float *to, int count, int channels, float scale, i64 image_step, i64 channel_step) { add_shares(shares, to, count, channels, scale, image_step, channel_step); }
extern "C" __global__ void add_shares_bf16(const float *shares, bf16 *to, int count, int channels, float scale, i64 image_step, i64 channel_step) { add_shares(shares, to, count, channels, scale, image_step, channel_step); }
extern "C" __global__ void add_shares_f16(const float *shares, f16 *to, int count, int channels, float scale, i64 image_step, i64 channel_step) { add_shares(shares, to, count, channels, scale, image_step, channel_step); }

// Deviations from the first row, and their squares: far less cancels than about 0.
template <class T, int V> struct Moments {
    const T *x;
    float shift[V];
    __device__ void start(int channel) { load<V>(shift, x + channel); }
    __device__ void add(float (&sums)[2][V], i64 at) {
        float v[V];
        load<V>(v, x + at);
#pragma unroll
        for (int k = 0; k < V; k++) {
            float d = v[k] - shift[k];
            sums[0][k] += d;
            sums[1][k] += d * d;
        }
    }
};
FOR_TYPES(moments, (reduce<2, V>(rows, channels, width, shares, Moments<T, V>{x})), const T *x, i64 rows, int channels, int width, float *shares)

// What a normalisation needs, (4, C): mean, 1 / deviation, and the factor and offset of x.
struct Affine {
    const float *mean, *inverse, *factor, *offset;
    __host__ __device__ Affine(const float *all, int c) : mean(all), inverse(all + c), factor(all + 2 * c), offset(all + 3 * c) {}
};
__device__ __forceinline__ void write_affine(float *all, int channels, int c, double mean, double inverse, float weight, float bias) {
    double factor = weight * inverse;
    all[c] = (float)mean;
    all[channels + c] = (float)inverse;
    all[2 * channels + c] = (float)factor;
    all[3 * channels + c] = (float)(bias - mean * factor);
}

// From the shares of `moments`: the affine map, and the statistics that running ones take.
template <class T> __device__ void affine_of_batch(const T *x, const float *shares, int count, i64 rows, int channels, float eps,
    const float *weight, const float *bias, float *affine, float *mean, float *variance) {
    double sums[2];
    int c;
    if (!sum_of_shares<2>(shares, count, channels, sums, c)) return;
    double m = sums[0] / rows, var = sums[1] / rows - m * m;
    var = var > 0 ? var : (var != var ? var : 0);
    m += to_float(x[c]);
    write_affine(affine, channels, c, m, 1.0 / sqrt(var + eps), weight[c], bias[c]);
    mean[c] = (float)m;
    variance[c] = (float)(rows > 1 ? var * rows / (rows - 1) : var);
}
extern "C" __global__ void affine_of_batch_f32(const float *x, const float *shares, int count, i64 rows, int channels, float eps, const float *weight, const float *bias, float *affine, float *mean, float *variance) { affine_of_batch(x, shares, count, rows, channels, eps, weight, bias, affine, mean, variance); }
extern "C" __global__ void affine_of_batch_bf16(const bf16 *x, const float *shares, int count, i64 rows, int channels, float eps, const float *weight, const float *bias, float *affine, float *mean, float *variance) { affine_of_batch(x, shares, count, rows, channels, eps, weight, bias, affine, mean, variance); }

extern "C" __global__ void affine_of_statistics(const float *mean, const float *variance, int channels, float eps, const float *weight, const float *bias, float *affine) {
    int c = thread_number();
    if (c < channels) write_affine(affine, channels, c, mean[c], 1.0 / sqrt((double)variance[c] + eps), weight[c], bias[c]);
}

// y = relu(factor x + offset + residual), without what is not asked for.
template <class T, int V> __device__ void normalise(const T *x, const T *residual, const float *affine, T *y, i64 rows, int channels, int width, int relu) {
    Place p = place_of(channels / V, width);
    if (!p.inside) return;
    Affine a(affine, channels);
    float factor[V], offset[V];
#pragma unroll
    for (int k = 0; k < V; k++) factor[k] = a.factor[p.group * V + k], offset[k] = a.offset[p.group * V + k];
    for (i64 row = p.first; row < rows; row += p.step) {
        i64 at = row * channels + p.group * V;
        float v[V], r[V];
        load<V>(v, x + at);
        if (residual) load<V>(r, residual + at);
#pragma unroll
        for (int k = 0; k < V; k++) {
            v[k] = v[k] * factor[k] + offset[k];
            if (residual) v[k] += r[k];
            if (relu) v[k] = v[k] > 0 ? v[k] : (v[k] != v[k] ? v[k] : 0.f);
        }
        store<V>(y + at, v);
    }
}
FOR_ALL_TYPES(normalise, (normalise<T, V>(x, residual, affine, y, rows, channels, width, relu)),
          const T *x, const T *residual, const float *affine, T *y, i64 rows, int channels, int width, int relu)

// What passes back through the activation: 0 none, 1 ReLU whose sign follows from x, 2 from y.
template <int V> __device__ __forceinline__ void through(float (&g)[V], const float (&v)[V], const float (&factor)[V], const float (&offset)[V], int mask) {
#pragma unroll
    for (int k = 0; k < V; k++) {
        float sign = mask == 1 ? v[k] * factor[k] + offset[k] : mask == 2 ? v[k] : 1.f;
        g[k] = sign > 0 ? g[k] : 0.f;
    }
}

// The gradient that has passed the activation, and x.
template <int V, class T> __device__ __forceinline__ void load_masked(float (&d)[V], float (&v)[V], const T *g, const T *x, const T *y, i64 at,
    const float (&factor)[V], const float (&offset)[V], int mask) {
    load<V>(d, g + at);
    load<V>(v, x + at);
    if (mask == 2) {
        float w[V];
        load<V>(w, y + at);
        through<V>(d, w, factor, offset, 2);
    } else {
        through<V>(d, v, factor, offset, mask);
    }
}

// The sums of the gradient and of the gradient times the normalised x. The gradient that has passed the
// activation is that of the residual, too; it is written where `masked` says, so that the second pass
// need not look at the activation again.
template <class T, int V> struct GradientSums {
    const T *g, *x, *y;
    T *masked;
    const float *affine;
    int channels, mask;
    float mean[V], inverse[V], factor[V], offset[V];
    __device__ GradientSums(const T *g, const T *x, const T *y, T *masked, const float *affine, int channels, int mask)
        : g(g), x(x), y(y), masked(masked), affine(affine), channels(channels), mask(mask) {}
    __device__ void start(int c) {
        Affine a(affine, channels);
#pragma unroll
        for (int k = 0; k < V; k++)
            mean[k] = a.mean[c + k], inverse[k] = a.inverse[c + k], factor[k] = a.factor[c + k], offset[k] = a.offset[c + k];
    }
    __device__ void add(float (&sums)[2][V], i64 at) {
        float d[V], v[V];
        load_masked<V>(d, v, g, x, y, at, factor, offset, mask);
        if (masked) store<V>(masked + at, d);
#pragma unroll
        for (int k = 0; k < V; k++) {
            sums[0][k] += d[k];
            sums[1][k] += d[k] * ((v[k] - mean[k]) * inverse[k]);
        }
    }
};
FOR_TYPES(gradient_sums, (reduce<2, V>(rows, channels, width, shares, GradientSums<T, V>(g, x, y, masked, affine, channels, mask))),
          const T *g, const T *x, const T *y, T *masked, const float *affine, i64 rows, int channels, int width, int mask, float *shares)

// The gradients of weight (2nd row of `sums`) and bias (1st): (2, C).
extern "C" __global__ void add_gradient_shares(const float *shares, int count, int channels, float *sums) {
    double found[2];
    int c;
    if (!sum_of_shares<2>(shares, count, channels, found, c)) return;
    sums[c] = (float)found[0];
    sums[channels + c] = (float)found[1];
}

// The gradient of x.
template <class T, int V> __device__ void normalise_backward(const T *g, const T *x, const T *y, const float *affine, const float *sums, T *gx,
    i64 rows, int channels, int width, int mask, int frozen) {
    Place p = place_of(channels / V, width);
    if (!p.inside) return;
    Affine a(affine, channels);
    float factor[V], offset[V], slope[V], constant[V];
#pragma unroll
    for (int k = 0; k < V; k++) {
        int c = p.group * V + k;
        factor[k] = a.factor[c], offset[k] = a.offset[c];
        // gx = factor (g - sum(g) / rows - xhat sum(g xhat) / rows), with xhat = (x - mean) inverse.
        float of_bias = frozen ? 0.f : sums[c] / rows, of_weight = frozen ? 0.f : sums[channels + c] / rows;
        slope[k] = of_weight * a.inverse[c];
        constant[k] = of_bias - slope[k] * a.mean[c];
    }
    for (i64 row = p.first; row < rows; row += p.step) {
        i64 at = row * channels + p.group * V;
        float d[V], v[V];
        load_masked<V>(d, v, g, x, y, at, factor, offset, mask);
#pragma unroll
        for (int k = 0; k < V; k++) d[k] = factor[k] * (d[k] - constant[k] - v[k] * slope[k]);
        store<V>(gx + at, d);
    }
}
FOR_TYPES(normalise_backward, (normalise_backward<T, V>(g, x, y, affine, sums, gx, rows, channels, width, mask, frozen)),
          const T *g, const T *x, const T *y, const float *affine, const float *sums, T *gx,
          i64 rows, int channels, int width, int mask, int frozen)

// x plus a number a channel, in place.
template <class T, int V> __device__ void add_bias(T *x, const float *bias, i64 rows, int channels, int width) {
    Place p = place_of(channels / V, width);
    if (!p.inside) return;
    for (i64 row = p.first; row < rows; row += p.step) {
        float v[V];
        T *at = x + row * channels + p.group * V;
        load<V>(v, at);
#pragma unroll
        for (int k = 0; k < V; k++) v[k] += bias[p.group * V + k];
        store<V>(at, v);
    }
}
FOR_ALL_TYPES(add_bias, (add_bias<T, V>(x, bias, rows, channels, width)), T *x, const float *bias, i64 rows, int channels, int width)
