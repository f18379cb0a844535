#pragma once

#include <algorithm>

#include "abi/backend.hpp"
#include "cuda/kernels/attention/attention_split.hpp"
#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// A split, in device memory. The header and the counters never move, so graphs captured with the plan stay valid; the arrays
/// that the header names do. They lie behind it, uploaded in the same copy, unless a step has too many pages for that.
class AttentionPlan final : public sgl_attention_plan {
 public:
  AttentionPlan(CudaContext& context, const sgl_attention_desc& desc);
  ~AttentionPlan() override;
  AttentionPlan(const AttentionPlan&) = delete;
  AttentionPlan& operator=(const AttentionPlan&) = delete;

  /// Divides a step's work and queues its upload.
  void update(CudaContext& context, const sgl_attention_batch& batch);

  int group() const { return desc.num_q_heads / desc.num_kv_heads; }
  bool has_tensor_core_kernels() const { return kernels.decode.launch != nullptr; }
  /// The most blocks of decode that a step can have.
  int max_decode_workers() const { return std::max(workers.num_decode_workers, workers.num_decode_sm90_workers); }

  SelectedKernels kernels;
  AttentionKernel plain;
  AttentionWorkers workers{};
  AttentionSplit split;
  /// Device memory, see AttentionParams.
  StepHeader* header = nullptr;
  DecodeStretch* stretches = nullptr;  // right behind the header, uploaded with it
  int32_t* decode_done = nullptr;
  int32_t* prefill_done = nullptr;
  int32_t* tickets = nullptr;

 private:
  void reserve_far_arrays(size_t num_bytes);

  const int ordinal_;
  std::byte* memory_ = nullptr;  // counters, header, stretches, arrays
  std::byte* end_ = nullptr;
  std::byte* far_arrays_ = nullptr;
  size_t far_capacity_ = 0;
};

}  // namespace sgl::cuda
