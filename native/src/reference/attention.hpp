#pragma once

#include <vector>

#include "sgl/attention.h"

namespace sgl::reference {

/// Scores, mask and softmax of every query token written out in double: [num_tokens, num_q_heads, head_dim], where num_tokens
/// is query_start[num_requests]. Rows that no request owns are 0. `sinks` is [num_q_heads] or null.
std::vector<double> attention(const sgl_attention_desc& desc, const sgl_attention_batch& batch, const sgl_tensor& q,
                              const sgl_tensor& k_cache, const sgl_tensor& v_cache, const float* sinks);

}  // namespace sgl::reference
