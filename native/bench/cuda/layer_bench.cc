// The products and norms of Llama-3.1-8B's layers one after the other, as in a decode step without its attention, beside the
// same with cuBLASLt and the time that a copy of the weights' bytes takes.

#include <cstdio>
#include <functional>
#include <memory>
#include <vector>

#include "cuda/kernels/gemm/linear.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/kernels/norm/norm.hpp"
#include "cuda/random_weight.hpp"
#include "cuda/timing.hpp"

namespace sgl::bench {
namespace {

constexpr int64_t kHidden = 4096, kQkv = 6144, kFfn = 14336, kMostRows = 256;
constexpr int64_t kRows[] = {1, 8, 16, 32, 64, 128, 256};
constexpr int kNumLayers = 4;

struct Layer {
  std::unique_ptr<sgl_weight> qkv, o, gate_up, down;
};

std::unique_ptr<sgl_weight> random_weight(cuda::CudaContext& context, int64_t out_features, int64_t in_features) {
  return bench::random_weight(context, {1, SGL_BF16, out_features, in_features}, static_cast<uint64_t>(out_features), 0.01f);
}

/// What a product's kernel is chosen by in one of the compared runs.
using Choose = std::function<cuda::LinearConfig(const cuda::LinearDesc&)>;

struct Buffers {
  DeviceBuffer stream{kMostRows * kHidden * 2}, normed{kMostRows * kHidden * 2}, qkv{kMostRows * kQkv * 2};
  DeviceBuffer gated{kMostRows * kFfn * 2}, norm_weight{kHidden * 2};
};

void run_layer(cuda::CudaContext& context, const Layer& layer, const Buffers& buffers, int64_t rows, const Choose& choose) {
  const auto matrix = [&](const DeviceBuffer& buffer, int64_t width, int64_t stride) {
    return sgl_tensor{buffer.data(), SGL_BF16, 2, {rows, width}, {stride, 1}};
  };
  const sgl_tensor stream = matrix(buffers.stream, kHidden, kHidden), normed = matrix(buffers.normed, kHidden, kHidden);
  const sgl_tensor qkv = matrix(buffers.qkv, kQkv, kQkv), attended = matrix(buffers.qkv, kHidden, kQkv);
  const sgl_tensor gated = matrix(buffers.gated, kFfn, kFfn);
  const sgl_tensor norm_weight{buffers.norm_weight.data(), SGL_BF16, 1, {kHidden}, {1}};
  const auto product = [&](const sgl_tensor& y, const sgl_tensor& x, const sgl_weight& weight, const sgl_tensor* residual,
                           bool is_gated) {
    const sgl_linear_args args{&y, &x,      &weight, nullptr, residual, is_gated ? SGL_EPILOGUE_SILU_MUL : SGL_EPILOGUE_NONE,
                               0,  nullptr, nullptr, 0,       0};
    cuda::linear(context, args,
                 choose({rows, weight.desc.out_features, weight.desc.in_features, SGL_BF16, SGL_BF16, is_gated, false,
                         residual != nullptr, SGL_BF16, true}));
  };
  cuda::rms_norm(context, normed, stream, norm_weight, 1e-5f);
  product(qkv, normed, *layer.qkv, nullptr, false);
  product(stream, attended, *layer.o, &stream, false);
  cuda::rms_norm(context, normed, stream, norm_weight, 1e-5f);
  product(gated, normed, *layer.gate_up, nullptr, true);
  product(stream, gated, *layer.down, &stream, false);
}

cuda::LinearConfig library_alone(const cuda::LinearDesc& desc) {
  cuda::LinearConfig config{cuda::LinearPath::kLibrary};
  config.has_library_epilogue = !desc.is_gated;
  config.product_dtype = desc.is_gated && desc.num_rows >= 256 ? SGL_BF16 : SGL_F32;
  return config;
}

void run_all() {
  cuda::CudaContext context(0);
  const double bandwidth = copy_bandwidth(context);
  std::vector<Layer> layers(kNumLayers);
  for (Layer& layer : layers) {
    layer = {random_weight(context, kQkv, kHidden), random_weight(context, kHidden, kHidden),
             random_weight(context, 2 * kFfn, kHidden), random_weight(context, kHidden, kFfn)};
  }
  const double weight_bytes = 2.0 * kHidden * (kQkv + kHidden + 3 * kFfn);
  const Buffers buffers;
  std::printf("copy: %.0f GB/s; weights of a layer in %.1f us\n", bandwidth / 1e9, weight_bytes / bandwidth * 1e6);
  for (const int64_t rows : kRows) {
    const auto timed = [&](const Choose& choose) {
      return std::make_unique<Timed>(context, 2 * kNumLayers, [&, choose](int call) {
        run_layer(context, layers[static_cast<size_t>(call % kNumLayers)], buffers, rows, choose);
      });
    };
    const auto ours = timed([&](const cuda::LinearDesc& desc) { return cuda::select_linear(desc, context.device); });
    const auto library = timed(library_alone);
    const std::vector<double> us = medians({ours.get(), library.get()});
    std::printf("layer of %3lld rows %8.1f us, weights at %5.1f %% of copy   cublaslt %8.1f us, ratio %.2f\n",
                static_cast<long long>(rows), us[0], 100 * weight_bytes / (us[0] * 1e-6) / bandwidth, us[1], us[1] / us[0]);
    std::fflush(stdout);
  }
}

}  // namespace
}  // namespace sgl::bench

int main() { return sgl::bench::exit_code_of(sgl::bench::run_all); }
