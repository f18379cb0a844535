// A CUDA part whose one device is the CPU, and can be lost: once the file named by SGL_LOSE_DEVICE exists, every call fails
// with CUDA_FATAL for ever, as on a GPU whose context an illegal access has taken. It has SGL_DEVICE_BYTES of memory, if that
// is set. For tests of whole programs.
#include <unistd.h>

#include <atomic>
#include <cstdio>
#include <cstdlib>

#include "abi/cuda_part.hpp"
#include "abi/error.hpp"
#include "cpu/cpu_backend.hpp"

namespace sgl {
namespace {

std::atomic<bool> is_lost{false};

void check(const char* op) {
  const char* path = std::getenv("SGL_LOSE_DEVICE");
  if (path != nullptr && access(path, F_OK) == 0) is_lost = true;
  if (is_lost) fail(SGL_CUDA_FATAL, "%s: an illegal memory access was encountered (cudaErrorIllegalAddress)", op);
}

struct LosableEvent final : sgl_event {
  explicit LosableEvent(std::unique_ptr<sgl_event> event) : event(std::move(event)) {}

  void synchronize() override {
    check("event_synchronize");
    event->synchronize();
  }
  bool is_complete() override {
    check("event_query");
    return event->is_complete();
  }
  double elapsed_since(const sgl_event& start) const override {
    check("event_elapsed");
    return event->elapsed_since(*static_cast<const LosableEvent&>(start).event);
  }

  const std::unique_ptr<sgl_event> event;
};

class LosableBackend final : public Backend {
 public:
  explicit LosableBackend(std::unique_ptr<Backend> backend) : backend_(std::move(backend)) {}

  void synchronize() override { at("context_synchronize").synchronize(); }
  int num_threads() const override { return 1; }
  void* allocate(uint64_t num_bytes) override { return at("memory_allocate").allocate(num_bytes); }
  void free(void* data) override { at("memory_free").free(data); }
  void* allocate_host(uint64_t num_bytes) override { return at("host_allocate").allocate_host(num_bytes); }
  void free_host(void* data) override { at("host_free").free_host(data); }
  void copy(void* destination, const void* source, uint64_t num_bytes) override {
    at("memory_copy").copy(destination, source, num_bytes);
  }
  void set(void* destination, int value, uint64_t num_bytes) override { at("memory_set").set(destination, value, num_bytes); }

  std::unique_ptr<sgl_event> create_event() override {
    return std::make_unique<LosableEvent>(at("event_create").create_event());
  }
  void record(sgl_event& event) override { at("event_record").record(*static_cast<LosableEvent&>(event).event); }

  void graph_capture_begin() override { at("graph_capture_begin").graph_capture_begin(); }
  std::unique_ptr<sgl_graph> graph_capture_end() override { return at("graph_capture_end").graph_capture_end(); }
  int graph_capture_num_nodes() override { return at("graph_capture_num_nodes").graph_capture_num_nodes(); }
  void graph_launch(sgl_graph& graph) override { at("graph_launch").graph_launch(graph); }

  void get_properties(sgl_device_properties& properties) override {
    check("context_get_properties");
    properties = {};
  }
  void profiler_start() override { at("profiler_start").profiler_start(); }
  void profiler_stop() override { at("profiler_stop").profiler_stop(); }

  std::unique_ptr<sgl_weight> create_weight(const sgl_weight_desc& desc) override {
    return at("weight_create").create_weight(desc);
  }
  void load_weight(sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset) override {
    at("weight_load").load_weight(weight, rows, group, row_offset);
  }
  void fill_weight_random(sgl_weight& weight, const sgl_weight_fill_random_args& args) override {
    at("weight_fill_random").fill_weight_random(weight, args);
  }
  void linear(const sgl_linear_args& args) override { at("linear").linear(args); }
  bool normalizes_in_linear(const sgl_linear_args& args) override { return at("linear").normalizes_in_linear(args); }

  void rms_norm(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps) override {
    at("rms_norm").rms_norm(y, x, weight, eps);
  }
  void add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight,
                    float eps) override {
    at("add_rms_norm").add_rms_norm(y, residual, x, weight, eps);
  }
  void silu_mul(const sgl_tensor& y, const sgl_tensor& gate_up) override { at("silu_mul").silu_mul(y, gate_up); }
  void add(const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b) override { at("add").add(y, a, b); }
  void add_sigmoid_gated(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) override {
    at("add_sigmoid_gated").add_sigmoid_gated(y, x, gate);
  }
  void rope(const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions, const sgl_tensor& cos_sin,
            sgl_rope_layout layout) override {
    at("rope").rope(q, k, positions, cos_sin, layout);
  }
  void rope_append(const sgl_rope_append_args& args) override { at("rope_append").rope_append(args); }
  void embedding(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids) override {
    at("embedding").embedding(y, weight, ids);
  }
  void embedding_shard(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids, int32_t first_id) override {
    at("embedding_shard").embedding_shard(y, weight, ids, first_id);
  }
  void token_resolve(const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) override {
    at("token_resolve").token_resolve(ids, sources, last_ids);
  }
  void token_scatter(const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids) override {
    at("token_scatter").token_scatter(last_ids, slots, ids);
  }
  void gather_rows(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows) override {
    at("gather_rows").gather_rows(y, x, rows);
  }
  void gather_sum(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows, const sgl_tensor* residual) override {
    at("gather_sum").gather_sum(y, x, rows, residual);
  }
  void convert(const sgl_tensor& y, const sgl_tensor& x) override { at("convert").convert(y, x); }

  void kv_append(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k, const sgl_tensor& v,
                 const sgl_tensor& slots) override {
    at("kv_append").kv_append(k_cache, v_cache, k, v, slots);
  }
  void kv_copy(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
               const sgl_tensor& source_pages) override {
    at("kv_copy").kv_copy(k_cache, v_cache, destination_pages, source_pages);
  }

  std::unique_ptr<sgl_attention_plan> create_attention_plan(const sgl_attention_desc& desc) override {
    return at("attention_plan_create").create_attention_plan(desc);
  }
  void update_attention_plan(sgl_attention_plan& plan, const sgl_attention_batch& batch) override {
    at("attention_plan_update").update_attention_plan(plan, batch);
  }
  void attention(sgl_attention_plan& plan, const sgl_tensor& out, const sgl_tensor& q, const sgl_tensor& k_cache,
                 const sgl_tensor& v_cache, const sgl_tensor* sinks) override {
    at("attention").attention(plan, out, q, k_cache, v_cache, sinks);
  }

  void moe_route(const sgl_tensor& expert_weights, const sgl_tensor& expert_ids, const sgl_tensor& router_logits,
                 bool renormalize) override {
    at("moe_route").moe_route(expert_weights, expert_ids, router_logits, renormalize);
  }
  void moe_experts(const sgl_moe_args& args) override { at("moe_experts").moe_experts(args); }

  void sample(const sgl_sampling_args& args) override { at("sample").sample(args); }
  void argmax_shard(const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id) override {
    at("argmax_shard").argmax_shard(best, logits, first_id);
  }
  void argmax_merge(const sgl_tensor& ids, const sgl_tensor& best) override { at("argmax_merge").argmax_merge(ids, best); }
  void logprobs(const sgl_logprob_args& args) override { at("logprobs").logprobs(args); }

  std::unique_ptr<sgl_communicator> create_communicator(sgl_comm_group& group, int rank) override {
    return at("communicator_create").create_communicator(group, rank);
  }

 private:
  Backend& at(const char* op) const {
    check(op);
    return *backend_;
  }

  const std::unique_ptr<Backend> backend_;
};

void get_info(sgl_device_info& info, int) {
  cpu::get_device_info(info);
  info.kind = SGL_DEVICE_CUDA;
  info.compute_major = 9;
  std::snprintf(info.name, sizeof info.name, "a device that can be lost");
  if (const char* num_bytes = std::getenv("SGL_DEVICE_BYTES")) {
    info.total_memory_bytes = info.free_memory_bytes = std::strtoull(num_bytes, nullptr, 10);
  }
}

constexpr CudaPart kPart{
    kCudaPartVersion,
    [] { return 1; },
    [] { return ""; },
    get_info,
    [](int) -> std::unique_ptr<Backend> { return std::make_unique<LosableBackend>(cpu::create_backend(1)); },
    [](const sgl_comm_group_options&) -> std::unique_ptr<sgl_comm_group> { return nullptr; },
};

}  // namespace
}  // namespace sgl

extern "C" SGL_API const sgl::CudaPart* sgl_cuda_part() { return &sgl::kPart; }
