// Null in place of any argument is INVALID_ARGUMENT and names it; destroying null is nothing.
#include <functional>

#include "sgl/sgl.h"
#include "support/context.hpp"

namespace sgl::test {
namespace {

struct NullCase {
  const char* message;
  std::function<sgl_status()> call;
};

void expect_all(const std::vector<NullCase>& cases) {
  for (const NullCase& null_case : cases) EXPECT_FAILS(SGL_INVALID_ARGUMENT, null_case.message, null_case.call());
}

class NullArgument : public CpuTest {
 protected:
  const HostTensor matrix{SGL_F32, {2, 32}};
  const HostTensor vector{SGL_F32, {32}};
  const HostTensor two_ids = HostTensor::ids({0, 1});
  const HostTensor matrix_ids{SGL_I32, {2, 2}};
};

TEST_F(NullArgument, Of_devices_and_contexts) {
  sgl_context* made = nullptr;
  const sgl_context_options options{};
  expect_all({
      {"device_count: count is null", [] { return sgl_device_count(nullptr, SGL_DEVICE_CPU); }},
      {"device_get_info: info is null", [] { return sgl_device_get_info(nullptr, SGL_DEVICE_CPU, 0); }},
      {"context_create: context is null", [&] { return sgl_context_create(nullptr, &options); }},
      {"context_create: options is null", [&] { return sgl_context_create(&made, nullptr); }},
      {"context_synchronize: context is null", [] { return sgl_context_synchronize(nullptr); }},
      {"context_num_threads: context is null", [] { return sgl_context_num_threads(nullptr, nullptr); }},
      {"context_num_threads: num_threads is null", [&] { return sgl_context_num_threads(context, nullptr); }},
  });
  EXPECT_EQ(made, nullptr);
  sgl_context_destroy(nullptr);
}

TEST_F(NullArgument, Of_communicators) {
  sgl_comm_group* group = nullptr;
  sgl_communicator* communicator = nullptr;
  expect_all({
      {"comm_group_create: group is null", [] { return sgl_comm_group_create(nullptr, nullptr); }},
      {"comm_group_create: options is null", [&] { return sgl_comm_group_create(&group, nullptr); }},
      {"comm_group_abort: group is null", [] { return sgl_comm_group_abort(nullptr, "reason"); }},
      {"comm_group_reset: group is null", [] { return sgl_comm_group_reset(nullptr); }},
      {"communicator_create: communicator is null", [&] { return sgl_communicator_create(context, nullptr, nullptr, 0); }},
      {"communicator_create: group is null", [&] { return sgl_communicator_create(context, &communicator, nullptr, 0); }},
      {"all_reduce: context is null", [&] { return sgl_all_reduce(nullptr, nullptr, matrix, matrix, nullptr); }},
      {"all_reduce: communicator is null", [&] { return sgl_all_reduce(context, nullptr, matrix, matrix, nullptr); }},
  });
  const sgl_comm_group_options options{SGL_DEVICE_CPU, 1, 1000, 0, 0};
  ASSERT_OK(sgl_comm_group_create(&group, &options));
  ASSERT_OK(sgl_communicator_create(context, &communicator, group, 0));
  const int64_t counts[] = {2};
  expect_all({
      {"comm_group_abort: reason is null", [&] { return sgl_comm_group_abort(group, nullptr); }},
      {"all_reduce: y is null", [&] { return sgl_all_reduce(context, communicator, nullptr, matrix, nullptr); }},
      {"all_reduce: x is null", [&] { return sgl_all_reduce(context, communicator, matrix, nullptr, nullptr); }},
      {"all_gather_columns: x is null", [&] { return sgl_all_gather_columns(context, communicator, matrix, nullptr); }},
      {"all_gather_rows: x is null", [&] { return sgl_all_gather_rows(context, communicator, matrix, nullptr); }},
      {"reduce_scatter: y is null", [&] { return sgl_reduce_scatter(context, communicator, nullptr, matrix); }},
      {"all_to_all: send_counts is null",
       [&] { return sgl_all_to_all(context, communicator, matrix, matrix, counts, nullptr); }},
      {"all_to_all: receive_counts is null",
       [&] { return sgl_all_to_all(context, communicator, matrix, matrix, nullptr, counts); }},
      {"broadcast: x is null", [&] { return sgl_broadcast(context, communicator, nullptr, 0); }},
      {"barrier: communicator is null", [&] { return sgl_barrier(context, nullptr); }},
  });
  sgl_communicator_destroy(communicator);
  sgl_comm_group_destroy(group);
}

TEST_F(NullArgument, Of_memory) {
  void* data = nullptr;
  char byte = 0;
  expect_all({
      {"memory_allocate: data is null", [&] { return sgl_memory_allocate(context, nullptr, 1); }},
      {"memory_allocate: context is null", [&] { return sgl_memory_allocate(nullptr, &data, 1); }},
      {"host_allocate: data is null", [&] { return sgl_host_allocate(context, nullptr, 1); }},
      {"host_allocate: context is null", [&] { return sgl_host_allocate(nullptr, &data, 1); }},
      {"memory_copy: context is null", [&] { return sgl_memory_copy(nullptr, &byte, &byte, 1); }},
      {"memory_copy: destination is null", [&] { return sgl_memory_copy(context, nullptr, &byte, 1); }},
      {"memory_copy: source is null", [&] { return sgl_memory_copy(context, &byte, nullptr, 1); }},
      {"memory_set: context is null", [&] { return sgl_memory_set(nullptr, &byte, 0, 1); }},
      {"memory_set: destination is null", [&] { return sgl_memory_set(context, nullptr, 0, 1); }},
  });
  EXPECT_OK(sgl_memory_copy(context, nullptr, nullptr, 0));
  EXPECT_OK(sgl_memory_set(context, nullptr, 0, 0));
  sgl_memory_free(nullptr, nullptr);
  sgl_memory_free(context, nullptr);
  sgl_host_free(nullptr, nullptr);
  sgl_host_free(context, nullptr);
}

TEST_F(NullArgument, Of_events_and_graphs) {
  sgl_event* event = nullptr;
  sgl_graph* graph = nullptr;
  double microseconds = 0;
  expect_all({
      {"event_create: event is null", [&] { return sgl_event_create(context, nullptr); }},
      {"event_create: context is null", [&] { return sgl_event_create(nullptr, &event); }},
      {"event_record: context is null", [&] { return sgl_event_record(nullptr, nullptr); }},
      {"event_record: event is null", [&] { return sgl_event_record(context, nullptr); }},
      {"event_synchronize: event is null", [] { return sgl_event_synchronize(nullptr); }},
      {"event_query: event is null", [] { return sgl_event_query(nullptr, nullptr); }},
      {"event_elapsed: start is null", [&] { return sgl_event_elapsed(&microseconds, nullptr, nullptr); }},
      {"graph_capture_begin: context is null", [] { return sgl_graph_capture_begin(nullptr); }},
      {"graph_capture_end: graph is null", [&] { return sgl_graph_capture_end(context, nullptr); }},
      {"graph_capture_end: context is null", [&] { return sgl_graph_capture_end(nullptr, &graph); }},
      {"graph_launch: context is null", [] { return sgl_graph_launch(nullptr, nullptr); }},
      {"graph_launch: graph is null", [&] { return sgl_graph_launch(context, nullptr); }},
  });
  sgl_event_destroy(nullptr);
  sgl_graph_destroy(nullptr);
}

TEST_F(NullArgument, Of_event_outputs) {
  sgl_event* event = nullptr;
  ASSERT_OK(sgl_event_create(context, &event));
  ASSERT_OK(sgl_event_record(context, event));
  expect_all({
      {"event_query: is_complete is null", [&] { return sgl_event_query(event, nullptr); }},
      {"event_elapsed: stop is null", [&] { return sgl_event_elapsed(nullptr, event, nullptr); }},
      {"event_elapsed: microseconds is null", [&] { return sgl_event_elapsed(nullptr, event, event); }},
  });
  sgl_event_destroy(event);
}

TEST_F(NullArgument, Of_weights_and_products) {
  sgl_weight* weight = nullptr;
  sgl_weight_desc desc{1, SGL_F32, 4, 32};
  sgl_linear_args args{};
  sgl_moe_args moe{};
  const Weight loaded(context, SGL_F32, HostTensor::normal(random, SGL_F32, {4, 32}));
  const HostTensor y(SGL_F32, {2, 4});
  sgl_linear_args without_x{};
  without_x.weight = loaded;
  sgl_linear_args without_y = without_x;
  without_y.x = matrix;
  expect_all({
      {"weight_create: weight is null", [&] { return sgl_weight_create(context, nullptr, &desc); }},
      {"weight_create: context is null", [&] { return sgl_weight_create(nullptr, &weight, &desc); }},
      {"weight_create: desc is null", [&] { return sgl_weight_create(context, &weight, nullptr); }},
      {"weight_get_desc: weight is null", [&] { return sgl_weight_get_desc(nullptr, &desc); }},
      {"weight_get_desc: desc is null", [&] { return sgl_weight_get_desc(loaded, nullptr); }},
      {"weight_num_bytes: weight is null", [&] { return sgl_weight_num_bytes(nullptr, nullptr); }},
      {"weight_num_bytes: num_bytes is null", [&] { return sgl_weight_num_bytes(loaded, nullptr); }},
      {"weight_load: context is null", [&] { return sgl_weight_load(nullptr, loaded, matrix, 0, 0); }},
      {"weight_load: weight is null", [&] { return sgl_weight_load(context, nullptr, matrix, 0, 0); }},
      {"weight_load: rows is null", [&] { return sgl_weight_load(context, loaded, nullptr, 0, 0); }},
      {"weight_fill_random: context is null", [&] { return sgl_weight_fill_random(nullptr, loaded, nullptr); }},
      {"weight_fill_random: weight is null", [&] { return sgl_weight_fill_random(context, nullptr, nullptr); }},
      {"weight_fill_random: args is null", [&] { return sgl_weight_fill_random(context, loaded, nullptr); }},
      {"linear: context is null", [&] { return sgl_linear(nullptr, &args); }},
      {"linear: args is null", [&] { return sgl_linear(context, nullptr); }},
      {"linear: weight is null", [&] { return sgl_linear(context, &args); }},
      {"linear: x is null", [&] { return sgl_linear(context, &without_x); }},
      {"linear: y is null", [&] { return sgl_linear(context, &without_y); }},
      {"moe_route: context is null", [&] { return sgl_moe_route(nullptr, y, y, y, 0); }},
      {"moe_route: router_logits is null", [&] { return sgl_moe_route(context, nullptr, nullptr, nullptr, 0); }},
      {"moe_route: expert_weights is null", [&] { return sgl_moe_route(context, nullptr, nullptr, y, 0); }},
      {"moe_route: expert_ids is null", [&] { return sgl_moe_route(context, y, nullptr, y, 0); }},
      {"moe_experts: context is null", [&] { return sgl_moe_experts(nullptr, &moe); }},
      {"moe_experts: args is null", [&] { return sgl_moe_experts(context, nullptr); }},
      {"moe_experts: gate_up is null", [&] { return sgl_moe_experts(context, &moe); }},
  });
  sgl_weight_destroy(nullptr);
}

TEST_F(NullArgument, Of_elementwise_operators) {
  const HostTensor table(SGL_F32, {9, 32}), heads(SGL_F32, {2, 1, 32});
  const auto layout = SGL_ROPE_HALF_SPLIT;
  expect_all({
      {"rms_norm: context is null", [&] { return sgl_rms_norm(nullptr, matrix, matrix, vector, 0); }},
      {"rms_norm: x is null", [&] { return sgl_rms_norm(context, nullptr, nullptr, nullptr, 0); }},
      {"rms_norm: weight is null", [&] { return sgl_rms_norm(context, nullptr, matrix, nullptr, 0); }},
      {"rms_norm: y is null", [&] { return sgl_rms_norm(context, nullptr, matrix, vector, 0); }},
      {"add_rms_norm: context is null", [&] { return sgl_add_rms_norm(nullptr, matrix, matrix, matrix, vector, 0); }},
      {"add_rms_norm: x is null", [&] { return sgl_add_rms_norm(context, matrix, matrix, nullptr, vector, 0); }},
      {"add_rms_norm: weight is null", [&] { return sgl_add_rms_norm(context, matrix, matrix, matrix, nullptr, 0); }},
      {"add_rms_norm: residual is null", [&] { return sgl_add_rms_norm(context, matrix, nullptr, matrix, vector, 0); }},
      {"silu_mul: context is null", [&] { return sgl_silu_mul(nullptr, matrix, matrix); }},
      {"silu_mul: y is null", [&] { return sgl_silu_mul(context, nullptr, matrix); }},
      {"silu_mul: gate_up is null", [&] { return sgl_silu_mul(context, matrix, nullptr); }},
      {"add: context is null", [&] { return sgl_add(nullptr, matrix, matrix, matrix); }},
      {"add: a is null", [&] { return sgl_add(context, matrix, nullptr, matrix); }},
      {"add: b is null", [&] { return sgl_add(context, matrix, matrix, nullptr); }},
      {"add_sigmoid_gated: context is null", [&] { return sgl_add_sigmoid_gated(nullptr, matrix, matrix, matrix); }},
      {"add_sigmoid_gated: x is null", [&] { return sgl_add_sigmoid_gated(context, matrix, nullptr, matrix); }},
      {"add_sigmoid_gated: gate is null", [&] { return sgl_add_sigmoid_gated(context, matrix, matrix, nullptr); }},
      {"rope: context is null", [&] { return sgl_rope(nullptr, heads, heads, two_ids, table, layout); }},
      {"rope: q is null", [&] { return sgl_rope(context, nullptr, heads, two_ids, table, layout); }},
      {"rope: k is null", [&] { return sgl_rope(context, heads, nullptr, two_ids, table, layout); }},
      {"rope: positions is null", [&] { return sgl_rope(context, heads, heads, nullptr, table, layout); }},
      {"rope: cos_sin is null", [&] { return sgl_rope(context, heads, heads, two_ids, nullptr, layout); }},
      {"convert: context is null", [&] { return sgl_convert(nullptr, matrix, matrix); }},
      {"convert: x is null", [&] { return sgl_convert(context, matrix, nullptr); }},
      {"convert: y is null", [&] { return sgl_convert(context, nullptr, matrix); }},
  });
}

TEST_F(NullArgument, Of_gathers) {
  const Weight weight(context, SGL_F32, HostTensor::normal(random, SGL_F32, {4, 32}));
  expect_all({
      {"embedding: context is null", [&] { return sgl_embedding(nullptr, matrix, weight, two_ids); }},
      {"embedding: weight is null", [&] { return sgl_embedding(context, matrix, nullptr, two_ids); }},
      {"embedding: ids is null", [&] { return sgl_embedding(context, matrix, weight, nullptr); }},
      {"embedding: y is null", [&] { return sgl_embedding(context, nullptr, weight, two_ids); }},
      {"embedding_shard: context is null", [&] { return sgl_embedding_shard(nullptr, matrix, weight, two_ids, 0); }},
      {"embedding_shard: ids is null", [&] { return sgl_embedding_shard(context, matrix, weight, nullptr, 0); }},
      {"token_resolve: context is null", [&] { return sgl_token_resolve(nullptr, two_ids, two_ids, two_ids); }},
      {"token_resolve: sources is null", [&] { return sgl_token_resolve(context, two_ids, nullptr, two_ids); }},
      {"token_resolve: last_ids is null", [&] { return sgl_token_resolve(context, two_ids, two_ids, nullptr); }},
      {"token_scatter: context is null", [&] { return sgl_token_scatter(nullptr, two_ids, two_ids, two_ids); }},
      {"token_scatter: slots is null", [&] { return sgl_token_scatter(context, two_ids, nullptr, two_ids); }},
      {"token_scatter: ids is null", [&] { return sgl_token_scatter(context, two_ids, two_ids, nullptr); }},
      {"gather_rows: context is null", [&] { return sgl_gather_rows(nullptr, matrix, matrix, two_ids); }},
      {"gather_rows: x is null", [&] { return sgl_gather_rows(context, matrix, nullptr, two_ids); }},
      {"gather_rows: rows is null", [&] { return sgl_gather_rows(context, matrix, matrix, nullptr); }},
      {"gather_sum: context is null", [&] { return sgl_gather_sum(nullptr, matrix, matrix, matrix_ids, nullptr); }},
      {"gather_sum: x is null", [&] { return sgl_gather_sum(context, matrix, nullptr, matrix_ids, nullptr); }},
      {"gather_sum: rows is null", [&] { return sgl_gather_sum(context, matrix, matrix, nullptr, nullptr); }},
      {"gather_sum: y is null", [&] { return sgl_gather_sum(context, nullptr, matrix, matrix_ids, nullptr); }},
      {"gather_rows: y is null", [&] { return sgl_gather_rows(context, nullptr, matrix, two_ids); }},
  });
}

TEST_F(NullArgument, Of_the_cache_and_attention) {
  const HostTensor cache(SGL_F32, {3, 1, 4, 32}), heads(SGL_F32, {2, 1, 32});
  sgl_attention_desc desc{1, 1, 32, 4, SGL_F32, 0, 1, 0, 8, 2};
  sgl_attention_batch batch{};
  sgl_attention_plan *none = nullptr, *plan = nullptr;
  ASSERT_OK(sgl_attention_plan_create(context, &plan, &desc));
  ASSERT_OK(sgl_attention_plan_update(context, plan, &batch));
  sgl_attention_batch one_request{};
  one_request.num_requests = 1;
  expect_all({
      {"kv_append: context is null", [&] { return sgl_kv_append(nullptr, cache, cache, heads, heads, two_ids); }},
      {"kv_append: k_cache is null", [&] { return sgl_kv_append(context, nullptr, cache, heads, heads, two_ids); }},
      {"kv_append: v is null", [&] { return sgl_kv_append(context, cache, cache, heads, nullptr, two_ids); }},
      {"kv_append: slots is null", [&] { return sgl_kv_append(context, cache, cache, heads, heads, nullptr); }},
      {"kv_copy: context is null", [&] { return sgl_kv_copy(nullptr, cache, cache, two_ids, two_ids); }},
      {"kv_copy: v_cache is null", [&] { return sgl_kv_copy(context, cache, nullptr, two_ids, two_ids); }},
      {"kv_copy: source_pages is null", [&] { return sgl_kv_copy(context, cache, cache, two_ids, nullptr); }},
      {"attention_plan_create: plan is null", [&] { return sgl_attention_plan_create(context, nullptr, &desc); }},
      {"attention_plan_create: context is null", [&] { return sgl_attention_plan_create(nullptr, &none, &desc); }},
      {"attention_plan_create: desc is null", [&] { return sgl_attention_plan_create(context, &none, nullptr); }},
      {"attention_plan_update: context is null", [&] { return sgl_attention_plan_update(nullptr, plan, &batch); }},
      {"attention_plan_update: plan is null", [&] { return sgl_attention_plan_update(context, nullptr, &batch); }},
      {"attention_plan_update: batch is null", [&] { return sgl_attention_plan_update(context, plan, nullptr); }},
      {"attention_plan_update: batch.query_start is null",
       [&] { return sgl_attention_plan_update(context, plan, &one_request); }},
      {"attention_run: context is null", [&] { return sgl_attention_run(nullptr, plan, heads, heads, cache, cache, nullptr); }},
      {"attention_run: plan is null", [&] { return sgl_attention_run(context, nullptr, heads, heads, cache, cache, nullptr); }},
      {"attention_run: plan has no batch; call attention_plan_update first",
       [&] { return sgl_attention_run(context, plan, heads, heads, cache, cache, nullptr); }},
  });
  ASSERT_OK(sgl_attention_plan_update(context, plan, &batch));
  expect_all({
      {"attention_run: q is null", [&] { return sgl_attention_run(context, plan, heads, nullptr, cache, cache, nullptr); }},
      {"attention_run: out is null", [&] { return sgl_attention_run(context, plan, nullptr, heads, cache, cache, nullptr); }},
      {"attention_run: v_cache is null",
       [&] { return sgl_attention_run(context, plan, heads, heads, cache, nullptr, nullptr); }},
  });
  sgl_attention_plan_destroy(plan);
  sgl_attention_plan_destroy(nullptr);
}

TEST_F(NullArgument, Of_sampling) {
  sgl_sampling_args sample{};
  sgl_sampling_args without_ids{};
  without_ids.logits = matrix;
  sgl_sampling_args without_rows = without_ids;
  without_rows.ids = two_ids;
  sgl_logprob_args logprobs{};
  sgl_logprob_args only_ids{};
  const HostTensor pair(SGL_F32, {2}), top(SGL_I32, {2, 1});
  only_ids.logits = matrix;
  only_ids.targets = two_ids;
  only_ids.target_logprobs = pair;
  only_ids.top_ids = top;
  expect_all({
      {"sample: context is null", [&] { return sgl_sample(nullptr, &sample); }},
      {"sample: args is null", [&] { return sgl_sample(context, nullptr); }},
      {"sample: logits is null", [&] { return sgl_sample(context, &sample); }},
      {"sample: ids is null", [&] { return sgl_sample(context, &without_ids); }},
      {"sample: rows is null", [&] { return sgl_sample(context, &without_rows); }},
      {"argmax_shard: context is null", [&] { return sgl_argmax_shard(nullptr, matrix_ids, matrix, 0); }},
      {"argmax_shard: logits is null", [&] { return sgl_argmax_shard(context, matrix_ids, nullptr, 0); }},
      {"argmax_shard: best is null", [&] { return sgl_argmax_shard(context, nullptr, matrix, 0); }},
      {"argmax_merge: context is null", [&] { return sgl_argmax_merge(nullptr, two_ids, matrix_ids); }},
      {"argmax_merge: best is null", [&] { return sgl_argmax_merge(context, two_ids, nullptr); }},
      {"argmax_merge: ids is null", [&] { return sgl_argmax_merge(context, nullptr, matrix_ids); }},
      {"logprobs: context is null", [&] { return sgl_logprobs(nullptr, &logprobs); }},
      {"logprobs: args is null", [&] { return sgl_logprobs(context, nullptr); }},
      {"logprobs: logits is null", [&] { return sgl_logprobs(context, &logprobs); }},
      {"logprobs: top_logprobs is null: expected both top_logprobs and top_ids, or neither",
       [&] { return sgl_logprobs(context, &only_ids); }},
  });
}

}  // namespace
}  // namespace sgl::test
