#include <cuda_profiler_api.h>

#include "abi/cuda_part.hpp"
#include "abi/error.hpp"
#include "cuda/comm/comm.hpp"
#include "cuda/kernels/activation/activation.hpp"
#include "cuda/kernels/attention/attention.hpp"
#include "cuda/kernels/embedding/embedding.hpp"
#include "cuda/kernels/gemm/linear.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/kernels/kvcache/kvcache.hpp"
#include "cuda/kernels/moe/moe.hpp"
#include "cuda/kernels/norm/norm.hpp"
#include "cuda/kernels/quant/convert.hpp"
#include "cuda/kernels/rope/rope.hpp"
#include "cuda/kernels/sampling/sampling.hpp"
#include "cuda/runtime/context.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/runtime/event.hpp"
#include "cuda/runtime/graph.hpp"
#include "cuda/runtime/probe.hpp"

namespace sgl::cuda {
namespace {

class CudaBackend final : public Backend {
 public:
  explicit CudaBackend(int ordinal) : context_(ordinal) { check_architecture(context_); }

  void synchronize() override {
    if (context_.is_capturing) fail(SGL_INVALID_ARGUMENT, "context_synchronize: not allowed during a capture");
    check(cudaStreamSynchronize(entered().stream), "context_synchronize");
    for (const auto& link : context_.peers) link->check_alive("context_synchronize");
  }
  int num_threads() const override { return 1; }

  void* allocate(uint64_t num_bytes) override {
    entered();
    void* data = nullptr;
    const cudaError_t error = cudaMalloc(&data, num_bytes == 0 ? 1 : num_bytes);
    if (error == cudaErrorMemoryAllocation) {
      cudaGetLastError();
      size_t free_bytes = 0, total_bytes = 0;
      check(cudaMemGetInfo(&free_bytes, &total_bytes), "memory_allocate");
      fail(SGL_OUT_OF_MEMORY, "memory_allocate: %llu bytes were asked for, %zu of %zu are free",
           static_cast<unsigned long long>(num_bytes), free_bytes, total_bytes);
    }
    check(error, "memory_allocate");
    return data;
  }
  void free(void* data) override {
    entered();
    check(cudaFree(data), "memory_free");
  }
  void* allocate_host(uint64_t num_bytes) override {
    entered();
    void* data = nullptr;
    check(cudaHostAlloc(&data, num_bytes == 0 ? 1 : num_bytes, cudaHostAllocPortable), "host_allocate");
    return data;
  }
  void free_host(void* data) override {
    entered();
    check(cudaFreeHost(data), "host_free");
  }
  void copy(void* destination, const void* source, uint64_t num_bytes) override {
    check(cudaMemcpyAsync(destination, source, num_bytes, cudaMemcpyDefault, entered().stream), "memory_copy");
  }
  void set(void* destination, int byte_value, uint64_t num_bytes) override {
    check(cudaMemsetAsync(destination, byte_value, num_bytes, entered().stream), "memory_set");
  }

  std::unique_ptr<sgl_event> create_event() override { return cuda::create_event(entered()); }
  void record(sgl_event& event) override { cuda::record(entered(), event); }

  void graph_capture_begin() override { begin_capture(entered()); }
  std::unique_ptr<sgl_graph> graph_capture_end() override { return end_capture(entered()); }
  int graph_capture_num_nodes() override { return num_captured_nodes(entered()); }
  void graph_launch(sgl_graph& graph) override { launch_graph(entered(), graph); }

  void get_properties(sgl_device_properties& properties) override {
    cuda::get_properties(properties, entered().device.ordinal);
  }
  void profiler_start() override {
    entered();
    check(cudaProfilerStart(), "profiler_start");
  }
  void profiler_stop() override {
    entered();
    check(cudaProfilerStop(), "profiler_stop");
  }

  std::unique_ptr<sgl_weight> create_weight(const sgl_weight_desc& desc) override {
    return cuda::create_weight(entered(), desc);
  }
  void load_weight(sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset) override {
    cuda::load_weight(entered(), weight, rows, group, row_offset);
  }
  void fill_weight_random(sgl_weight& weight, const sgl_weight_fill_random_args& args) override {
    cuda::fill_weight_random(entered(), weight, args);
  }
  void linear(const sgl_linear_args& args) override { cuda::linear(entered(), args); }
  bool normalizes_in_linear(const sgl_linear_args& args) override { return cuda::normalizes_in_linear(entered(), args); }

  void rms_norm(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps) override {
    cuda::rms_norm(entered(), y, x, weight, eps);
  }
  void add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight,
                    float eps) override {
    cuda::add_rms_norm(entered(), y, residual, x, weight, eps);
  }
  void silu_mul(const sgl_tensor& y, const sgl_tensor& gate_up) override { cuda::silu_mul(entered(), y, gate_up); }
  void add(const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b) override { cuda::add(entered(), y, a, b); }
  void add_sigmoid_gated(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) override {
    cuda::add_sigmoid_gated(entered(), y, x, gate);
  }
  void rope(const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions, const sgl_tensor& cos_sin,
            sgl_rope_layout layout) override {
    cuda::rope(entered(), q, k, positions, cos_sin, layout);
  }
  void rope_append(const sgl_rope_append_args& args) override { cuda::rope_append(entered(), args); }
  void embedding(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids) override {
    cuda::embedding(entered(), y, weight, ids);
  }
  void embedding_shard(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids, int32_t first_id) override {
    cuda::embedding_shard(entered(), y, weight, ids, first_id);
  }
  void token_resolve(const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) override {
    cuda::token_resolve(entered(), ids, sources, last_ids);
  }
  void token_scatter(const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids) override {
    cuda::token_scatter(entered(), last_ids, slots, ids);
  }
  void gather_rows(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows) override {
    cuda::gather_rows(entered(), y, x, rows);
  }
  void gather_sum(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows, const sgl_tensor* residual) override {
    cuda::gather_sum(entered(), y, x, rows, residual);
  }
  void convert(const sgl_tensor& y, const sgl_tensor& x) override { cuda::convert(entered(), y, x); }

  void kv_append(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k, const sgl_tensor& v,
                 const sgl_tensor& slots) override {
    cuda::kv_append(entered(), k_cache, v_cache, k, v, slots);
  }
  void kv_copy(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
               const sgl_tensor& source_pages) override {
    cuda::kv_copy(entered(), k_cache, v_cache, destination_pages, source_pages);
  }

  std::unique_ptr<sgl_attention_plan> create_attention_plan(const sgl_attention_desc& desc) override {
    return cuda::create_attention_plan(entered(), desc);
  }
  void update_attention_plan(sgl_attention_plan& plan, const sgl_attention_batch& batch) override {
    cuda::update_attention_plan(entered(), plan, batch);
  }
  void attention(sgl_attention_plan& plan, const sgl_tensor& out, const sgl_tensor& q, const sgl_tensor& k_cache,
                 const sgl_tensor& v_cache, const sgl_tensor* sinks) override {
    cuda::attention(entered(), plan, out, q, k_cache, v_cache, sinks);
  }

  void moe_route(const sgl_tensor& expert_weights, const sgl_tensor& expert_ids, const sgl_tensor& router_logits,
                 bool renormalize) override {
    cuda::moe_route(entered(), expert_weights, expert_ids, router_logits, renormalize);
  }
  void moe_experts(const sgl_moe_args& args) override { cuda::moe_experts(entered(), args); }

  void sample(const sgl_sampling_args& args) override { cuda::sample(entered(), args); }
  void argmax_shard(const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id) override {
    cuda::argmax_shard(entered(), best, logits, first_id);
  }
  void argmax_merge(const sgl_tensor& ids, const sgl_tensor& best) override { cuda::argmax_merge(entered(), ids, best); }
  void logprobs(const sgl_logprob_args& args) override { cuda::logprobs(entered(), args); }

  std::unique_ptr<sgl_communicator> create_communicator(sgl_comm_group& group, int rank) override {
    return cuda::create_communicator(entered(), group, rank);
  }

 private:
  CudaContext& entered() {
    context_.enter();
    return context_;
  }

  CudaContext context_;
};

std::unique_ptr<Backend> create_backend(int ordinal) { return std::make_unique<CudaBackend>(ordinal); }

constexpr CudaPart kPart = {kCudaPartVersion, device_count, unavailable_reason, get_info, create_backend, create_comm_group};

}  // namespace
}  // namespace sgl::cuda

extern "C" __attribute__((visibility("default"))) const sgl::CudaPart* sgl_cuda_part() { return &sgl::cuda::kPart; }
