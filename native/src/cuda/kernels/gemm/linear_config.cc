#include "cuda/kernels/gemm/linear_config.hpp"

#include <algorithm>

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

/// Rows from which wgmma streams weights better than `kFewRows` does, and past which the library's tiles reread less.
constexpr int64_t kMinStreamRows = 9, kMaxStreamRows = 128;

/// Past this many rows a plain product streams only where the library would split it and add up the parts in another kernel: it
/// has few tiles and each worker many stages, which pays for handing over its part of so many sums.
constexpr int kMaxNarrowRows = 64;
constexpr int64_t kMinWideStages = 48;

int64_t tiles_of(const StreamSm90Shape& shape, const LinearDesc& desc) {
  return divide_up(desc.is_gated ? desc.out_features / 2 : desc.out_features, shape.columns());
}

LinearConfig stream(const LinearDesc& desc, const DeviceInfo& device) {
  LinearConfig config{LinearPath::kStreamSm90};
  config.stream_rows = desc.num_rows <= 16 ? 16 : desc.num_rows <= 32 ? 32 : desc.num_rows <= 64 ? 64 : 128;
  config.num_workers = stream_workers(stream_sm90_shape(config.stream_rows, desc.is_gated), desc, device);
  return config;
}

/// Whether `stream` beats everything else.
bool streams(const LinearDesc& desc, const DeviceInfo& device) {
  if (desc.dtype != SGL_BF16 || !desc.is_aligned || device.compute_major != 9) return false;
  if (desc.num_rows < kMinStreamRows || desc.num_rows > kMaxStreamRows) return false;
  if (desc.is_gated || desc.num_rows <= kMaxNarrowRows) return true;
  const LinearConfig config = stream(desc, device);
  const StreamSm90Shape shape = stream_sm90_shape(config.stream_rows, false);
  const int64_t tiles = tiles_of(shape, desc), stages = divide_up(desc.in_features, shape.depth()) * shape.depth_tiles;
  return 2 * tiles <= device.num_sms && tiles * stages / config.num_workers >= kMinWideStages;
}

}  // namespace

int stream_workers(const StreamSm90Shape& shape, const LinearDesc& desc, const DeviceInfo& device) {
  const int64_t tiles = tiles_of(shape, desc), depth = divide_up(desc.in_features, shape.depth()), most = device.num_sms;
  return static_cast<int>(tiles <= most ? tiles * std::min(depth, most / tiles) : divide_up(tiles, divide_up(tiles, most)));
}

LinearConfig select_linear(const LinearDesc& desc, const DeviceInfo& device) {
  if (streams(desc, device)) return stream(desc, device);
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
    case LinearPath::kStreamSm90:
      return "stream " + std::to_string(config.stream_rows) + " by " + std::to_string(config.num_workers);
    case LinearPath::kGeneric:
      return "generic";
    default:
      return config.has_library_epilogue ? "cublaslt" : "cublaslt + epilogue";
  }
}

}  // namespace sgl::cuda
