#include <algorithm>

#include "cuda/kernels/activation/activation.cuh"
#include "cuda/kernels/activation/activation.hpp"
#include "cuda/runtime/launch.hpp"

namespace sgl::cuda {
namespace {

LaunchConfig config_for(int64_t num_rows, int64_t width, int access) {
  LaunchConfig config;
  config.grid = dim3(blocks_for(width, int64_t{kElementwiseThreads} * access),
                     static_cast<unsigned>(std::min<int64_t>(num_rows, kMaxGridY)));
  config.block = kElementwiseThreads;
  config.overlaps_predecessor = true;
  return config;
}

template <class T, int kVec>
void run_add_gated(const CudaContext& context, const AddGatedParams& params, sgl_dtype gate) {
  const LaunchConfig config = config_for(params.num_rows, params.n, kVec);
  if (gate == SGL_F32) {
    launch(context, "add_sigmoid_gated", add_gated_kernel<T, float, kVec>, config, params);
  } else {
    launch(context, "add_sigmoid_gated", add_gated_kernel<T, bf16, kVec>, config, params);
  }
}

}  // namespace

void silu_mul(CudaContext& context, const sgl_tensor& y, const sgl_tensor& gate_up) {
  const int64_t n = y.shape[1];
  const SiluMulParams params{y.data, gate_up.data, y.stride[0], gate_up.stride[0], y.shape[0], n};
  const int access = access_size(n, y.dtype, {&y, &gate_up});
  const LaunchConfig config = config_for(params.num_rows, n, access);
  if (y.dtype == SGL_BF16) {
    launch(context, "silu_mul", access == 1 ? silu_mul_kernel<bf16, 1> : silu_mul_kernel<bf16, 8>, config, params);
  } else {
    launch(context, "silu_mul", access == 1 ? silu_mul_kernel<float, 1> : silu_mul_kernel<float, 4>, config, params);
  }
}

void add(CudaContext& context, const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b) {
  const AddParams params{y.data, a.data, b.data, strided_rows({&y, &a, &b})};
  const int access = access_size(params.rows, element_bytes(y.dtype), {&y, &a, &b});
  const LaunchConfig config = config_for(params.rows.num_rows, params.rows.width, access);
  if (y.dtype == SGL_BF16) {
    launch(context, "add", access == 1 ? add_kernel<bf16, 1> : add_kernel<bf16, 8>, config, params);
  } else {
    launch(context, "add", access == 1 ? add_kernel<float, 1> : add_kernel<float, 4>, config, params);
  }
}

void add_sigmoid_gated(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) {
  const AddGatedParams params{y.data, x.data, gate.data, y.stride[0], x.stride[0], gate.stride[0], y.shape[0], y.shape[1]};
  const int access = access_size(params.n, y.dtype, {&y, &x});
  if (y.dtype == SGL_BF16) {
    access == 1 ? run_add_gated<bf16, 1>(context, params, gate.dtype) : run_add_gated<bf16, 8>(context, params, gate.dtype);
  } else {
    access == 1 ? run_add_gated<float, 1>(context, params, gate.dtype) : run_add_gated<float, 4>(context, params, gate.dtype);
  }
}

}  // namespace sgl::cuda
