#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

std::unique_ptr<sgl_weight> create_weight(CpuContext& context, const sgl_weight_desc& desc);
void load_weight(CpuContext& context, sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset);
void fill_weight_random(CpuContext& context, sgl_weight& weight, const sgl_weight_fill_random_args& args);
void linear(CpuContext& context, const sgl_linear_args& args);

/// Unpacks rows `ids` - first_id of group 0 into y: the embedding of a packed (perhaps tied) weight. Zeros for a row that is not
/// there.
void gather_weight_rows(CpuContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids,
                        int32_t first_id);

}  // namespace sgl::cpu
