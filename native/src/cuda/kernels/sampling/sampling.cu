#include <algorithm>
#include <cstring>

#include "cuda/kernels/sampling/sampling.cuh"
#include "cuda/kernels/sampling/sampling.hpp"
#include "cuda/runtime/launch.hpp"

namespace sgl::cuda {
namespace {

/// A block should have this many logits, or it costs more to meet the others than it saves.
constexpr int64_t kMinLogitsPerBlock = 4096;

/// As many blocks a row, a power of two, as fill every processor with `blocks_per_processor`.
int blocks_per_row(const CudaContext& context, int64_t num_rows, int64_t vocabulary, int blocks_per_processor = 2) {
  int blocks = 1;
  if (context.device.compute_major < 9) return blocks;
  while (blocks < SamplingGroup::kMaxBlocks && num_rows * blocks * 2 <= blocks_per_processor * context.device.num_sms &&
         vocabulary >= kMinLogitsPerBlock * blocks * 2) {
    blocks *= 2;
  }
  return blocks;
}

LaunchConfig config_of(int64_t num_rows, int blocks) {
  LaunchConfig config;
  config.grid = static_cast<unsigned>(num_rows * blocks);
  config.block = kSamplingThreads;
  config.cluster = static_cast<unsigned>(blocks);
  config.overlaps_predecessor = true;
  return config;
}

/// Copies host arrays side by side into page-locked memory: first `take` everything with a null base to learn the size.
class HostArrays {
 public:
  explicit HostArrays(std::byte* base) : slicer_(base), is_counting_(base == nullptr) {}

  template <class T>
  const T* take(const T* source, int64_t count) {
    if (source == nullptr) return nullptr;
    T* copy = slicer_.take<T>(count);
    if (!is_counting_ && count > 0) std::memcpy(copy, source, count * sizeof(T));
    return copy;
  }

  size_t num_bytes() const { return slicer_.num_bytes(); }

 private:
  Slicer slicer_;
  bool is_counting_;
};

/// Copies everything that `params` reads from the host. Lists keep their offsets, so all up to the last one's end is copied.
void take_all(HostArrays& arrays, EditParams& params, const sgl_sampling_args& args) {
  const int64_t num_rows = args.logits->shape[0];
  params.rows = arrays.take(args.rows, num_rows);
  if (args.lists == nullptr) return;
  const sgl_sampling_lists& lists = *args.lists;
  if (lists.penalty_start != nullptr) {
    params.penalty_start = arrays.take(lists.penalty_start, num_rows + 1);
    params.penalty_ids = arrays.take(lists.penalty_ids, lists.penalty_start[num_rows]);
    params.penalty_counts = arrays.take(lists.penalty_counts, lists.penalty_start[num_rows]);
  }
  if (lists.bias_start != nullptr) {
    params.bias_start = arrays.take(lists.bias_start, num_rows + 1);
    params.bias_ids = arrays.take(lists.bias_ids, lists.bias_start[num_rows]);
    params.bias_values = arrays.take(lists.bias_values, lists.bias_start[num_rows]);
  }
}

}  // namespace

void sample(CudaContext& context, const sgl_sampling_args& args) {
  const int64_t num_rows = args.logits->shape[0], vocabulary = args.logits->shape[1];
  EditParams edit{};
  HostArrays counted(nullptr);
  take_all(counted, edit, args);
  HostArrays copied(context.pinned.reserve(context, counted.num_bytes()));
  take_all(copied, edit, args);

  if (args.allowed != nullptr || edit.penalty_start != nullptr || edit.bias_start != nullptr) {
    edit.logits = static_cast<float*>(args.logits->data);
    edit.logits_stride = args.logits->stride[0];
    edit.vocabulary = static_cast<int32_t>(vocabulary);
    if (args.allowed != nullptr) {
      edit.allowed = static_cast<const int32_t*>(args.allowed->data);
      edit.allowed_stride = args.allowed->stride[0];
    }
    launch(context, "sample", edit_logits_kernel, config_of(num_rows, 1), edit);
  }

  SamplingParams params{};
  params.ids = static_cast<int32_t*>(args.ids->data);
  params.logprobs = args.logprobs != nullptr ? static_cast<float*>(args.logprobs->data) : nullptr;
  params.logits = static_cast<const float*>(args.logits->data);
  params.rows = edit.rows;
  params.logits_stride = args.logits->stride[0];
  params.vocabulary = static_cast<int32_t>(vocabulary);
  const bool is_greedy =
      params.logprobs == nullptr &&
      std::all_of(args.rows, args.rows + num_rows, [](const sgl_sampling_row& row) { return row.temperature <= 0; });
  params.blocks_per_row = blocks_per_row(context, num_rows, vocabulary, is_greedy ? kGreedyBlocksPerProcessor : 2);
  launch(context, "sample", is_greedy ? greedy_kernel : sample_kernel, config_of(num_rows, params.blocks_per_row), params);
}

void argmax_shard(CudaContext& context, const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id) {
  const int64_t num_rows = logits.shape[0], vocabulary = logits.shape[1];
  const ArgmaxParams params{static_cast<int32_t*>(best.data),
                            static_cast<const float*>(logits.data),
                            best.stride[0],
                            logits.stride[0],
                            static_cast<int32_t>(vocabulary),
                            first_id,
                            blocks_per_row(context, num_rows, vocabulary)};
  launch(context, "argmax_shard", argmax_kernel, config_of(num_rows, params.blocks_per_row), params);
}

void argmax_merge(CudaContext& context, const sgl_tensor& ids, const sgl_tensor& best) {
  const ArgmaxMergeParams params{static_cast<int32_t*>(ids.data), static_cast<const int32_t*>(best.data), best.stride[0],
                                 static_cast<int32_t>(ids.shape[0]), static_cast<int32_t>(best.shape[1] / 2)};
  LaunchConfig config;
  config.grid = blocks_for(params.num_rows, kSamplingThreads);
  config.block = kSamplingThreads;
  config.overlaps_predecessor = true;
  launch(context, "argmax_merge", argmax_merge_kernel, config, params);
}

void logprobs(CudaContext& context, const sgl_logprob_args& args) {
  const int64_t num_rows = args.logits->shape[0], vocabulary = args.logits->shape[1];
  LogprobParams params{};
  params.target_logprobs = static_cast<float*>(args.target_logprobs->data);
  if (args.top_ids != nullptr) {
    params.top_logprobs = static_cast<float*>(args.top_logprobs->data);
    params.top_ids = static_cast<int32_t*>(args.top_ids->data);
    params.top_logprobs_stride = args.top_logprobs->stride[0];
    params.top_ids_stride = args.top_ids->stride[0];
    params.k = static_cast<int32_t>(args.top_ids->shape[1]);
  }
  params.logits = static_cast<const float*>(args.logits->data);
  params.targets = static_cast<const int32_t*>(args.targets->data);
  if (args.temperatures != nullptr) {
    const size_t num_bytes = num_rows * sizeof(float);
    std::byte* copy = context.pinned.reserve(context, num_bytes);
    std::memcpy(copy, args.temperatures, num_bytes);
    params.temperatures = reinterpret_cast<const float*>(copy);
  }
  params.logits_stride = args.logits->stride[0];
  params.vocabulary = static_cast<int32_t>(vocabulary);
  params.blocks_per_row = blocks_per_row(context, num_rows, vocabulary);
  launch(context, "logprobs", logprobs_kernel, config_of(num_rows, params.blocks_per_row), params);
}

}  // namespace sgl::cuda
