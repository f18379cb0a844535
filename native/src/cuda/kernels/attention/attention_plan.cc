#include "cuda/kernels/attention/attention_plan.hpp"

#include <algorithm>
#include <cstring>

#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

constexpr const char* kCreate = "attention_plan_create";
constexpr const char* kUpdate = "attention_plan_update";
/// Page numbers of a few million tokens in small pages; a step with more takes memory of its own.
constexpr size_t kNearArraysBytes = size_t{1} << 20;

/// Blocks of a kernel that all SMs hold at once.
template <class Kernel>
int num_workers(const Kernel& kernel, const DeviceInfo& device) {
  const auto* function = reinterpret_cast<const void*>(kernel.launch);
  check(cudaFuncSetAttribute(function, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(kernel.shared_bytes)),
        kCreate);
  int per_sm = 0;
  check(cudaOccupancyMaxActiveBlocksPerMultiprocessor(&per_sm, function, kernel.num_threads, kernel.shared_bytes), kCreate);
  return std::max(1, per_sm) * device.num_sms;
}

}  // namespace

AttentionPlan::AttentionPlan(CudaContext& context, const sgl_attention_desc& description)
    : plain(plain_attention_kernel_for(description.dtype)), ordinal_(context.device.ordinal) {
  desc = description;
  if (desc.dtype == SGL_BF16) kernels = select_attention_kernels(desc, context.device);
  workers = {1, 1, 64, 0, 0};
  if (has_tensor_core_kernels()) {
    workers = {num_workers(kernels.decode, context.device), num_workers(kernels.prefill, context.device),
               kernels.prefill.num_rows, 0, 0};
    if (kernels.prefill_sm90.launch != nullptr) {
      workers.num_sm90_workers = num_workers(kernels.prefill_sm90, context.device);
      workers.prefill_rows = kernels.prefill_sm90.num_rows;
    }
    if (kernels.decode_sm90.launch != nullptr) {
      workers.num_decode_sm90_workers = num_workers(kernels.decode_sm90, context.device);
    }
  }
  Slicer sizes(nullptr);
  const auto slice = [&](Slicer& slicer) {
    decode_done = slicer.take<int32_t>(static_cast<size_t>(max_decode_workers()));
    prefill_done = slicer.take<int32_t>(static_cast<size_t>(max_prefill_merges(workers)));
    tickets = slicer.take<int32_t>(2);
    header = slicer.take<StepHeader>(1);
    stretches = slicer.take<DecodeStretch>(static_cast<size_t>(max_decode_workers()));
    slicer.take<std::byte>(kNearArraysBytes);
  };
  slice(sizes);
  check(cudaMalloc(reinterpret_cast<void**>(&memory_), sizes.num_bytes()), kCreate);
  Slicer slicer(memory_);
  slice(slicer);
  end_ = memory_ + sizes.num_bytes();
  try {
    check(cudaMemsetAsync(memory_, 0, sizes.num_bytes(), context.stream), kCreate);
  } catch (...) {
    cudaFree(memory_);
    throw;
  }
}

AttentionPlan::~AttentionPlan() {
  cudaSetDevice(ordinal_);
  cudaFree(far_arrays_);
  cudaFree(memory_);
}

void AttentionPlan::reserve_far_arrays(size_t num_bytes) {
  if (num_bytes <= far_capacity_) return;
  check(cudaFree(far_arrays_), kUpdate);  // waits for the work that reads them
  far_arrays_ = nullptr;
  far_capacity_ = 0;
  check(cudaMalloc(reinterpret_cast<void**>(&far_arrays_), num_bytes), kUpdate);
  far_capacity_ = num_bytes;
}

void AttentionPlan::update(CudaContext& context, const sgl_attention_batch& batch) {
  split_attention(split, desc, batch, workers);
  const auto num_requests = static_cast<size_t>(batch.num_requests);
  size_t num_pages = 0;
  for (size_t r = 0; r < num_requests; ++r) {
    const auto used = static_cast<size_t>((batch.kv_length[r] + int64_t{desc.page_size} - 1) / desc.page_size);
    if (used > 0) num_pages = std::max(num_pages, static_cast<size_t>(batch.page_start[r]) + used);
  }

  StepHeader step{};
  step.num_requests = batch.num_requests;
  step.num_stretches = static_cast<int32_t>(split.stretches.size());
  step.num_prefill_tiles = static_cast<int32_t>(split.prefill_tiles.size());
  const size_t stretch_bytes = split.stretches.size() * sizeof(DecodeStretch);
  auto* const begin = reinterpret_cast<std::byte*>(header);
  const auto stretches_offset = static_cast<size_t>(reinterpret_cast<std::byte*>(stretches) - begin);
  const size_t fixed_bytes = (stretches_offset + stretch_bytes + 255) / 256 * 256;
  // Right behind the stretches, all travels in one copy.
  std::byte* arrays = begin + fixed_bytes;
  bool is_near = true;
  // The same slices on both sides: first to learn the size, then to fill page-locked memory and the header.
  size_t num_bytes = 0;
  std::byte* staged = nullptr;
  for (const bool is_filling : {false, true}) {
    if (is_filling) {
      is_near = num_bytes <= static_cast<size_t>(end_ - arrays);
      if (!is_near) {
        reserve_far_arrays(num_bytes);
        arrays = far_arrays_;
      }
      staged = context.pinned.reserve(context, fixed_bytes + num_bytes);
    }
    Slicer slicer(is_filling ? arrays : nullptr);
    const auto place = [&]<class T>(const T*& in_device, const T* source, size_t count) {
      in_device = slicer.take<T>(count);
      if (!is_filling || count == 0) return;
      const auto offset = static_cast<size_t>(reinterpret_cast<const std::byte*>(in_device) - arrays);
      std::memcpy(staged + fixed_bytes + offset, source, count * sizeof(T));
    };
    place(step.decode_requests, split.decode_requests.data(), split.decode_requests.size());
    place(step.prefill_tiles, split.prefill_tiles.data(), split.prefill_tiles.size());
    place(step.query_start, batch.query_start, num_requests == 0 ? 0 : num_requests + 1);
    place(step.kv_length, batch.kv_length, num_requests);
    place(step.page_start, batch.page_start, num_requests);
    place(step.pages, batch.pages, num_pages);
    num_bytes = slicer.num_bytes();
  }
  std::memcpy(staged, &step, sizeof step);
  std::memcpy(staged + stretches_offset, split.stretches.data(), stretch_bytes);
  check(cudaMemcpyAsync(begin, staged, fixed_bytes + (is_near ? num_bytes : 0), cudaMemcpyHostToDevice, context.stream),
        kUpdate);
  if (!is_near)
    check(cudaMemcpyAsync(arrays, staged + fixed_bytes, num_bytes, cudaMemcpyHostToDevice, context.stream), kUpdate);
}

}  // namespace sgl::cuda
