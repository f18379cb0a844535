#include <algorithm>

#include "cuda/kernels/kvcache/kvcache.hpp"
#include "cuda/kernels/norm/norm.hpp"
#include "cuda/kernels/rope/rope.hpp"
#include "cuda/kernels/rope/rope_append.cuh"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

template <class T>
void run(const CudaContext& context, const RopeAppendParams& params, int64_t num_tokens, sgl_rope_layout layout, bool by_two) {
  LaunchConfig config;
  config.grid = dim3(static_cast<unsigned>(num_tokens), blocks_for(params.num_q_heads + 2 * params.num_kv_heads, kRopeAppendWarps));
  config.block = kRopeAppendThreads;
  config.overlaps_predecessor = true;
  if (layout == SGL_ROPE_INTERLEAVED) {
    launch(context, "rope_append", by_two ? rope_append_kernel<T, 2, true> : rope_append_kernel<T, 1, true>, config, params);
  } else {
    launch(context, "rope_append", by_two ? rope_append_kernel<T, 2, false> : rope_append_kernel<T, 1, false>, config, params);
  }
}

}  // namespace

void rope_append(CudaContext& context, const sgl_rope_append_args& args) {
  if (args.q->shape[2] > kMaxRopeHeadDim) {
    // A head does not fit a warp's registers.
    if (args.q_norm != nullptr) {
      rms_norm(context, *args.q, *args.q, *args.q_norm, args.eps);
      rms_norm(context, *args.k, *args.k, *args.k_norm, args.eps);
    }
    rope(context, *args.q, *args.k, *args.positions, *args.cos_sin, args.layout);
    return kv_append(context, *args.k_cache, *args.v_cache, *args.k, *args.v, *args.slots);
  }
  RopeAppendParams params{};
  params.q = args.q->data;
  params.k = args.k->data;
  params.v = args.v->data;
  params.k_cache = args.k_cache->data;
  params.v_cache = args.v_cache->data;
  params.slots = static_cast<const int32_t*>(args.slots->data);
  params.positions = static_cast<const int32_t*>(args.positions->data);
  params.cos_sin = static_cast<const float*>(args.cos_sin->data);
  if (args.q_norm != nullptr) {
    params.q_norm = args.q_norm->data;
    params.k_norm = args.k_norm->data;
  }
  for (int axis = 0; axis < 2; ++axis) {
    params.q_stride[axis] = args.q->stride[axis];
    params.k_stride[axis] = args.k->stride[axis];
    params.v_stride[axis] = args.v->stride[axis];
  }
  params.cos_sin_stride = args.cos_sin->stride[0];
  params.max_position = args.cos_sin->shape[0];
  params.num_slots = args.k_cache->shape[0] * args.k_cache->shape[2];
  params.num_q_heads = static_cast<int32_t>(args.q->shape[1]);
  params.num_kv_heads = static_cast<int32_t>(args.k->shape[1]);
  params.head_dim = static_cast<int32_t>(args.q->shape[2]);
  params.half = static_cast<int32_t>(args.cos_sin->shape[1] / 2);
  params.page_size = static_cast<int32_t>(args.k_cache->shape[2]);
  params.eps = args.eps;
  const auto tensors = {args.q, args.k, args.v, args.k_cache, args.v_cache};
  const bool by_two = params.half % 2 == 0 && params.head_dim % 4 == 0 && rows_are_aligned(*args.cos_sin, 8) &&
                      std::all_of(tensors.begin(), tensors.end(), [](const sgl_tensor* tensor) {
                        return rows_are_aligned(*tensor, 4 * element_bytes(tensor->dtype));
                      });
  if (args.q->dtype == SGL_BF16) {
    run<bf16>(context, params, args.q->shape[0], args.layout, by_two);
  } else {
    run<float>(context, params, args.q->shape[0], args.layout, by_two);
  }
}

}  // namespace sgl::cuda
