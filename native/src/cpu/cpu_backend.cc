#include "cpu/cpu_backend.hpp"

#include <chrono>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <string>

#include "abi/error.hpp"
#include "cpu/activation/activation.hpp"
#include "cpu/attention/attention.hpp"
#include "cpu/comm/comm.hpp"
#include "cpu/cpu_context.hpp"
#include "cpu/embedding/embedding.hpp"
#include "cpu/kvcache/kvcache.hpp"
#include "cpu/linear/linear.hpp"
#include "cpu/memory/host_memory.hpp"
#include "cpu/moe/moe.hpp"
#include "cpu/norm/norm.hpp"
#include "cpu/quant/quant.hpp"
#include "cpu/rope/rope.hpp"
#include "cpu/sampling/sampling.hpp"

namespace sgl::cpu {
namespace {

using Clock = std::chrono::steady_clock;

/// Work is complete on return, so an event is the time it was recorded at.
struct CpuEvent final : sgl_event {
  void synchronize() override {}
  bool is_complete() override { return true; }

  double elapsed_since(const sgl_event& start) const override {
    const auto& begin = static_cast<const CpuEvent&>(start);
    if (!begin.was_recorded || !was_recorded) {
      fail(SGL_INVALID_ARGUMENT, "event_elapsed: %s was never recorded", begin.was_recorded ? "stop" : "start");
    }
    return std::chrono::duration<double, std::micro>(time - begin.time).count();
  }

  bool was_recorded = false;
  Clock::time_point time;
};

[[noreturn]] void fail_graph(const char* op) {
  fail(SGL_UNSUPPORTED, "%s: the CPU backend has no graphs (sgl_device_info.supports_graphs is 0)", op);
}

[[noreturn]] void fail_profiler(const char* op) { fail(SGL_UNSUPPORTED, "%s: the CPU backend has no CUDA device", op); }

class CpuBackend final : public Backend {
 public:
  explicit CpuBackend(int num_threads) : context_(num_threads) {}

  void synchronize() override {}
  int num_threads() const override { return context_.pool.size(); }
  void* allocate(uint64_t num_bytes) override { return allocate_aligned(num_bytes); }
  void free(void* data) override { free_aligned(data); }
  void* allocate_host(uint64_t num_bytes) override { return allocate_aligned(num_bytes); }
  void free_host(void* data) override { free_aligned(data); }
  void copy(void* destination, const void* source, uint64_t num_bytes) override {
    std::memmove(destination, source, num_bytes);
  }
  void set(void* destination, int byte_value, uint64_t num_bytes) override { std::memset(destination, byte_value, num_bytes); }

  std::unique_ptr<sgl_event> create_event() override { return std::make_unique<CpuEvent>(); }
  void record(sgl_event& event) override {
    auto& cpu_event = static_cast<CpuEvent&>(event);
    cpu_event.time = Clock::now();
    cpu_event.was_recorded = true;
  }

  void graph_capture_begin() override { fail_graph("graph_capture_begin"); }
  std::unique_ptr<sgl_graph> graph_capture_end() override { fail_graph("graph_capture_end"); }
  int graph_capture_num_nodes() override { fail_graph("graph_capture_num_nodes"); }
  void graph_launch(sgl_graph&) override { fail_graph("graph_launch"); }

  void get_properties(sgl_device_properties&) override { fail_profiler("context_get_properties"); }
  void profiler_start() override { fail_profiler("profiler_start"); }
  void profiler_stop() override { fail_profiler("profiler_stop"); }

  std::unique_ptr<sgl_weight> create_weight(const sgl_weight_desc& desc) override { return cpu::create_weight(context_, desc); }
  void load_weight(sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset) override {
    cpu::load_weight(context_, weight, rows, group, row_offset);
  }
  void fill_weight_random(sgl_weight& weight, const sgl_weight_fill_random_args& args) override {
    cpu::fill_weight_random(context_, weight, args);
  }
  void linear(const sgl_linear_args& args) override { cpu::linear(context_, args); }

  void rms_norm(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps) override {
    cpu::rms_norm(context_, y, x, weight, eps);
  }
  void add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight,
                    float eps) override {
    cpu::add_rms_norm(context_, y, residual, x, weight, eps);
  }
  void silu_mul(const sgl_tensor& y, const sgl_tensor& gate_up) override { cpu::silu_mul(context_, y, gate_up); }
  void add(const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b) override { cpu::add(context_, y, a, b); }
  void add_sigmoid_gated(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) override {
    cpu::add_sigmoid_gated(context_, y, x, gate);
  }
  void rope(const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions, const sgl_tensor& cos_sin,
            sgl_rope_layout layout) override {
    cpu::rope(context_, q, k, positions, cos_sin, layout);
  }
  void rope_append(const sgl_rope_append_args& args) override {
    if (args.q_norm != nullptr) {
      cpu::rms_norm(context_, *args.q, *args.q, *args.q_norm, args.eps);
      cpu::rms_norm(context_, *args.k, *args.k, *args.k_norm, args.eps);
    }
    cpu::rope(context_, *args.q, *args.k, *args.positions, *args.cos_sin, args.layout);
    cpu::kv_append(context_, *args.k_cache, *args.v_cache, *args.k, *args.v, *args.slots);
  }
  void embedding(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids) override {
    cpu::embedding(context_, y, weight, ids);
  }
  void embedding_shard(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids, int32_t first_id) override {
    cpu::embedding_shard(context_, y, weight, ids, first_id);
  }
  void token_resolve(const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) override {
    cpu::token_resolve(context_, ids, sources, last_ids);
  }
  void token_scatter(const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids) override {
    cpu::token_scatter(context_, last_ids, slots, ids);
  }
  void gather_rows(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows) override {
    cpu::gather_rows(context_, y, x, rows);
  }
  void gather_sum(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows, const sgl_tensor* residual) override {
    cpu::gather_sum(context_, y, x, rows, residual);
  }
  void convert(const sgl_tensor& y, const sgl_tensor& x) override { cpu::convert(context_, y, x); }

  void kv_append(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k, const sgl_tensor& v,
                 const sgl_tensor& slots) override {
    cpu::kv_append(context_, k_cache, v_cache, k, v, slots);
  }
  void kv_copy(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
               const sgl_tensor& source_pages) override {
    cpu::kv_copy(context_, k_cache, v_cache, destination_pages, source_pages);
  }

  std::unique_ptr<sgl_attention_plan> create_attention_plan(const sgl_attention_desc& desc) override {
    return cpu::create_attention_plan(context_, desc);
  }
  void update_attention_plan(sgl_attention_plan& plan, const sgl_attention_batch& batch) override {
    cpu::update_attention_plan(context_, plan, batch);
  }
  void attention(sgl_attention_plan& plan, const sgl_tensor& out, const sgl_tensor& q, const sgl_tensor& k_cache,
                 const sgl_tensor& v_cache, const sgl_tensor* sinks) override {
    cpu::attention(context_, plan, out, q, k_cache, v_cache, sinks);
  }

  void moe_route(const sgl_tensor& expert_weights, const sgl_tensor& expert_ids, const sgl_tensor& router_logits,
                 bool renormalize) override {
    cpu::moe_route(context_, expert_weights, expert_ids, router_logits, renormalize);
  }
  void moe_experts(const sgl_moe_args& args) override { cpu::moe_experts(context_, args); }

  void sample(const sgl_sampling_args& args) override { cpu::sample(context_, args); }
  void argmax_shard(const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id) override {
    cpu::argmax_shard(context_, best, logits, first_id);
  }
  void argmax_merge(const sgl_tensor& ids, const sgl_tensor& best) override { cpu::argmax_merge(context_, ids, best); }
  void logprobs(const sgl_logprob_args& args) override { cpu::logprobs(context_, args); }

  std::unique_ptr<sgl_communicator> create_communicator(sgl_comm_group& group, int rank) override {
    return cpu::create_communicator(context_, group, rank);
  }

 private:
  CpuContext context_;
};

/// The model name that the kernel reports, e.g. "AMD EPYC"; "CPU" where it reports none.
std::string processor_name() {
  std::ifstream lines("/proc/cpuinfo");
  for (std::string line; std::getline(lines, line);) {
    if (line.rfind("model name", 0) != 0) continue;
    const size_t colon = line.find(": ");
    if (colon != std::string::npos) return line.substr(colon + 2);
  }
  return "CPU";
}

}  // namespace

std::unique_ptr<Backend> create_backend(int num_threads) {
  return std::make_unique<CpuBackend>(num_threads == 0 ? num_physical_cores() : num_threads);
}

void get_device_info(sgl_device_info& info) {
  const HostMemory memory = host_memory();
  info = {};
  info.kind = SGL_DEVICE_CPU;
  info.num_processors = num_physical_cores();
  info.total_memory_bytes = memory.total_bytes;
  info.free_memory_bytes = memory.free_bytes;
  std::snprintf(info.name, sizeof info.name, "%s", processor_name().c_str());
  std::snprintf(info.isa, sizeof info.isa, "%s", name_of(current_isa()));
}

}  // namespace sgl::cpu
