#include "cuda/kernels/gemm/linear_config.hpp"

namespace sgl::cuda {
namespace {

int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/// Rows from which rounding a gated product to bf16 before the gate, as frameworks do, saves more time than it costs accuracy:
/// the product is written and read once more, and at these sizes from memory, not from a cache.
constexpr int64_t kMinRowsOfRoundedGate = 256;

/// What the few-rows kernels' registers allow.
constexpr int64_t kBlocksPerProcessor = 2;

/// Rows that the generic kernel takes before the library is better at any type.
constexpr int64_t kMaxGenericRows = 16;

}  // namespace

LinearConfig select_linear(const LinearDesc& desc, const DeviceInfo& device) {
  if (desc.dtype == SGL_BF16 && desc.is_aligned && desc.num_rows <= kMaxFewRows && device.compute_major >= 8) {
    LinearConfig config{LinearPath::kFewRows};
    config.row_tiles = desc.num_rows <= 8 ? 1 : 2;
    // Blocks that all run at once end together. Where that takes two tiles a block, or where blocks come in many waves and two
    // tiles halve the reads of x, a block has two; a gate needs its two halves side by side.
    const int64_t blocks_at_once = kBlocksPerProcessor * device.num_sms;
    const bool fits_with_one = divide_up(desc.out_features, 16) <= blocks_at_once;
    const bool fits_with_two = divide_up(desc.out_features, 32) <= blocks_at_once;
    config.weight_tiles = desc.is_gated || (!fits_with_one && (fits_with_two || config.row_tiles == 2)) ? 2 : 1;
    return config;
  }
  if (desc.num_rows <= kMaxGenericRows || !desc.is_aligned) return {LinearPath::kGeneric};
  LinearConfig config{LinearPath::kLibrary};
  const bool has_simple_bias = !desc.has_bias || desc.y_dtype == desc.dtype;
  const bool has_simple_residual = !desc.has_residual || desc.residual_dtype == desc.y_dtype;
  // Given both, some of the library's kernels round the product before they add the second.
  const bool has_both = desc.has_bias && desc.has_residual;
  config.has_library_epilogue = !desc.is_gated && has_simple_bias && has_simple_residual && !has_both;
  config.product_dtype = desc.is_gated && desc.dtype == SGL_BF16 && desc.num_rows >= kMinRowsOfRoundedGate ? SGL_BF16 : SGL_F32;
  return config;
}

std::string describe(const LinearConfig& config) {
  switch (config.path) {
    case LinearPath::kFewRows:
      return "few_rows " + std::to_string(config.weight_tiles) + "x" + std::to_string(config.row_tiles);
    case LinearPath::kGeneric:
      return "generic";
    default:
      return config.has_library_epilogue ? "cublaslt" : "cublaslt + epilogue";
  }
}

}  // namespace sgl::cuda
