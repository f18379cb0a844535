// Routing, experts and residual of the Qwen3-30B-A3B shape, as three operators and as one: few tokens beside the bandwidth of a
// copy, counting the touched experts' weights once; many in FLOP/s. Usage: cuda_moe_bench

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "cuda/kernels/activation/activation.hpp"
#include "cuda/kernels/gemm/linear.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/kernels/moe/moe.hpp"
#include "cuda/kernels/norm/norm.hpp"
#include "cuda/random_weight.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/timing.hpp"

namespace sgl::bench {
namespace {

constexpr int kExperts = 128, kChosen = 8;
constexpr int64_t kHidden = 2048, kIntermediate = 768;
constexpr int64_t kTokens[] = {1, 8, 32, 64, 256, 1024, 4096};

void run_all() {
  cuda::CudaContext context(0);
  const double bandwidth = copy_bandwidth(context);
  std::printf("%d experts of %lld x %lld, %d chosen; copy of 1 GiB: %.0f GB/s read plus written\n", kExperts,
              static_cast<long long>(kHidden), static_cast<long long>(kIntermediate), kChosen, bandwidth / 1e9);
  const auto gate_up = random_weight(context, {kExperts, SGL_BF16, 2 * kIntermediate, kHidden}, 1, 0.03f);
  const auto down = random_weight(context, {kExperts, SGL_BF16, kHidden, kIntermediate}, 2, 0.03f);
  std::mt19937 random(1);
  for (const int64_t tokens : kTokens) {
    const DeviceBuffer x(tokens * kHidden * 2), y(tokens * kHidden * 2), stream(tokens * kHidden * 2),
        ids(tokens * kChosen * 4), weights(tokens * kChosen * 4), logits(tokens * kExperts * 4);
    std::vector<float> scores(tokens * kExperts);
    std::normal_distribution<float> normal;
    for (float& score : scores) score = normal(random);
    cuda::check(cudaMemcpy(logits.data(), scores.data(), scores.size() * 4, cudaMemcpyHostToDevice), "logits");
    cuda::check(cudaMemset(stream.data(), 0, tokens * kHidden * 2), "stream");
    std::set<int64_t> chosen;
    for (int64_t token = 0; token < tokens; ++token) {
      std::vector<int64_t> order(kExperts);
      std::iota(order.begin(), order.end(), 0);
      std::partial_sort(order.begin(), order.begin() + kChosen, order.end(),
                        [&](int64_t a, int64_t b) { return scores[token * kExperts + a] > scores[token * kExperts + b]; });
      chosen.insert(order.begin(), order.begin() + kChosen);
    }
    const sgl_tensor x_view{x.data(), SGL_BF16, 2, {tokens, kHidden}, {kHidden, 1}};
    const sgl_tensor y_view{y.data(), SGL_BF16, 2, {tokens, kHidden}, {kHidden, 1}};
    const sgl_tensor stream_view{stream.data(), SGL_BF16, 2, {tokens, kHidden}, {kHidden, 1}};
    const sgl_tensor ids_view{ids.data(), SGL_I32, 2, {tokens, kChosen}, {kChosen, 1}};
    const sgl_tensor weights_view{weights.data(), SGL_F32, 2, {tokens, kChosen}, {kChosen, 1}};
    const sgl_tensor logits_view{logits.data(), SGL_F32, 2, {tokens, kExperts}, {kExperts, 1}};
    const sgl_moe_args alone{&y_view, &x_view, &weights_view, &ids_view, gate_up.get(), down.get(), nullptr, nullptr, 0, 1};
    sgl_moe_args whole = alone;
    whole.y = whole.residual = &stream_view;
    whole.router_logits = &logits_view;
    Timed parts(context, 10, [&](int) {
      cuda::moe_route(context, weights_view, ids_view, logits_view, true);
      cuda::moe_experts(context, alone);
      cuda::add(context, stream_view, stream_view, y_view);
    });
    Timed at_once(context, 10, [&](int) { cuda::moe_experts(context, whole); });
    const std::vector<double> us = medians({&parts, &at_once});
    const auto touched = static_cast<double>(chosen.size());
    const double num_bytes = touched * 3 * kHidden * kIntermediate * 2 + 3.0 * tokens * kHidden * 2;
    const double flops = 2.0 * tokens * kChosen * 3 * kHidden * kIntermediate;
    std::printf(
        "%5lld tokens, %3.0f experts touched: one by one %8.1f us, at once %8.1f us %7.0f GB/s %5.1f %% of copy %6.1f "
        "TFLOP/s\n",
        static_cast<long long>(tokens), touched, us[0], us[1], num_bytes / us[1] / 1e3,
        100 * num_bytes / (us[1] * 1e-6) / bandwidth, flops / us[1] / 1e6);
    std::fflush(stdout);
  }
}

/// An RMS norm and the product behind it, as two operators and as one, for the router and for q, k and v of the shape.
void run_norms() {
  cuda::CudaContext context(0);
  for (const int64_t width : {int64_t{kExperts}, int64_t{5120}}) {
    const auto weight = random_weight(context, {1, SGL_BF16, width, kHidden}, 3, 0.03f);
    for (const int64_t rows : {1, 2, 4, 8}) {
      const DeviceBuffer x(rows * kHidden * 2), normalized(rows * kHidden * 2), norm(kHidden * 2), y(rows * width * 4);
      const sgl_tensor x_view{x.data(), SGL_BF16, 2, {rows, kHidden}, {kHidden, 1}};
      const sgl_tensor normalized_view{normalized.data(), SGL_BF16, 2, {rows, kHidden}, {kHidden, 1}};
      const sgl_tensor norm_view{norm.data(), SGL_BF16, 1, {kHidden}, {1}};
      const sgl_tensor y_view{y.data(), SGL_F32, 2, {rows, width}, {width, 1}};
      sgl_linear_args args{&y_view, &x_view,    weight.get(),     nullptr, nullptr, SGL_EPILOGUE_NONE,
                           1e-6f,   &norm_view, &normalized_view, 1,       0};
      Timed at_once(context, 20, [&](int) { cuda::linear(context, args); });
      sgl_linear_args plain = args;
      plain.x = &normalized_view;
      plain.norm = nullptr;
      Timed parts(context, 20, [&](int) {
        cuda::rms_norm(context, normalized_view, x_view, norm_view, args.eps);
        cuda::linear(context, plain);
      });
      const std::vector<double> us = medians({&parts, &at_once});
      std::printf("norm and product %4lld x %lld, %lld rows: one by one %6.1f us, at once %6.1f us\n",
                  static_cast<long long>(width), static_cast<long long>(kHidden), static_cast<long long>(rows), us[0], us[1]);
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace sgl::bench

int main() {
  return sgl::bench::exit_code_of([] {
    sgl::bench::run_all();
    sgl::bench::run_norms();
  });
}
