// The kernels, run as host code (host.h) against plain loops: on odd sizes, with vectors and without, in
// both types. Prints a line a kernel and ends with 1 if any is wrong. `tests/kernels_on_host.rs` runs it.
#include <cstdio>
#include <functional>
#include <random>

#include "all.cu"

static int wrong = 0;
static std::mt19937 draws(1);

template <class T> std::vector<T> random(size_t count) {
    std::uniform_real_distribution<float> uniform(-1, 1);
    std::vector<T> v(count);
    for (auto &x : v) x = from_float<T>(uniform(draws));
    return v;
}
template <class T> float at(const std::vector<T> &v, size_t i) { return to_float(v[i]); }
template <class T> constexpr double bound() { return sizeof(T) == 2 ? 1e-2 : 1e-4; }

// Compares with what `truth` says of each element.
template <class T> void expect(const char *name, const std::vector<T> &found, std::function<double(size_t)> truth, double limit = bound<T>()) {
    double worst = 0;
    for (size_t i = 0; i < found.size(); i++) {
        double t = truth(i), off = std::abs(at(found, i) - t) / (1 + std::abs(t));
        worst = off <= worst ? worst : off;
    }
    bool right = worst <= limit && !found.empty();
    printf("%s %s %zu elements, %.1e\n", right ? "right" : "WRONG", name, found.size(), worst);
    wrong += !right;
}

struct Maps {
    int n, h, w, c;
};
static const Maps SIZES[] = {{2, 5, 7, 8}, {1, 6, 4, 3}, {2, 3, 3, 40}};
static Dim3 blocks(int x, int y = 1, int z = 1) { return {(unsigned)x, (unsigned)y, (unsigned)z}; }
static int width_of(int groups) {
    int width = 1;
    while (width < groups && width < 32) width *= 2;
    return width;
}

// Both types, with vectors where channels allow it.
#define FOR_BOTH(C, ...)                                                                          \
    { typedef float T; if (C % 4 == 0) { constexpr int V = 4; __VA_ARGS__ } { constexpr int V = 1; __VA_ARGS__ } } \
    { typedef bf16 T; if (C % 8 == 0) { constexpr int V = 8; __VA_ARGS__ } { constexpr int V = 1; __VA_ARGS__ } }

static void norms(Maps m) {
    i64 rows = (i64)m.n * m.h * m.w;
    int c = m.c;
    FOR_BOTH(c, {
        auto x = random<T>(rows * c), residual = random<T>(rows * c), g = random<T>(rows * c);
        auto weight = random<float>(c), bias = random<float>(c);
        int groups = c / V, width = width_of(groups), across = (groups + width - 1) / width, shares = 3;
        std::vector<float> partial(shares * 2 * c), affine(4 * c), mean(c), variance(c);
        launch(blocks(across, shares), BLOCK, [&] { reduce<2, V>(rows, c, width, partial.data(), Moments<T, V>{x.data()}); });
        launch(blocks((c + 31) / 32), BLOCK, [&] { affine_of_batch(x.data(), partial.data(), shares, rows, c, 1e-5f, weight.data(), bias.data(), affine.data(), mean.data(), variance.data()); });
        std::vector<double> m1(c), v1(c);
        for (i64 i = 0; i < rows * c; i++) m1[i % c] += at(x, i) / rows;
        for (i64 i = 0; i < rows * c; i++) v1[i % c] += (at(x, i) - m1[i % c]) * (at(x, i) - m1[i % c]) / rows;
        expect("mean", mean, [&](size_t i) { return m1[i]; });
        expect("variance", variance, [&](size_t i) { return v1[i] * rows / (rows - 1); });
        std::vector<T> y(rows * c);
        launch(blocks(across, 2), BLOCK, [&] { normalise<T, V>(x.data(), residual.data(), affine.data(), y.data(), rows, c, width, 1); });
        auto hat = [&](size_t i) { return (at(x, i) - m1[i % c]) / std::sqrt(v1[i % c] + 1e-5); };
        expect("normalise", y, [&](size_t i) { return std::max(0.0, hat(i) * weight[i % c] + bias[i % c] + at(residual, i)); });
        std::vector<float> sums(2 * c);
        std::vector<T> gr(rows * c);
        launch(blocks(across, shares), BLOCK, [&] { reduce<2, V>(rows, c, width, partial.data(), GradientSums<T, V>(g.data(), x.data(), y.data(), gr.data(), affine.data(), c, 2)); });
        launch(blocks((c + 31) / 32), BLOCK, [&] { add_gradient_shares(partial.data(), shares, c, sums.data()); });
        std::vector<double> sg(c), sx(c);
        auto masked = [&](size_t i) { return at(y, i) > 0 ? (double)at(g, i) : 0.0; };
        for (i64 i = 0; i < rows * c; i++) sg[i % c] += masked(i), sx[i % c] += masked(i) * hat(i);
        expect("gradient_sums", sums, [&](size_t i) { return i < (size_t)c ? sg[i] : sx[i - c]; });
        std::vector<T> gx(rows * c);
        launch(blocks(across, 2), BLOCK, [&] { normalise_backward<T, V>(g.data(), x.data(), y.data(), affine.data(), sums.data(), gx.data(), rows, c, width, 2, 0); });
        expect("gradient of a residual", gr, masked);
        expect("normalise_backward", gx, [&](size_t i) {
            int k = i % c;
            return weight[k] / std::sqrt(v1[k] + 1e-5) * (masked(i) - sg[k] / rows - hat(i) * sx[k] / rows);
        });
        std::vector<float> by_image(m.n * 2 * c), products(m.n * c);
        i64 pixels = rows / m.n;
        launch(blocks(across, 2, m.n), BLOCK, [&] { reduce<1, V>(pixels, c, width, by_image.data(), Products<T, V>{x.data(), g.data()}); });
        launch(blocks((c + 31) / 32, m.n), BLOCK, [&] { add_shares(by_image.data(), products.data(), 2, c, 0.5f, (i64)c, (i64)1); });
        expect("sum_products", products, [&](size_t i) {
            double sum = 0;
            for (i64 p = 0; p < pixels; p++) sum += at(x, (i / c * pixels + p) * c + i % c) * at(g, (i / c * pixels + p) * c + i % c);
            return 0.5 * sum;
        });
    })
}

static void pooling(Maps m) {
    int kernel = 3, stride = 2, padding = 1, c = m.c;
    int oh = (m.h + 2 * padding - kernel) / stride + 1, ow = (m.w + 2 * padding - kernel) / stride + 1;
    FOR_BOTH(c, {
        auto x = random<T>((size_t)m.n * m.h * m.w * c), g = random<T>((size_t)m.n * oh * ow * c);
        std::vector<T> y(g.size()), gx(x.size());
        std::vector<u8> winners(g.size());
        launch(blocks(2), BLOCK, [&] { max_pool<T, V>(x.data(), y.data(), winners.data(), m.n, m.h, m.w, oh, ow, c, kernel, stride, padding); });
        std::vector<double> scattered(x.size());
        expect("max_pool", y, [&](size_t i) {
            int k = i % c, column = i / c % ow, row = i / c / ow % oh, n = i / c / ow / oh;
            double best = -1e9;
            size_t place = 0;
            for (int iy = row * stride - padding; iy < row * stride - padding + kernel; iy++)
                for (int ix = column * stride - padding; ix < column * stride - padding + kernel; ix++) {
                    if (iy < 0 || ix < 0 || iy >= m.h || ix >= m.w) continue;
                    size_t from = (((size_t)n * m.h + iy) * m.w + ix) * c + k;
                    if (at(x, from) > best) best = at(x, from), place = from;
                }
            scattered[place] += at(g, i);
            return best;
        });
        launch(blocks(2), BLOCK, [&] { max_pool_backward<T, V>(g.data(), winners.data(), gx.data(), m.n, m.h, m.w, oh, ow, c, kernel, stride, padding); });
        expect("max_pool_backward", gx, [&](size_t i) { return scattered[i]; });
    })
}

static void depthwise_all(Maps m) {
    int c = m.c;
    for (Filter f : {Filter{3, 3, 1, 1, 1, 1, 1, 1}, Filter{3, 3, 2, 2, 1, 1, 1, 1}, Filter{3, 3, 1, 1, 2, 2, 2, 2}}) {
        int oh = (m.h + 2 * f.top - f.dy * 2 - 1) / f.sy + 1, ow = (m.w + 2 * f.left - f.dx * 2 - 1) / f.sx + 1;
        FOR_BOTH(c, {
            auto x = random<T>((size_t)m.n * m.h * m.w * c), g = random<T>((size_t)m.n * oh * ow * c);
            auto weight = random<float>(9 * c);
            std::vector<T> y(g.size()), gx(x.size());
            launch(blocks(2), BLOCK, [&] { depthwise<T, V>(x.data(), weight.data(), y.data(), m.n, m.h, m.w, oh, ow, c, f); });
            std::vector<double> ty(y.size()), tx(x.size()), tw(9 * c);
            for (size_t i = 0; i < y.size(); i++) {
                int k = i % c, column = i / c % ow, row = i / c / ow % oh, n = i / c / ow / oh;
                for (int tap = 0; tap < 9; tap++) {
                    int iy = row * f.sy - f.top + tap / 3 * f.dy, ix = column * f.sx - f.left + tap % 3 * f.dx;
                    if (iy < 0 || ix < 0 || iy >= m.h || ix >= m.w) continue;
                    size_t from = (((size_t)n * m.h + iy) * m.w + ix) * c + k;
                    ty[i] += at(x, from) * weight[tap * c + k];
                    tx[from] += at(g, i) * weight[tap * c + k];
                    tw[k * 9 + tap] += at(x, from) * at(g, i);
                }
            }
            expect("depthwise", y, [&](size_t i) { return ty[i]; });
            launch(blocks(2), BLOCK, [&] { depthwise_input<T, V>(g.data(), weight.data(), gx.data(), m.n, m.h, m.w, oh, ow, c, f); });
            expect("depthwise_input", gx, [&](size_t i) { return tx[i]; });
            int groups = c / V, width = width_of(groups), across = (groups + width - 1) / width;
            std::vector<float> shares(9 * 2 * c), gw(9 * c);
            launch(blocks(across, 2, 9), BLOCK, [&] { depthwise_weight<T, V>(x.data(), g.data(), shares.data(), m.n, m.h, m.w, oh, ow, c, width, f); });
            launch(blocks((c + 31) / 32, 9), BLOCK, [&] { add_shares(shares.data(), gw.data(), 2, c, 1.f, (i64)1, (i64)9); });
            expect("depthwise_weight", gw, [&](size_t i) { return tw[i]; });
        })
    }
}

static void moves(Maps m) {
    int c = m.c, pixels = m.h * m.w;
    i64 count = (i64)m.n * pixels * c;
    FOR_BOTH(c, {
        auto x = random<T>(count), f = random<T>(m.n * c);
        std::vector<T> y(count);
        launch(blocks(2), BLOCK, [&] { gate_channels<T, V>(x.data(), f.data(), y.data(), m.n, pixels, c, 1.f); });
        expect("gate_channels", y, [&](size_t i) { return at(x, i) * (1 + at(f, i / c / pixels * c + i % c)); });
        launch(blocks(2), BLOCK, [&] { transpose(x.data(), y.data(), m.n, c, pixels); });
        expect("transpose", y, [&](size_t i) { return at(x, (i / c / pixels * c + i % c) * pixels + i / c % pixels); });
        std::vector<T> wide(count * 3);
        launch(blocks(2), BLOCK, [&] { copy_columns<T, V>(x.data(), wide.data(), (i64)m.n * pixels, c, c, 0, 3 * c, c); });
        expect("copy_columns", wide, [&](size_t i) { return i / c % 3 == 1 ? at(x, i / (3 * c) * c + i % c) : 0.f; });
        launch(blocks(2), BLOCK, [&] { spread<T, V>(f.data(), y.data(), 0, m.n, pixels, c, 0.5f); });
        expect("spread", y, [&](size_t i) { return 0.5 * at(f, i / c / pixels * c + i % c); });
        // Rows halved by a weighted pair, columns kept.
        std::vector<int> start(m.h / 2), first(m.h / 2 + 1), own(m.w), each(m.w + 1);
        std::vector<float> pairs(m.h), ones(m.w, 1.f);
        for (int i = 0; i < m.h / 2; i++) start[i] = 2 * i, first[i + 1] = 2 * i + 2, pairs[2 * i] = 0.25f, pairs[2 * i + 1] = 0.75f;
        for (int i = 0; i < m.w; i++) own[i] = i, each[i + 1] = i + 1;
        std::vector<T> half((size_t)m.n * (m.h / 2) * m.w * c);
        launch(blocks(2), BLOCK, [&] { blend<T, V>(x.data(), half.data(), 0, m.n, m.h, m.w, m.h / 2, m.w, c, Bands{start.data(), first.data(), pairs.data()}, Bands{own.data(), each.data(), ones.data()}); });
        expect("blend", half, [&](size_t i) {
            size_t rest = i % ((size_t)m.w * c), row = i / ((size_t)m.w * c) % (m.h / 2), n = i / ((size_t)m.w * c) / (m.h / 2);
            size_t from = ((n * m.h + 2 * row) * m.w) * c + rest;
            return 0.25 * at(x, from) + 0.75 * at(x, from + (size_t)m.w * c);
        });
        auto before = y;
        launch(blocks(2), BLOCK, [&] { spread<T, V>(f.data(), y.data(), 1, m.n, pixels, c, 1.f); });
        expect("spread onto", y, [&](size_t i) { return at(before, i) + at(f, i / c / pixels * c + i % c); });
        int H = m.h + 3, W = m.w + 1;
        std::vector<T> padded((size_t)m.n * H * W * c), cropped(count);
        launch(blocks(2), BLOCK, [&] { copy_window<T, V>(x.data(), padded.data(), m.n, m.h, m.w, c, Frame{m.h, m.w, 0, 0}, Frame{H, W, 2, 1}); });
        expect("copy_window", padded, [&](size_t i) {
            int row = i / c / W % H - 2, column = i / c % W - 1;
            bool inside = row >= 0 && column >= 0 && row < m.h && column < m.w;
            return inside ? at(x, ((i / c / W / H * m.h + row) * m.w + column) * c + i % c) : 0.f;
        });
        launch(blocks(2), BLOCK, [&] { copy_window<T, V>(padded.data(), cropped.data(), m.n, m.h, m.w, c, Frame{H, W, 2, 1}, Frame{m.h, m.w, 0, 0}); });
        expect("copy_window back", cropped, [&](size_t i) { return at(x, i); });
        u64 draw = 7, key = mix((mix(draw + 0x9e3779b97f4a7c15ull) ^ 3) + 0x9e3779b97f4a7c15ull), limit = 1ull << 52;
        launch(blocks(2), BLOCK, [&] { dropout<T, V>(x.data(), y.data(), m.n, pixels, c, Key{&draw, 0, 3, 1}, limit, 2.f, 0); });
        expect("dropout", y, [&](size_t i) { return is_dropped(key, (i / c / pixels * c + i % c) * pixels + i / c % pixels, limit) ? 0.f : 2 * at(x, i); });
    })
}

static void losses(Maps m) {
    int c = m.c;
    i64 pixels = (i64)m.n * m.h * m.w;
    auto x = random<float>(pixels * c);
    std::vector<u8> targets(pixels);
    std::vector<float> weights(256), shares(2), loss(1), gx(x.size()), factor(1, 3.f);
    for (int k = 0; k < c; k++) weights[k] = 1 + 0.5f * k;
    for (i64 i = 0; i < pixels; i++) targets[i] = i % 5 ? i % c : 255;
    launch(blocks(2), BLOCK, [&] { cross_entropy(x.data(), targets.data(), weights.data(), shares.data(), pixels, c); });
    launch(blocks(1), BLOCK, [&] { add_shares(shares.data(), loss.data(), 2, 1, 0.1f, (i64)1, (i64)1); });
    double truth = 0;
    auto p = [&](i64 i, int k) {
        double sum = 0;
        for (int j = 0; j < c; j++) sum += std::exp(x[i * c + j]);
        return std::exp(x[i * c + k]) / sum;
    };
    for (i64 i = 0; i < pixels; i++)
        if (weights[targets[i]] > 0) truth -= 0.1 * weights[targets[i]] * std::log(p(i, targets[i]));
    expect("cross_entropy", loss, [&](size_t) { return truth; });
    launch(blocks(2), BLOCK, [&] { cross_entropy_backward(x.data(), targets.data(), weights.data(), factor.data(), 0.1f, gx.data(), pixels, c); });
    expect("cross_entropy_backward", gx, [&](size_t i) {
        int target = targets[i / c];
        return 0.3 * weights[target] * (p(i / c, i % c) - ((int)(i % c) == target));
    });
}

static void updates() {
    std::vector<std::vector<float>> w, g, m, v;
    std::vector<Row> rows;
    for (int count : {1, 700, 33}) w.push_back(random<float>(count)), g.push_back(random<float>(count)), m.push_back(random<float>(count)), v.push_back(std::vector<float>(count, 0.5f));
    auto before = w, momentum = m;
    for (size_t i = 0; i < w.size(); i++) rows.push_back({w[i].data(), g[i].data(), m[i].data(), v[i].data(), (i64)w[i].size(), 0.1f * (i + 1), 0.01f});
    launch(blocks(2, 3), BLOCK, [&] { sgd(rows.data(), nullptr, 0.9f, 0.f, 2.f); });
    for (size_t i = 0; i < w.size(); i++)
        expect("sgd", w[i], [&](size_t k) { return before[i][k] - 0.1 * (i + 1) * (0.9 * momentum[i][k] + 2 * g[i][k] + 0.01 * before[i][k]); });
    before = w, momentum = m;
    launch(blocks(2, 3), BLOCK, [&] { adam(rows.data(), nullptr, 0.9f, 0.99f, 0.1f, 0.01f, 2.f, 1e-3f, 1.f, 1.f, 1.5f); });
    for (size_t i = 0; i < w.size(); i++)
        expect("adam", w[i], [&](size_t k) {
            double first = 0.9 * momentum[i][k] + 0.1 * g[i][k], second = 0.99 * 0.5 + 0.01 * g[i][k] * g[i][k];
            return before[i][k] * (1 - 0.1 * (i + 1) * 0.01) - 0.1 * (i + 1) * 1.5 * first / (std::sqrt(second * 2) + 1e-3);
        });
    std::vector<double> shares(6);
    double sum = 0, truth = 0;
    launch(blocks(2, 3), BLOCK, [&] { squares(rows.data(), shares.data()); });
    launch(blocks(1), BLOCK, [&] { add_squares(shares.data(), 6, &sum); });
    for (auto &all : g) for (float one : all) truth += (double)one * one;
    expect("squares", std::vector<float>{(float)sum}, [&](size_t) { return truth; });
}

// A step counts if its loss and its gradient are finite; a refusal holds until it is forgiven.
static void judged() {
    std::vector<float> w{1, 2, 3}, g{4, 5, 6}, m(3), losses{1.f, 2.f, INFINITY};
    std::vector<const float *> places{&losses[0], &losses[1], &losses[2]};
    std::vector<Row> rows{{w.data(), g.data(), m.data(), nullptr, 3, 0.5f, 0.f}};
    Verdict verdict{};
    auto judged = [&](double squares, int count, double limit) { launch(blocks(1), BLOCK, [&] { judge(&squares, places.data(), count, 0.5, limit, &verdict); }); };
    auto kept = [&](const char *name, std::vector<float> expected) { expect(name, w, [&](size_t k) { return expected[k]; }); };
    auto move = [&] { launch(blocks(1, 1), BLOCK, [&] { sgd(rows.data(), &verdict, 0.f, 0.f, 1.f); }); };
    judged(64, 2, 0);
    expect("judge", std::vector<float>{(float)verdict.norm, (float)verdict.loss, verdict.shorten, (float)verdict.refused}, [](size_t k) { return std::vector<double>{4, 1.5, 1, 0}[k]; });
    judged(64, 2, 2);
    expect("judge, shortened", std::vector<float>{verdict.shorten}, [](size_t) { return 0.5; });
    move();
    kept("sgd, shortened", {1 - 0.5f * 2, 2 - 0.5f * 2.5f, 3 - 0.5f * 3});
    launch(blocks(1, 1), BLOCK, [&] { copy_rows_if_refused(rows.data(), &verdict); });
    kept("not put back", {0, 0.75f, 1.5f});
    for (auto [squares, count] : {std::pair<double, int>{64, 3}, {INFINITY, 2}, {NAN, 2}}) {
        verdict = {};
        judged(squares, count, 0);
        judged(64, 2, 0); // what is queued behind
        expect("judge, refused", std::vector<float>{(float)verdict.refused}, [](size_t) { return 1; });
        move();
        launch(blocks(1, 1), BLOCK, [&] { adam(rows.data(), &verdict, 0.9f, 0.99f, 0.1f, 0.01f, 2.f, 1e-3f, 1.f, 1.f, 1.5f); });
        launch(blocks(1, 1), BLOCK, [&] { average(rows.data(), &verdict); });
        kept("refused", {0, 0.75f, 1.5f});
    }
    launch(blocks(1, 1), BLOCK, [&] { copy_rows_if_refused(rows.data(), &verdict); });
    kept("put back", {4, 5, 6});
    verdict = {}, g[0] = 6;
    launch(blocks(1, 1), BLOCK, [&] { average(rows.data(), &verdict); });
    kept("average", {5, 5, 6});
}

static void weights() {
    int o = 5, i = 3, k = 9;
    auto w = random<float>(o * i * k);
    std::vector<bf16> packed(w.size());
    std::vector<float> back(w.size());
    launch(blocks(1), BLOCK, [&] { pack_weight(w.data(), packed.data(), o, i, k); });
    expect("pack_weight", packed, [&](size_t at) { return w[(at / i / k * i + at % i) * k + at / i % k]; });
    std::vector<f16> halves(w.size());
    launch(blocks(1), BLOCK, [&] { pack_weight(w.data(), halves.data(), o, i, k); });
    expect("pack_weight, f16", halves, [&](size_t at) { return w[(at / i / k * i + at % i) * k + at / i % k]; }, 5e-4);
    launch(blocks(1), BLOCK, [&] { unpack_weight(packed.data(), back.data(), o, i, k); });
    expect("unpack_weight", back, [&](size_t at) { return w[at]; }, 1e-2);
}

int main() {
    for (Maps m : SIZES) norms(m), pooling(m), depthwise_all(m), moves(m), losses(m);
    updates();
    judged();
    weights();
    return wrong > 0;
}
