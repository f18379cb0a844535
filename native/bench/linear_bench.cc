// Products of Llama-3.2-1B (bf16 and f32) and of the demo model. Usage: linear_bench [name filter]

#include <cstring>
#include <vector>

#include "measure.hpp"

namespace sgl::bench {
namespace {

struct Product {
  const char* name;
  int64_t out_features;
  int64_t in_features;
  bool is_gated = false;
  /// Rows past this are not a case of the model: logits are only wanted for the last token of a request.
  int64_t max_rows = 512;
};

// hidden 2048, 32 heads and 8 KV heads of 64, ffn 8192, vocabulary 128256
constexpr Product kLlama1B[] = {
    {"llama1b.qkv", 3072, 2048},
    {"llama1b.o", 2048, 2048},
    {"llama1b.gate_up", 16384, 2048, true},
    {"llama1b.down", 2048, 8192},
    {"llama1b.lm_head", 128256, 2048, false, 32},
};
// hidden 256, 4 heads and 2 KV heads of 64, ffn 704, vocabulary 4096
constexpr Product kDemo[] = {
    {"demo.qkv", 512, 256},
    {"demo.o", 256, 256},
    {"demo.gate_up", 1408, 256, true},
    {"demo.down", 256, 704},
    {"demo.lm_head", 4096, 256, false, 32},
};
constexpr int64_t kRows[] = {1, 2, 4, 8, 16, 32, 64, 128, 512};

constexpr double kRotatedBytes = 160 << 20;  // several times the last-level cache
constexpr double kDemoModelBytes = 11 << 20;

void run(sgl_context* context, Probes& probes, const Product& product, sgl_dtype dtype, double rotated_bytes) {
  const int64_t element_bytes = dtype == SGL_BF16 ? 2 : 4;
  const double weight_bytes = static_cast<double>(product.out_features * product.in_features * element_bytes);
  const int64_t num_copies = std::max<int64_t>(1, static_cast<int64_t>(rotated_bytes / weight_bytes));
  std::vector<sgl_weight*> weights(num_copies);
  const sgl_weight_desc desc{1, dtype, product.out_features, product.in_features};
  for (int64_t i = 0; i < num_copies; ++i) {
    check(sgl_weight_create(context, &weights[i], &desc));
    const sgl_weight_fill_random_args args{static_cast<uint64_t>(i), 0.03f, 0, 0, product.out_features, 0, 0};
    check(sgl_weight_fill_random(context, weights[i], &args));
  }
  const int64_t width = product.is_gated ? product.out_features / 2 : product.out_features;
  std::vector<uint32_t> x(512 * product.in_features, dtype == SGL_BF16 ? 0x3f803f80u : 0x3f800000u);
  std::vector<uint32_t> y(512 * width);
  for (const int64_t rows : kRows) {
    if (rows > product.max_rows) continue;
    const sgl_tensor x_view{x.data(), dtype, 2, {rows, product.in_features}, {product.in_features, 1}};
    const sgl_tensor y_view{y.data(), dtype, 2, {rows, width}, {width, 1}};
    Case what{product.name, "", 0, 0, dtype, weight_bytes * static_cast<double>(num_copies)};
    what.name += dtype == SGL_F32 ? ".f32" : "";
    what.shape =
        std::to_string(rows) + " x " + std::to_string(product.in_features) + " x " + std::to_string(product.out_features);
    what.num_bytes = weight_bytes + static_cast<double>(rows * (product.in_features + width) * element_bytes);
    what.num_flops = 2.0 * static_cast<double>(rows * product.out_features * product.in_features);
    measure(probes, what, [&](int64_t call) {
      const sgl_linear_args args{&y_view, &x_view, weights[call % num_copies],
                                 nullptr, nullptr, product.is_gated ? SGL_EPILOGUE_SILU_MUL : SGL_EPILOGUE_NONE,
                                 0,       nullptr, nullptr,
                                 0,       0};
      check(sgl_linear(context, &args));
    });
  }
  for (sgl_weight* weight : weights) sgl_weight_destroy(weight);
}

void run_all(const char* filter) {
  sgl_context* context;
  const sgl_context_options options{SGL_DEVICE_CPU, 0, 0, 0};
  check(sgl_context_create(&context, &options));
  int32_t num_threads;
  check(sgl_context_num_threads(context, &num_threads));
  Probes probes(num_threads);
  print_heading(num_threads);
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const Product& product : kLlama1B) {
      const std::string name = std::string(product.name) + (dtype == SGL_F32 ? ".f32" : ".bf16");
      if (name.find(filter) != std::string::npos) run(context, probes, product, dtype, kRotatedBytes);
    }
  }
  for (const Product& product : kDemo) {
    if (std::string(product.name).find(filter) != std::string::npos) run(context, probes, product, SGL_BF16, kDemoModelBytes);
  }
  sgl_context_destroy(context);
}

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) { sgl::bench::run_all(argc > 1 ? argv[1] : ""); }
