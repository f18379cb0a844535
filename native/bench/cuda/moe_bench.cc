// Experts of the Qwen3-30B-A3B shape: few tokens beside the bandwidth of a copy, counting the touched experts' weights once;
// many in FLOP/s. Usage: cuda_moe_bench

#include <algorithm>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <set>
#include <vector>

#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/kernels/moe/moe.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/random_weight.hpp"
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
    const DeviceBuffer x(tokens * kHidden * 2), y(tokens * kHidden * 2), ids(tokens * kChosen * 4),
        weights(tokens * kChosen * 4);
    std::vector<int32_t> chosen;
    std::vector<int32_t> experts(kExperts);
    std::iota(experts.begin(), experts.end(), 0);
    for (int64_t token = 0; token < tokens; ++token) {
      std::shuffle(experts.begin(), experts.end(), random);
      chosen.insert(chosen.end(), experts.begin(), experts.begin() + kChosen);
    }
    const std::vector<float> shares(chosen.size(), 1.0f / kChosen);
    cuda::check(cudaMemcpy(ids.data(), chosen.data(), chosen.size() * 4, cudaMemcpyHostToDevice), "ids");
    cuda::check(cudaMemcpy(weights.data(), shares.data(), shares.size() * 4, cudaMemcpyHostToDevice), "weights");
    const sgl_tensor x_view{x.data(), SGL_BF16, 2, {tokens, kHidden}, {kHidden, 1}};
    const sgl_tensor y_view{y.data(), SGL_BF16, 2, {tokens, kHidden}, {kHidden, 1}};
    const sgl_tensor ids_view{ids.data(), SGL_I32, 2, {tokens, kChosen}, {kChosen, 1}};
    const sgl_tensor weights_view{weights.data(), SGL_F32, 2, {tokens, kChosen}, {kChosen, 1}};
    const sgl_moe_args args{&y_view, &x_view, &weights_view, &ids_view, gate_up.get(), down.get(), 0, 0};
    Timed timed(context, 10, [&](int) { cuda::moe_experts(context, args); });
    const double us = medians({&timed})[0];
    const auto touched = static_cast<double>(std::set<int32_t>(chosen.begin(), chosen.end()).size());
    const double num_bytes = touched * 3 * kHidden * kIntermediate * 2 + 2.0 * tokens * kHidden * 2;
    const double flops = 2.0 * tokens * kChosen * 3 * kHidden * kIntermediate;
    std::printf("experts %5lld tokens, %3.0f touched %9.1f us %7.0f GB/s %5.1f %% of copy %7.1f TFLOP/s\n",
                static_cast<long long>(tokens), touched, us, num_bytes / us / 1e3, 100 * num_bytes / (us * 1e-6) / bandwidth,
                flops / us / 1e6);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sgl::bench

int main() { return sgl::bench::exit_code_of(sgl::bench::run_all); }
