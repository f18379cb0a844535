#include <algorithm>

#include "abi/error.hpp"
#include "cuda/kernels/activation/activation.hpp"
#include "cuda/kernels/gemm/cluster_sm90.hpp"
#include "cuda/kernels/gemm/few_rows.cuh"
#include "cuda/kernels/gemm/finish.cuh"
#include "cuda/kernels/gemm/generic.cuh"
#include "cuda/kernels/gemm/library.hpp"
#include "cuda/kernels/gemm/linear.hpp"
#include "cuda/kernels/gemm/linear_config.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

constexpr const char* kOp = "linear";
/// Elements of a norm's weight that fit where a block's sums will lie, or take little more.
constexpr int64_t kMaxNormedFeatures = 8192;

LinearDesc desc_of(const sgl_linear_args& args) {
  const sgl_weight_desc& weight = args.weight->desc;
  LinearDesc desc{};
  desc.num_rows = args.x->shape[0];
  desc.out_features = weight.out_features;
  desc.in_features = weight.in_features;
  desc.dtype = weight.dtype;
  desc.y_dtype = args.y->dtype;
  desc.is_gated = args.epilogue == SGL_EPILOGUE_SILU_MUL;
  desc.has_bias = args.bias != nullptr;
  desc.has_residual = args.residual != nullptr;
  desc.residual_dtype = desc.has_residual ? args.residual->dtype : SGL_F32;
  desc.is_aligned = access_size(desc.in_features, desc.dtype, {args.x}) > 1;
  return desc;
}

Epilogue epilogue_of(const sgl_linear_args& args) {
  Epilogue epilogue{};
  epilogue.y = args.y->data;
  epilogue.y_stride = args.y->stride[0];
  epilogue.y_dtype = args.y->dtype;
  if (args.bias != nullptr) {
    epilogue.bias = args.bias->data;
    epilogue.bias_dtype = args.bias->dtype;
  }
  if (args.residual != nullptr) {
    epilogue.residual = args.residual->data;
    epilogue.residual_stride = args.residual->stride[0];
    epilogue.residual_dtype = args.residual->dtype;
  }
  return epilogue;
}

template <int kWeightTiles, int kRowTiles, bool kIsGated, bool kHasNorm = false>
void run_few_rows(const CudaContext& context, const FewRowsParams& params) {
  if constexpr (kRowTiles == 1 && !kHasNorm) {
    if (params.norm != nullptr) return run_few_rows<kWeightTiles, kRowTiles, kIsGated, true>(context, params);
  }
  using Config = StreamConfig<kWeightTiles, kRowTiles>;
  LaunchConfig config;
  config.grid = blocks_for(params.width, kIsGated ? 16 : Config::kWeightRows);
  config.block = Config::kThreads;
  config.overlaps_predecessor = true;
  // What memory the blocks leave to the first-level cache is where weights in flight land.
  config.shared_bytes = sizeof(float) * Config::kSharedFloats;
  if (kHasNorm) config.shared_bytes = std::max(config.shared_bytes, sizeof(bf16) * params.in_features);
  launch(context, kOp, few_rows_kernel<Config, kIsGated, kHasNorm>, config, params);
}

void few_rows(const CudaContext& context, const sgl_linear_args& args, const LinearDesc& desc, const LinearConfig& config) {
  FewRowsParams params{};
  params.x = static_cast<const bf16*>(args.x->data);
  params.weight = reinterpret_cast<const bf16*>(on_device(*args.weight).data);
  params.x_stride = args.x->stride[0];
  params.num_rows = static_cast<int32_t>(desc.num_rows);
  params.width = static_cast<int32_t>(args.y->shape[1]);
  params.in_features = static_cast<int32_t>(desc.in_features);
  params.epilogue = epilogue_of(args);
  if (args.norm != nullptr) {
    params.norm = static_cast<const bf16*>(args.norm->data);
    params.eps = args.eps;
    if (args.keeps_normed != 0) {
      params.normed = static_cast<bf16*>(args.normed->data);
      params.normed_stride = args.normed->stride[0];
    }
  }
  const int choice = config.row_tiles * 10 + (desc.is_gated ? 3 : config.weight_tiles);
  switch (choice) {
    case 11:
      return run_few_rows<1, 1, false>(context, params);
    case 12:
      return run_few_rows<2, 1, false>(context, params);
    case 13:
      return run_few_rows<2, 1, true>(context, params);
    case 21:
      return run_few_rows<1, 2, false>(context, params);
    case 22:
      return run_few_rows<2, 2, false>(context, params);
    case 23:
      return run_few_rows<2, 2, true>(context, params);
    default:
      fail(SGL_INTERNAL, "linear: no kernel for %s", describe(config).c_str());
  }
}

template <class T, int kVec>
void run_generic(const CudaContext& context, const GenericParams& params) {
  LaunchConfig config;
  config.grid = dim3(blocks_for(params.width, kGenericWarps), std::min(blocks_for(params.num_rows, kGenericRows), kMaxGridY));
  config.block = kGenericThreads;
  config.overlaps_predecessor = true;
  launch(context, kOp, generic_kernel<T, kVec>, config, params);
}

void generic(const CudaContext& context, const sgl_linear_args& args, const LinearDesc& desc) {
  GenericParams params{};
  params.x = args.x->data;
  params.weight = on_device(*args.weight).data;
  params.x_stride = args.x->stride[0];
  params.num_rows = desc.num_rows;
  params.width = args.y->shape[1];
  params.in_features = desc.in_features;
  params.is_gated = desc.is_gated;
  params.epilogue = epilogue_of(args);
  if (desc.dtype == SGL_BF16) {
    desc.is_aligned ? run_generic<bf16, 8>(context, params) : run_generic<bf16, 1>(context, params);
  } else {
    desc.is_aligned ? run_generic<float, 4>(context, params) : run_generic<float, 1>(context, params);
  }
}

LibraryProduct product_of(const sgl_linear_args& args, const LinearDesc& desc) {
  LibraryProduct product{};
  product.x = args.x->data;
  product.weight = on_device(*args.weight).data;
  product.x_stride = args.x->stride[0];
  product.num_rows = desc.num_rows;
  product.out_features = desc.out_features;
  product.in_features = desc.in_features;
  product.dtype = desc.dtype;
  return product;
}

/// False where the library has no algorithm.
bool library_alone(const CudaContext& context, const sgl_linear_args& args, const LinearDesc& desc) {
  LibraryProduct product = product_of(args, desc);
  product.d = args.y->data;
  product.d_stride = args.y->stride[0];
  product.d_dtype = args.y->dtype;
  if (args.bias != nullptr) product.bias = args.bias->data;
  if (args.residual != nullptr) {
    product.c = args.residual->data;
    product.c_stride = args.residual->stride[0];
  }
  return context.library->multiply(context, product);
}

bool library_then_epilogue(CudaContext& context, const sgl_linear_args& args, const LinearDesc& desc, sgl_dtype product_dtype) {
  LibraryProduct product = product_of(args, desc);
  product.d = context.scratch.reserve(context, desc.num_rows * desc.out_features * element_bytes(product_dtype));
  product.d_stride = desc.out_features;
  product.d_dtype = product_dtype;
  if (!context.library->multiply(context, product)) return false;

  if (desc.is_gated && product_dtype == desc.y_dtype && !desc.has_bias && !desc.has_residual) {
    const sgl_tensor gate_up{product.d, product_dtype, 2, {desc.num_rows, desc.out_features}, {desc.out_features, 1}};
    silu_mul(context, *args.y, gate_up);
    return true;
  }
  const FinishParams params{product.d, product_dtype, desc.num_rows, args.y->shape[1], desc.is_gated, epilogue_of(args)};
  LaunchConfig config;
  config.grid =
      dim3(blocks_for(params.width, kFinishThreads), static_cast<unsigned>(std::min<int64_t>(params.num_rows, kMaxGridY)));
  config.block = kFinishThreads;
  config.overlaps_predecessor = true;
  launch(context, kOp, finish_kernel, config, params);
  return true;
}

}  // namespace

bool normalizes_in_linear(const CudaContext& context, const sgl_linear_args& args) {
  const LinearDesc desc = desc_of(args);
  const LinearConfig config = select_linear(desc, context.device);
  return config.path == LinearPath::kFewRows && config.row_tiles == 1 && desc.in_features <= kMaxNormedFeatures &&
         access_size(desc.in_features, desc.dtype, {args.norm}) > 1;
}

void linear(CudaContext& context, const sgl_linear_args& args) {
  linear(context, args, select_linear(desc_of(args), context.device));
}

void linear(CudaContext& context, const sgl_linear_args& args, const LinearConfig& config) {
  const LinearDesc desc = desc_of(args);
  if (config.path == LinearPath::kFewRows) return few_rows(context, args, desc, config);
  if (config.path == LinearPath::kClusterSm90) return cluster_sm90(context, args, config, epilogue_of(args));
  if (config.path == LinearPath::kLibrary) {
    const bool is_done = config.has_library_epilogue ? library_alone(context, args, desc)
                                                     : library_then_epilogue(context, args, desc, config.product_dtype);
    if (is_done) return;
  }
  generic(context, args, desc);
}

}  // namespace sgl::cuda
