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
constexpr int64_t kMinClusterRows = 9, kMaxClusterRows = 256;

/// Past this many rows adding up the parts of a tile takes longer, so that only long parts pay; past the next one, where the
/// tensor cores are as busy as memory, only a gate that would otherwise be a kernel of its own does.
constexpr int64_t kMaxNarrowRows = 64, kMaxPlainRows = 128;
constexpr int64_t kMinWideStages = 48;

/// What a portable cluster may have.
constexpr int64_t kMaxParts = 8;

/// Whether `kClusterSm90` takes the product at all: a gate's weight is copied in groups of eight rows.
bool fits_clusters(const LinearDesc& desc, const DeviceInfo& device) {
  return desc.dtype == SGL_BF16 && desc.is_aligned && device.compute_major == 9 && desc.num_rows <= kMaxClusterRows &&
         (!desc.is_gated || desc.out_features % 16 == 0);
}

LinearConfig cluster_config_of(const LinearDesc& desc, const DeviceInfo& device) {
  int rows = 16;
  while (rows < desc.num_rows) rows *= 2;
  return cluster_config(desc, device, rows);
}

/// Whether `kClusterSm90` beats everything else.
bool is_best_by_clusters(const LinearDesc& desc, const DeviceInfo& device) {
  if (!fits_clusters(desc, device) || desc.num_rows < kMinClusterRows) return false;
  if (desc.num_rows <= kMaxNarrowRows) return true;
  if (desc.num_rows > kMaxPlainRows) return desc.is_gated;
  if (desc.is_gated) return true;
  const LinearConfig config = cluster_config_of(desc, device);
  const int64_t stages = divide_up(desc.in_features, cluster_sm90_shape(config.tile_rows, false).depth());
  return config.parts == 1 || stages / config.parts >= kMinWideStages;
}

}  // namespace

LinearConfig cluster_config(const LinearDesc& desc, const DeviceInfo& device, int tile_rows) {
  const ClusterSm90Shape shape = cluster_sm90_shape(tile_rows, desc.is_gated);
  const int64_t width = desc.is_gated ? desc.out_features / 2 : desc.out_features;
  const int64_t tiles = divide_up(width, shape.columns()), depth = divide_up(desc.in_features, shape.depth());
  // Where the processors' groups are not whole clusters some processors stay empty, so clusters are not planned for all of
  // them.
  const int64_t parts = std::clamp<int64_t>(device.num_sms * 3 / 4 / tiles, 1, std::min(kMaxParts, depth));
  LinearConfig config{LinearPath::kClusterSm90};
  config.tile_rows = tile_rows;
  config.parts = static_cast<int>(parts);
  // Whole tiles in equal numbers, so that all blocks end together.
  config.num_blocks = static_cast<int>(parts > 1 ? tiles * parts : divide_up(tiles, divide_up(tiles, device.num_sms)));
  return config;
}

LinearConfig select_linear(const LinearDesc& desc, const DeviceInfo& device) {
  if (is_best_by_clusters(desc, device)) return cluster_config_of(desc, device);
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
    case LinearPath::kClusterSm90:
      return "cluster " + std::to_string(config.tile_rows) + " in " + std::to_string(config.parts) + " by " +
             std::to_string(config.num_blocks);
    case LinearPath::kGeneric:
      return "generic";
    default:
      return config.has_library_epilogue ? "cublaslt" : "cublaslt + epilogue";
  }
}

}  // namespace sgl::cuda
