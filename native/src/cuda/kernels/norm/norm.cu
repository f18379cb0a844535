#include "cuda/kernels/norm/norm.cuh"
#include "cuda/kernels/norm/norm.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

template <class Config>
void run(const CudaContext& context, const char* op, const NormParams& params) {
  LaunchConfig config;
  config.grid = blocks_for(params.num_rows, Config::kRowsPerBlock);
  config.block = Config::kThreads;
  config.overlaps_predecessor = true;
  if (params.residual != nullptr) {
    launch(context, op, rms_norm_kernel<Config, true>, config, params);
  } else {
    launch(context, op, rms_norm_kernel<Config, false>, config, params);
  }
}

template <class T, int kVec>
void run_for_width(const CudaContext& context, const char* op, const NormParams& params) {
  // A warp's registers hold 32 values a lane.
  if (params.width <= 1024) return run<NormConfig<T, kVec, 1, 4>>(context, op, params);
  run<NormConfig<T, kVec, 8, 1>>(context, op, params);
}

void run_for_type(const CudaContext& context, const char* op, const NormParams& params, sgl_dtype dtype, int access) {
  if (dtype == SGL_BF16) {
    access == 1 ? run_for_width<bf16, 1>(context, op, params) : run_for_width<bf16, 8>(context, op, params);
  } else {
    access == 1 ? run_for_width<float, 1>(context, op, params) : run_for_width<float, 4>(context, op, params);
  }
}

}  // namespace

void rms_norm(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps) {
  const bool has_heads = x.rank == 3;
  NormParams params{};
  params.y = y.data;
  params.x = x.data;
  params.weight = weight.data;
  params.num_inner = static_cast<int32_t>(has_heads ? x.shape[1] : 1);
  params.y_stride[0] = y.stride[0];
  params.x_stride[0] = x.stride[0];
  if (has_heads) {
    params.y_stride[1] = y.stride[1];
    params.x_stride[1] = x.stride[1];
  }
  params.num_rows = x.shape[0] * params.num_inner;
  params.width = static_cast<int32_t>(weight.shape[0]);
  params.eps = eps;
  run_for_type(context, "rms_norm", params, x.dtype, access_size(params.width, x.dtype, {&y, &x, &weight}));
}

void add_rms_norm(CudaContext& context, const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                  const sgl_tensor& weight, float eps) {
  NormParams params{};
  params.y = y.data;
  params.residual = residual.data;
  params.x = x.data;
  params.weight = weight.data;
  params.y_stride[0] = y.stride[0];
  params.residual_stride[0] = residual.stride[0];
  params.x_stride[0] = x.stride[0];
  params.num_rows = x.shape[0];
  params.num_inner = 1;
  params.width = static_cast<int32_t>(weight.shape[0]);
  params.eps = eps;
  run_for_type(context, "add_rms_norm", params, x.dtype, access_size(params.width, x.dtype, {&y, &residual, &x, &weight}));
}

}  // namespace sgl::cuda
