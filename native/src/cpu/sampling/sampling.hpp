#pragma once

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

/// Applies penalties, mask and bias to the logits in place and draws one id per row.
void sample(CpuContext& context, const sgl_sampling_args& args);

/// log_softmax of each row at its target and at its k largest logits.
void logprobs(CpuContext& context, const sgl_logprob_args& args);

}  // namespace sgl::cpu
