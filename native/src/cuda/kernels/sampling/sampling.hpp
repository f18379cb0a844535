#pragma once

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// Applies penalties, mask and bias to the logits in place and draws one id per row.
void sample(CudaContext& context, const sgl_sampling_args& args);

/// The largest logit of each row of a part of the vocabulary, and the largest of several parts.
void argmax_shard(CudaContext& context, const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id);
void argmax_merge(CudaContext& context, const sgl_tensor& ids, const sgl_tensor& best);

/// log_softmax of each row at its target and at its k largest logits.
void logprobs(CudaContext& context, const sgl_logprob_args& args);

}  // namespace sgl::cuda
