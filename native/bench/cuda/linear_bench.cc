// Products of Llama-3.1-8B with few rows, beside cuBLASLt and the bandwidth of a copy. Usage: cuda_linear_bench [name filter]
// [all]; `all` also times the kernels that are not chosen.

#include <cstdio>
#include <cstring>
#include <memory>
#include <string>
#include <vector>

#include "abi/error.hpp"
#include "cuda/kernels/gemm/library.hpp"
#include "cuda/kernels/gemm/linear.hpp"
#include "cuda/kernels/gemm/linear_config.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/random_weight.hpp"
#include "cuda/timing.hpp"

namespace sgl::bench {
namespace {

struct Product {
  const char* name;
  int64_t in_features;
  int64_t out_features;
  bool is_gated = false;
};

// hidden 4096, 32 heads and 8 KV heads of 128, ffn 14336, vocabulary 128256
constexpr Product kProducts[] = {
    {"qkv", 4096, 6144}, {"o", 4096, 4096}, {"gate_up", 4096, 28672, true}, {"down", 14336, 4096}, {"lm_head", 4096, 128256},
};
constexpr int64_t kRows[] = {1, 2, 4, 8, 16, 24, 32, 48, 64, 96, 128, 192, 256};

/// Weights that consecutive calls rotate among hold several times the second-level cache.
constexpr int64_t kRotatedBytes = int64_t{400} << 20;

/// Kernels of ours that take the product.
std::vector<cuda::LinearConfig> candidates(const cuda::CudaContext& context, const cuda::LinearDesc& desc) {
  std::vector<cuda::LinearConfig> result;
  for (const int row_tiles : {1, 2}) {
    if (row_tiles * 8 < desc.num_rows || (row_tiles > 1 && row_tiles * 4 >= desc.num_rows)) continue;
    for (const int weight_tiles : {1, 2}) {
      if (!desc.is_gated || weight_tiles == 2) result.push_back({cuda::LinearPath::kFewRows, weight_tiles, row_tiles});
    }
  }
  for (const int rows : {16, 32, 64, 128, 256}) {
    if (rows < desc.num_rows || (rows > 16 && rows / 2 >= desc.num_rows)) continue;
    result.push_back(cuda::cluster_config(desc, context.device, rows));
  }
  return result;
}

/// Times every kernel that takes the product, by turns.
void run_candidates(cuda::CudaContext& context, const Product& product, const std::vector<std::unique_ptr<sgl_weight>>& weights,
                    const sgl_tensor& x, const sgl_tensor& y, const cuda::LinearDesc& desc) {
  const int num_copies = static_cast<int>(weights.size());
  std::vector<std::unique_ptr<Timed>> timed;
  std::vector<Timed*> turns;
  std::vector<cuda::LinearConfig> configs;
  for (const cuda::LinearConfig& config : candidates(context, desc)) {
    timed.push_back(std::make_unique<Timed>(context, 4 * num_copies, [&](int call) {
      const sgl_linear_args args{&y,      &x,      weights[call % num_copies].get(),
                                 nullptr, nullptr, product.is_gated ? SGL_EPILOGUE_SILU_MUL : SGL_EPILOGUE_NONE,
                                 0,       nullptr, nullptr,
                                 0,       0};
      cuda::linear(context, args, config);
    }));
    turns.push_back(timed.back().get());
    configs.push_back(config);
  }
  const std::vector<double> us = medians(turns);
  for (size_t i = 0; i < us.size(); ++i) {
    std::printf("  candidate %-20s %8.1f us\n", cuda::describe(configs[i]).c_str(), us[i]);
  }
}

void run(cuda::CudaContext& context, const Product& product, double bandwidth, bool with_candidates) {
  const int64_t weight_bytes = product.out_features * product.in_features * 2;
  const int num_copies = static_cast<int>(std::max<int64_t>(2, kRotatedBytes / weight_bytes));
  std::vector<std::unique_ptr<sgl_weight>> weights;
  const sgl_weight_desc desc{1, SGL_BF16, product.out_features, product.in_features};
  for (int i = 0; i < num_copies; ++i) weights.push_back(random_weight(context, desc, i, 0.03f));
  constexpr int64_t kMostRows = 256;
  const DeviceBuffer x(kMostRows * product.in_features * 2), y(kMostRows * product.out_features * 2);
  const int64_t width = product.is_gated ? product.out_features / 2 : product.out_features;
  for (const int64_t rows : kRows) {
    const sgl_tensor x_view{x.data(), SGL_BF16, 2, {rows, product.in_features}, {product.in_features, 1}};
    const sgl_tensor y_view{y.data(), SGL_BF16, 2, {rows, width}, {width, 1}};
    Timed ours(context, 4 * num_copies, [&](int call) {
      const sgl_linear_args args{&y_view, &x_view, weights[call % num_copies].get(),
                                 nullptr, nullptr, product.is_gated ? SGL_EPILOGUE_SILU_MUL : SGL_EPILOGUE_NONE,
                                 0,       nullptr, nullptr,
                                 0,       0};
      cuda::linear(context, args);
    });
    // The library's product alone, without the gate that ours fuses.
    Timed library(context, 4 * num_copies, [&](int call) {
      cuda::LibraryProduct p{};
      p.d = y.data();
      p.x = x.data();
      p.weight = cuda::on_device(*weights[call % num_copies]).data;
      p.d_stride = p.out_features = product.out_features;
      p.x_stride = p.in_features = product.in_features;
      p.num_rows = rows;
      p.dtype = p.d_dtype = SGL_BF16;
      if (!context.library->multiply(context, p)) fail(SGL_UNSUPPORTED, "no algorithm");
    });
    const std::vector<double> us = medians({&ours, &library});
    const double num_bytes = static_cast<double>(weight_bytes + rows * (product.in_features + width) * 2);
    const cuda::LinearDesc choice{
        rows, product.out_features, product.in_features, SGL_BF16, SGL_BF16, product.is_gated, false, false, SGL_F32, true};
    std::printf("%-8s %4lld x %5lld x %6lld  %-20s %8.1f us %7.0f GB/s %5.1f %% of copy   cublaslt %8.1f us, ratio %.2f\n",
                product.name, static_cast<long long>(rows), static_cast<long long>(product.in_features),
                static_cast<long long>(product.out_features),
                cuda::describe(cuda::select_linear(choice, context.device)).c_str(), us[0], num_bytes / us[0] / 1e3,
                100 * num_bytes / (us[0] * 1e-6) / bandwidth, us[1], us[1] / us[0]);
    if (with_candidates) run_candidates(context, product, weights, x_view, y_view, choice);
    std::fflush(stdout);
  }
}

void run_all(const char* filter, bool with_candidates) {
  cuda::CudaContext context(0);
  const double bandwidth = copy_bandwidth(context);
  std::printf("copy of 1 GiB: %.0f GB/s read plus written; graph replays, medians of turns with cuBLASLt\n", bandwidth / 1e9);
  for (const Product& product : kProducts) {
    if (std::strstr(product.name, filter) != nullptr) run(context, product, bandwidth, with_candidates);
  }
}

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) {
  return sgl::bench::exit_code_of(
      [&] { sgl::bench::run_all(argc > 1 ? argv[1] : "", argc > 2 && std::strcmp(argv[2], "all") == 0); });
}
