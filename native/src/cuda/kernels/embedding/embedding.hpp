#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

// Indices are on the device, so that one outside its table cannot be reported: it reads row 0, and writes nothing.

void embedding(CudaContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids);
void embedding_shard(CudaContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids,
                     int32_t first_id);
void token_resolve(CudaContext& context, const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids);
void token_scatter(CudaContext& context, const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids);
void gather_rows(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows);
void gather_sum(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows,
                const sgl_tensor* residual);

}  // namespace sgl::cuda
