#pragma once

#include <memory>
#include <vector>

#include "sgl/sgl.h"

// The opaque handles of the ABI. A backend derives its own from them, so that destruction needs no dispatch.

struct sgl_weight {
  virtual ~sgl_weight() = default;
  virtual uint64_t num_bytes() const = 0;

  sgl_weight_desc desc{};
};

struct sgl_event {
  virtual ~sgl_event() = default;
  virtual void synchronize() = 0;
  virtual bool is_complete() = 0;
  /// Microseconds from `start`, an event of the same backend, to this.
  virtual double elapsed_since(const sgl_event& start) const = 0;
};

struct sgl_graph {
  virtual ~sgl_graph() = default;

  /// In the order they were recorded.
  std::vector<sgl_graph_node_kind> nodes;
};

struct sgl_attention_plan {
  virtual ~sgl_attention_plan() = default;

  sgl_attention_desc desc{};
  // Kept by the ABI layer to check a run against the batch of the last update.
  int64_t num_rows = -1;   // rows of q that the batch reaches; -1 before the first update
  int32_t last_page = -1;  // the largest page that the batch names
};

/// Ranks that work together. Derived by each kind of device.
struct sgl_comm_group {
  explicit sgl_comm_group(const sgl_comm_group_options& options) : options(options) {}
  virtual ~sgl_comm_group() = default;
  virtual void abort(const char* reason) = 0;
  virtual void reset() = 0;

  const sgl_comm_group_options options;
};

/// One rank's place in a group. Like a backend's operators, its calls arrive checked, but for what only the ranks together
/// know.
struct sgl_communicator {
  sgl_communicator(const sgl_comm_group& group, int rank) : num_ranks(group.options.num_ranks), rank(rank) {}
  virtual ~sgl_communicator() = default;

  virtual void all_reduce(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor* residual) = 0;
  virtual void all_reduce_add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                                       const sgl_tensor& weight, float eps) = 0;
  virtual void all_gather_columns(const sgl_tensor& y, const sgl_tensor& x) = 0;
  virtual void all_gather_rows(const sgl_tensor& y, const sgl_tensor& x) = 0;
  virtual void reduce_scatter(const sgl_tensor& y, const sgl_tensor& x) = 0;
  virtual void all_to_all(const sgl_tensor& y, const sgl_tensor& x, const int64_t* receive_counts,
                          const int64_t* send_counts) = 0;
  virtual void broadcast(const sgl_tensor& x, int root) = 0;
  virtual void send(const sgl_tensor& x, int peer) = 0;
  virtual void receive(const sgl_tensor& y, int peer) = 0;
  virtual void barrier() = 0;
  virtual bool supports_capture() const = 0;

  const int num_ranks;
  const int rank;
};

namespace sgl {

/// One context's device: memory, events and every operator. Arguments arrive with their shapes and types already checked by
/// the ABI layer (native/src/abi), so an implementation never re-checks. Failures throw `sgl::Error`.
class Backend {
 public:
  virtual ~Backend() = default;

  virtual void synchronize() = 0;
  virtual int num_threads() const = 0;
  virtual void* allocate(uint64_t num_bytes) = 0;
  virtual void free(void* data) = 0;
  virtual void* allocate_host(uint64_t num_bytes) = 0;
  virtual void free_host(void* data) = 0;
  virtual void copy(void* destination, const void* source, uint64_t num_bytes) = 0;
  virtual void set(void* destination, int byte_value, uint64_t num_bytes) = 0;

  virtual std::unique_ptr<sgl_event> create_event() = 0;
  virtual void record(sgl_event& event) = 0;

  virtual void graph_capture_begin() = 0;
  virtual std::unique_ptr<sgl_graph> graph_capture_end() = 0;
  virtual int graph_capture_num_nodes() = 0;
  virtual void graph_launch(sgl_graph& graph) = 0;

  virtual void get_properties(sgl_device_properties& properties) = 0;
  virtual void profiler_start() = 0;
  virtual void profiler_stop() = 0;

  virtual std::unique_ptr<sgl_weight> create_weight(const sgl_weight_desc& desc) = 0;
  virtual void load_weight(sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset) = 0;
  virtual void fill_weight_random(sgl_weight& weight, const sgl_weight_fill_random_args& args) = 0;
  virtual void linear(const sgl_linear_args& args) = 0;
  /// Whether `linear` itself normalises x for these arguments; else it is given x normalised.
  virtual bool normalizes_in_linear(const sgl_linear_args&) { return false; }

  virtual void rms_norm(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& weight, float eps) = 0;
  virtual void add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight,
                            float eps) = 0;
  virtual void silu_mul(const sgl_tensor& y, const sgl_tensor& gate_up) = 0;
  virtual void add(const sgl_tensor& y, const sgl_tensor& a, const sgl_tensor& b) = 0;
  virtual void add_sigmoid_gated(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) = 0;
  virtual void rope(const sgl_tensor& q, const sgl_tensor& k, const sgl_tensor& positions, const sgl_tensor& cos_sin,
                    sgl_rope_layout layout) = 0;
  virtual void rope_append(const sgl_rope_append_args& args) = 0;
  virtual void embedding(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids) = 0;
  virtual void embedding_shard(const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids, int32_t first_id) = 0;
  virtual void token_resolve(const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) = 0;
  virtual void token_scatter(const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids) = 0;
  virtual void gather_rows(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows) = 0;
  virtual void gather_sum(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows, const sgl_tensor* residual) = 0;
  virtual void convert(const sgl_tensor& y, const sgl_tensor& x) = 0;

  virtual void kv_append(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k, const sgl_tensor& v,
                         const sgl_tensor& slots) = 0;
  virtual void kv_copy(const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
                       const sgl_tensor& source_pages) = 0;

  virtual std::unique_ptr<sgl_attention_plan> create_attention_plan(const sgl_attention_desc& desc) = 0;
  virtual void update_attention_plan(sgl_attention_plan& plan, const sgl_attention_batch& batch) = 0;
  virtual void attention(sgl_attention_plan& plan, const sgl_tensor& out, const sgl_tensor& q, const sgl_tensor& k_cache,
                         const sgl_tensor& v_cache, const sgl_tensor* sinks) = 0;

  virtual void moe_route(const sgl_tensor& expert_weights, const sgl_tensor& expert_ids, const sgl_tensor& router_logits,
                         bool renormalize) = 0;
  virtual void moe_experts(const sgl_moe_args& args) = 0;

  virtual void sample(const sgl_sampling_args& args) = 0;
  virtual void argmax_shard(const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id) = 0;
  virtual void argmax_merge(const sgl_tensor& ids, const sgl_tensor& best) = 0;
  virtual void logprobs(const sgl_logprob_args& args) = 0;

  /// `group` is of this device's kind and `rank` one of its ranks.
  virtual std::unique_ptr<sgl_communicator> create_communicator(sgl_comm_group& group, int rank) = 0;
};

}  // namespace sgl

struct sgl_context {
  sgl_device_kind kind;
  std::unique_ptr<sgl::Backend> backend;
};
