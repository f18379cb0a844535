#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

// An index outside its table throws INVALID_ARGUMENT before anything is written.

void embedding(CpuContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids);
/// Never throws: an id of another rank gives zeros.
void embedding_shard(CpuContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids,
                     int32_t first_id);
void token_resolve(CpuContext& context, const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids);
void token_scatter(CpuContext& context, const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids);
void gather_rows(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows);
void gather_sum(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows,
                const sgl_tensor* residual);

}  // namespace sgl::cpu
