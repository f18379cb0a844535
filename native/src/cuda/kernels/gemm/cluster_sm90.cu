#include "abi/error.hpp"
#include "cuda/kernels/gemm/cluster_sm90.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"
#include "cuda/runtime/tensor_map.hpp"

namespace sgl::cuda {
namespace {

constexpr const char* kOp = "linear";

ClusterSm90Kernel kernel_of(const ClusterSm90Shape& shape) {
  switch (shape.rows) {
    case 16:
      return cluster_sm90_kernel_of<16>(shape.is_gated);
    case 32:
      return cluster_sm90_kernel_of<32>(shape.is_gated);
    case 64:
      return cluster_sm90_kernel_of<64>(shape.is_gated);
    case 128:
      return cluster_sm90_kernel_of<128>(shape.is_gated);
    case 256:
      return cluster_sm90_kernel_of<256>(shape.is_gated);
    default:
      fail(SGL_INTERNAL, "linear: no kernel for tiles of %d rows", shape.rows);
  }
}

}  // namespace

void cluster_sm90(CudaContext& context, const sgl_linear_args& args, const LinearConfig& config, const Epilogue& epilogue) {
  const sgl_weight_desc& weight = args.weight->desc;
  const ClusterSm90Shape shape = cluster_sm90_shape(config.tile_rows, args.epilogue == SGL_EPILOGUE_SILU_MUL);
  const ClusterSm90Kernel kernel = kernel_of(shape);
  const std::byte* data = on_device(*args.weight).data;
  ClusterSm90Params params{};
  params.weight =
      shape.is_gated
          ? encode_halves(data, weight.out_features / 2, weight.in_features, ClusterSm90Shape::kWeightRows)
          : encode_matrix(data, weight.out_features, weight.in_features, weight.in_features, ClusterSm90Shape::kWeightRows);
  params.num_rows = static_cast<int32_t>(args.x->shape[0]);
  // The copy engine is slow at rows that do not exist. What lies in their place in a stage makes rows that are not stored.
  const int box_rows = (params.num_rows + 7) / 8 * 8;
  params.x = encode_matrix(args.x->data, params.num_rows, weight.in_features, args.x->stride[0], box_rows);
  params.x_bytes = box_rows * 128;
  params.width = static_cast<int32_t>(args.y->shape[1]);
  params.depth = static_cast<int32_t>(blocks_for(weight.in_features, shape.depth()));
  params.num_tiles = static_cast<int32_t>(blocks_for(params.width, shape.columns()));
  params.parts = config.parts;
  params.is_vectored = rows_are_aligned(*args.y, 16) && (args.residual == nullptr || rows_are_aligned(*args.residual, 16));
  params.epilogue = epilogue;
  allow_shared_bytes(kOp, kernel.launch, static_cast<size_t>(kernel.shared_bytes));
  LaunchConfig launch_config;
  launch_config.grid = static_cast<unsigned>(config.num_blocks);
  launch_config.block = static_cast<unsigned>(kernel.num_threads);
  launch_config.shared_bytes = static_cast<size_t>(kernel.shared_bytes);
  launch_config.cluster = static_cast<unsigned>(config.parts);
  launch_config.overlaps_predecessor = true;
  launch(context, kOp, kernel.launch, launch_config, params);
}

}  // namespace sgl::cuda
