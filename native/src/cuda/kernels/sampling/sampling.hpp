#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// Applies penalties, mask and bias to the logits in place and draws one id per row.
void sample(CudaContext& context, const sgl_sampling_args& args);

/// log_softmax of each row at its target and at its k largest logits.
void logprobs(CudaContext& context, const sgl_logprob_args& args);

}  // namespace sgl::cuda
