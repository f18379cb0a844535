#include "cuda/kernels/rope/rope.cuh"
#include "cuda/kernels/rope/rope.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

template <class T>
void run(const CudaContext& context, const RopeParams& params, int64_t num_tokens, sgl_rope_layout layout, bool by_four) {
  LaunchConfig config;
  config.grid = static_cast<unsigned>(num_tokens);
  config.block = kRopeThreads;
  config.overlaps_predecessor = true;
  if (layout == SGL_ROPE_INTERLEAVED) {
    launch(context, "rope", by_four ? rope_kernel<T, 4, true> : rope_kernel<T, 1, true>, config, params);
  } else {
    launch(context, "rope", by_four ? rope_kernel<T, 4, false> : rope_kernel<T, 1, false>, config, params);
  }
}

}  // namespace

void rope(CudaContext& context, const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions,
          const sgl_tensor& cos_sin, sgl_rope_layout layout) {
  RopeParams params{};
  params.q = q.data;
  params.k = k.data;
  params.positions = static_cast<const int32_t*>(positions.data);
  params.cos_sin = static_cast<const float*>(cos_sin.data);
  for (int axis = 0; axis < 2; ++axis) {
    params.q_stride[axis] = q.stride[axis];
    params.k_stride[axis] = k.stride[axis];
  }
  params.cos_sin_stride = cos_sin.stride[0];
  params.max_position = cos_sin.shape[0];
  params.num_q_heads = static_cast<int32_t>(q.shape[1]);
  params.num_kv_heads = static_cast<int32_t>(k.shape[1]);
  params.half = static_cast<int32_t>(cos_sin.shape[1] / 2);
  const bool by_four = params.half % 4 == 0 && rows_are_aligned(q, 16) && rows_are_aligned(k, 16);
  if (q.dtype == SGL_BF16) {
    run<bf16>(context, params, q.shape[0], layout, by_four);
  } else {
    run<float>(context, params, q.shape[0], layout, by_four);
  }
}

}  // namespace sgl::cuda
