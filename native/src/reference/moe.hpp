#pragma once

#include <cstdint>
#include <vector>

#include "sgl/moe.h"

namespace sgl::reference {

struct Routes {
  std::vector<double> weights;  // [num_tokens, k]
  std::vector<int32_t> ids;     // [num_tokens, k]
};

Routes moe_route(const sgl_tensor& router_logits, int64_t k, bool renormalize);

/// `gate_up` is [num_experts, 2 * intermediate, hidden] and `down` [num_experts, hidden, intermediate]; nothing is rounded on
/// the way. [num_tokens, hidden]
std::vector<double> moe_experts(const sgl_tensor& x, const sgl_tensor& expert_weights, const sgl_tensor& expert_ids,
                                const sgl_tensor& gate_up, const sgl_tensor& down, int32_t first_expert);

}  // namespace sgl::reference
