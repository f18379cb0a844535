#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

/// Applies penalties, mask and bias to the logits in place and draws one id per row.
void sample(CpuContext& context, const sgl_sampling_args& args);

/// The largest logit of each row of a part of the vocabulary, and the largest of several parts.
void argmax_shard(CpuContext& context, const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id);
void argmax_merge(CpuContext& context, const sgl_tensor& ids, const sgl_tensor& best);

/// log_softmax of each row at its target and at its k largest logits.
void logprobs(CpuContext& context, const sgl_logprob_args& args);

}  // namespace sgl::cpu
