#include <algorithm>

#include "cuda/kernels/embedding/embedding.cuh"
#include "cuda/kernels/embedding/embedding.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

template <bool kIsShard>
void gather(const CudaContext& context, const char* op, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows,
            int64_t first_row) {
  const int access = access_size(y.shape[1], y.dtype, {&y, &x});
  GatherParams params{y.data,
                      x.data,
                      static_cast<const int32_t*>(rows.data),
                      y.stride[0] / access,
                      x.stride[0] / access,
                      y.shape[0],
                      x.shape[0],
                      y.shape[1] / access,
                      first_row};
  LaunchConfig config;
  config.grid =
      dim3(blocks_for(params.width, kGatherThreads), static_cast<unsigned>(std::min<int64_t>(params.num_rows, kMaxGridY)));
  config.block = kGatherThreads;
  config.overlaps_predecessor = true;
  if (access > 1) {
    launch(context, op, gather_kernel<uint4, kIsShard>, config, params);
  } else if (element_bytes(y.dtype) == 4) {
    launch(context, op, gather_kernel<uint32_t, kIsShard>, config, params);
  } else {
    launch(context, op, gather_kernel<uint16_t, kIsShard>, config, params);
  }
}

template <class Y, class X>
void sum_gathered(const CudaContext& context, const GatherSumParams& params, bool is_aligned) {
  const int size = is_aligned ? 4 : 1;
  LaunchConfig config;
  config.grid = dim3(blocks_for(params.width, kGatherThreads * size),
                     static_cast<unsigned>(std::min<int64_t>(params.num_rows, kMaxGridY)));
  config.block = kGatherThreads;
  config.overlaps_predecessor = true;
  launch(context, "gather_sum", is_aligned ? gather_sum_kernel<Y, X, 4> : gather_sum_kernel<Y, X, 1>, config, params);
}

sgl_tensor table_of(const sgl_weight& weight) {
  const sgl_weight_desc& desc = weight.desc;
  return {on_device(weight).data, desc.dtype, 2, {desc.out_features, desc.in_features}, {desc.in_features, 1}};
}

LaunchConfig config_of(const TokenParams& params) {
  LaunchConfig config;
  config.grid = blocks_for(params.num_tokens, kGatherThreads);
  config.block = kGatherThreads;
  config.overlaps_predecessor = true;
  return config;
}

TokenParams params_of(const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) {
  return {static_cast<int32_t*>(ids.data), static_cast<const int32_t*>(sources.data), static_cast<int32_t*>(last_ids.data),
          ids.shape[0], last_ids.shape[0]};
}

}  // namespace

void embedding(CudaContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids) {
  gather<false>(context, "embedding", y, table_of(weight), ids, 0);
}

void embedding_shard(CudaContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids,
                     int32_t first_id) {
  gather<true>(context, "embedding_shard", y, table_of(weight), ids, first_id);
}

void token_resolve(CudaContext& context, const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) {
  const TokenParams params = params_of(ids, sources, last_ids);
  launch(context, "token_resolve", token_resolve_kernel, config_of(params), params);
}

void token_scatter(CudaContext& context, const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids) {
  const TokenParams params = params_of(ids, slots, last_ids);
  launch(context, "token_scatter", token_scatter_kernel, config_of(params), params);
}

void gather_rows(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows) {
  gather<false>(context, "gather_rows", y, x, rows, 0);
}

void gather_sum(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows,
                const sgl_tensor* residual) {
  const sgl_tensor& rest = residual == nullptr ? y : *residual;
  const GatherSumParams params{y.data,
                               x.data,
                               residual == nullptr ? nullptr : residual->data,
                               static_cast<const int32_t*>(rows.data),
                               y.shape[0],
                               x.shape[0],
                               rows.shape[1],
                               y.shape[1],
                               y.stride[0],
                               x.stride[0],
                               rest.stride[0]};
  const auto takes_four = [](const sgl_tensor& tensor) { return rows_are_aligned(tensor, 4 * element_bytes(tensor.dtype)); };
  const bool is_aligned = params.width % 4 == 0 && takes_four(y) && takes_four(x) && takes_four(rest);
  if (y.dtype == SGL_F32) return sum_gathered<float, float>(context, params, is_aligned);
  if (x.dtype == SGL_F32) return sum_gathered<bf16, float>(context, params, is_aligned);
  sum_gathered<bf16, bf16>(context, params, is_aligned);
}

}  // namespace sgl::cuda
