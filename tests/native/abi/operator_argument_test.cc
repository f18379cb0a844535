// Arguments that are not tensors: descriptions, batches, sampling rows. The messages are part of the contract.
#include <cmath>

#include "sgl/sgl.h"
#include "support/context.hpp"

namespace sgl::test {
namespace {

class OperatorArgument : public CpuTest {
 protected:
  sgl_status create(const sgl_weight_desc& desc) {
    sgl_weight* weight = nullptr;
    const sgl_status status = sgl_weight_create(context, &weight, &desc);
    sgl_weight_destroy(weight);
    return status;
  }

  sgl_status create(const sgl_attention_desc& desc) {
    sgl_attention_plan* plan = nullptr;
    const sgl_status status = sgl_attention_plan_create(context, &plan, &desc);
    sgl_attention_plan_destroy(plan);
    return status;
  }
};

TEST_F(OperatorArgument, Of_weight_create) {
  EXPECT_OK(create(sgl_weight_desc{1, SGL_BF16, 1, 1}));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_create: num_groups is 0, out_features 4, in_features 8: expected at least 1 each",
               create(sgl_weight_desc{0, SGL_F32, 4, 8}));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_create: dtype is f16: expected f32 or bf16",
               create(sgl_weight_desc{1, SGL_F16, 4, 8}));
  EXPECT_FAILS(SGL_OUT_OF_MEMORY, "weight_create: a weight of [2, 4611686018427387904, 8] is larger than any memory",
               create(sgl_weight_desc{2, SGL_F32, int64_t{1} << 62, 8}));
  EXPECT_EQ(create(sgl_weight_desc{1, SGL_F32, int64_t{1} << 30, 1 << 20}), SGL_OUT_OF_MEMORY);
}

TEST_F(OperatorArgument, Of_weight_load) {
  const Weight weight(context, SGL_F32, HostTensor::normal(random, SGL_F32, {2, 4, 8}));
  const auto rows = HostTensor::normal(random, SGL_F32, {3, 8});
  EXPECT_OK(sgl_weight_load(context, weight, rows, 1, 1));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_load: group is 2: expected 0 to 1", sgl_weight_load(context, weight, rows, 2, 0));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_load: 3 rows at row_offset 2 do not fit a weight of 4 out_features",
               sgl_weight_load(context, weight, rows, 0, 2));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               "weight_load: 3 rows at row_offset 9223372036854775807 do not fit a weight of 4 out_features",
               sgl_weight_load(context, weight, rows, 0, INT64_MAX));
  const auto fill = [&](const sgl_weight_fill_random_args& args) { return sgl_weight_fill_random(context, weight, &args); };
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_fill_random: scale is nan: expected 0 to 1e30", fill({1, NAN, 0, 0, 4, 0, 0}));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_fill_random: group is 2: expected 0 to 1", fill({1, 1, 2, 0, 4, 0, 0}));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_fill_random: 3 rows at row_offset 2 do not fit a weight of 4 out_features",
               fill({1, 1, 0, 2, 3, 0, 0}));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_fill_random: -1 rows at row_offset 0 do not fit a weight of 4 out_features",
               fill({1, 1, 0, 0, -1, 0, 0}));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_fill_random: first_row is 0 and first_column -1: expected at least 0",
               fill({1, 1, 0, 0, 4, 0, -1}));
}

TEST_F(OperatorArgument, Of_linear_and_experts) {
  sgl_linear_args linear{};
  linear.epilogue = static_cast<sgl_epilogue>(5);
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "linear: epilogue is 5: expected 0 (none) or 1 (silu_mul)", sgl_linear(context, &linear));
  const Weight weight(context, SGL_F32, HostTensor::normal(random, SGL_F32, {5, 8}));
  const HostTensor x(SGL_F32, {2, 8}), y(SGL_F32, {2, 5}), norm(SGL_F32, {8}), normed(SGL_F32, {2, 8}),
      short_norm(SGL_F32, {7});
  const auto expect = [&](const char* message, const sgl_tensor* given_norm, const sgl_tensor* given_normed, float eps) {
    const sgl_linear_args args{y, x, weight, nullptr, nullptr, SGL_EPILOGUE_NONE, eps, given_norm, given_normed, 0, 0};
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, message, sgl_linear(context, &args));
  };
  expect("linear: norm is [7] f32, weight is [5, 8] f32: last dims differ", short_norm, normed, 0);
  expect("linear: normed is null", norm, nullptr, 0);
  expect("linear: normed is [2, 8] f32, x is [2, 8] f32: they overlap in memory", norm, x, 0);
  expect("linear: eps is -1: expected a number of at least 0", norm, normed, -1);
  const HostTensor logits(SGL_F32, {2, 3}), weights(SGL_F32, {2, 4}), ids(SGL_I32, {2, 4});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "moe_route: k is 4 of 3 experts", sgl_moe_route(context, weights, ids, logits, 0));
}

TEST_F(OperatorArgument, Of_attention_plan_create) {
  const sgl_attention_desc good{8, 2, 64, 16, SGL_BF16, 0, 0.125f, 0, 32, 4};
  EXPECT_OK(create(good));
  const auto expect = [&](const char* message, const auto& change) {
    sgl_attention_desc desc = good;
    change(desc);
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, message, create(desc));
  };
  expect("attention_plan_create: num_q_heads is 7, num_kv_heads 2: expected a multiple of it",
         [](auto& d) { d.num_q_heads = 7; });
  expect("attention_plan_create: num_q_heads is 8, num_kv_heads 0: expected a multiple of it",
         [](auto& d) { d.num_kv_heads = 0; });
  expect("attention_plan_create: head_dim is 60: expected a multiple of 8 from 32 to 256", [](auto& d) { d.head_dim = 60; });
  expect("attention_plan_create: head_dim is 264: expected a multiple of 8 from 32 to 256", [](auto& d) { d.head_dim = 264; });
  expect("attention_plan_create: page_size is 0: expected at least 1", [](auto& d) { d.page_size = 0; });
  expect("attention_plan_create: dtype is i32: expected f32 or bf16", [](auto& d) { d.dtype = SGL_I32; });
  expect("attention_plan_create: window is -1: expected 0 (all) or more", [](auto& d) { d.window = -1; });
  expect("attention_plan_create: scale is nan: expected a finite number", [](auto& d) { d.scale = NAN; });
  expect("attention_plan_create: soft_cap is -1: expected 0 (off) or more", [](auto& d) { d.soft_cap = -1; });
  expect("attention_plan_create: max_tokens is 0, max_requests 4: expected at least 1 each", [](auto& d) { d.max_tokens = 0; });
}

TEST_F(OperatorArgument, Of_attention_batches) {
  const sgl_attention_desc desc{1, 1, 32, 4, SGL_F32, 0, 1, 0, 8, 2};
  sgl_attention_plan* plan = nullptr;
  ASSERT_OK(sgl_attention_plan_create(context, &plan, &desc));
  std::vector<int32_t> query_start{0, 1, 3}, kv_length{5, 2}, page_start{0, 2}, pages{1, 2, 3};
  const auto update = [&](int32_t num_requests = 2) {
    const sgl_attention_batch batch{num_requests, 0, query_start.data(), kv_length.data(), page_start.data(), pages.data()};
    return sgl_attention_plan_update(context, plan, &batch);
  };
  EXPECT_OK(update());
  const HostTensor q(SGL_F32, {3, 1, 32}), out(SGL_F32, {3, 1, 32}), short_q(SGL_F32, {2, 1, 32});
  HostTensor cache(SGL_F32, {4, 1, 4, 32}), short_cache(SGL_F32, {3, 1, 4, 32});
  cache.fill_normal(random);
  const HostTensor wrong_head(SGL_F32, {3, 1, 40}), half(SGL_BF16, {3, 1, 32});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_run: q has 2 tokens, the plan's batch has 3",
               sgl_attention_run(context, plan, short_q, short_q, cache, cache, nullptr));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_run: the batch names page 3 of a cache of 3 pages",
               sgl_attention_run(context, plan, out, q, short_cache, short_cache, nullptr));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_run: q is [3, 1, 40] f32: last dim (head_dim) must be 32, that of the plan",
               sgl_attention_run(context, plan, out, wrong_head, cache, cache, nullptr));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_run: q is [3, 1, 32] bf16: expected f32",
               sgl_attention_run(context, plan, out, half, cache, cache, nullptr));

  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_plan_update: num_requests is 3: expected 0 to max_requests, 2", update(3));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_plan_update: num_requests is -1: expected 0 to max_requests, 2", update(-1));
  query_start = {0, 1, 4};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               "attention_plan_update: request 1 has 3 query tokens and a kv_length of 2: expected 0 to kv_length", update());
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_run: plan has no batch; call attention_plan_update first",
               sgl_attention_run(context, plan, out, q, cache, cache, nullptr));
  query_start = {0, 2, 1};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               "attention_plan_update: request 1 has -1 query tokens and a kv_length of 2: expected 0 to kv_length", update());
  query_start = {0, 5, 10};
  kv_length = {5, 5};
  pages = {1, 2, 3, 3};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_plan_update: the batch has 10 query tokens: expected at most max_tokens, 8",
               update());
  query_start = {0, 1, 2};
  page_start = {0, -1};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_plan_update: page_start of request 1 is -1: expected at least 0", update());
  page_start = {0, 2};
  pages = {1, 2, 3, -7};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "attention_plan_update: page 1 of request 1 is -7: expected at least 0", update());
  sgl_attention_plan_destroy(plan);
}

class SamplingArgument : public OperatorArgument {
 protected:
  sgl_status sample(const sgl_sampling_row& row) {
    sgl_sampling_args args{};
    args.ids = ids;
    args.logits = logits;
    args.rows = &row;
    return sgl_sample(context, &args);
  }

  sgl_status sample(const sgl_sampling_lists& lists) {
    sgl_sampling_args args{};
    args.ids = ids;
    args.logits = logits;
    args.rows = &kGreedy;
    args.lists = &lists;
    return sgl_sample(context, &args);
  }

  static constexpr sgl_sampling_row kGreedy{0, 1, 0, 0, 0, 1, 0, 0, 0, 0};
  const HostTensor logits = HostTensor::normal(random, SGL_F32, {1, 10});
  const HostTensor ids{SGL_I32, {1}};
};

TEST_F(SamplingArgument, Rows) {
  EXPECT_OK(sample(kGreedy));
  const auto expect = [&](const char* message, const auto& change) {
    sgl_sampling_row row = kGreedy;
    change(row);
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, message, sample(row));
  };
  expect("sample: temperature of row 0 is -1: expected a finite number from 0", [](auto& r) { r.temperature = -1; });
  expect("sample: temperature of row 0 is nan: expected a finite number from 0", [](auto& r) { r.temperature = NAN; });
  expect("sample: top_p of row 0 is 0: expected more than 0, at most 1", [](auto& r) { r.top_p = 0; });
  expect("sample: min_p of row 0 is 1.5: expected 0 to 1", [](auto& r) { r.min_p = 1.5f; });
  expect("sample: frequency_penalty of row 0 is inf: expected a finite number",
         [](auto& r) { r.frequency_penalty = INFINITY; });
  expect("sample: presence_penalty of row 0 is nan: expected a finite number", [](auto& r) { r.presence_penalty = NAN; });
  expect("sample: repetition_penalty of row 0 is 0: expected a finite number above 0",
         [](auto& r) { r.repetition_penalty = 0; });
  expect("sample: top_k of row 0 is -1: expected 0 (all) or more", [](auto& r) { r.top_k = -1; });
}

TEST_F(SamplingArgument, Lists) {
  const int32_t start[] = {0, 2}, negative_start[] = {-1, 2}, out_of_range[] = {3, 10}, counts[] = {1, 1};
  const float values[] = {1, 1};
  sgl_sampling_lists lists{};
  EXPECT_OK(sample(lists));
  lists.penalty_start = start;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: lists.penalty_ids is null", sample(lists));
  lists.penalty_ids = out_of_range;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: lists.penalty_counts is null", sample(lists));
  lists.penalty_counts = counts;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: penalty_ids of row 0 has 10: expected 0 to 9", sample(lists));
  lists.penalty_start = negative_start;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: penalty_start[0] is -1: expected at least 0", sample(lists));
  lists = {};
  lists.bias_start = start;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: lists.bias_ids is null", sample(lists));
  lists.bias_ids = out_of_range;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: lists.bias_values is null", sample(lists));
  lists.bias_values = values;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: bias_ids of row 0 has 10: expected 0 to 9", sample(lists));
}

TEST_F(SamplingArgument, Falling_starts) {
  const HostTensor two_rows(SGL_F32, {2, 10}), two_ids(SGL_I32, {2});
  const sgl_sampling_row rows[] = {kGreedy, kGreedy};
  const int32_t start[] = {0, 5, 0}, some_ids[] = {1, 2, 3, 4, 5}, counts[] = {1, 1, 1, 1, 1};
  sgl_sampling_lists lists{};
  lists.penalty_start = start;
  lists.penalty_ids = some_ids;
  lists.penalty_counts = counts;
  sgl_sampling_args args{};
  args.ids = two_ids;
  args.logits = two_rows;
  args.rows = rows;
  args.lists = &lists;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "sample: penalty_start falls from 5 to 0 after row 1", sgl_sample(context, &args));
}

TEST_F(SamplingArgument, Masks_and_logprobs) {
  const HostTensor allowed(SGL_I32, {1, 2}), log(SGL_F32, {1}), top(SGL_F32, {1, 11}), top_ids(SGL_I32, {1, 11});
  sgl_sampling_args args{};
  args.ids = ids;
  args.logits = logits;
  args.rows = &kGreedy;
  args.allowed = allowed;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               "sample: allowed is [1, 2] i32: last dim (ceil(vocabulary / 32)) must be 1, that of logits",
               sgl_sample(context, &args));
  sgl_logprob_args logprobs{};
  logprobs.logits = logits;
  logprobs.targets = ids;
  logprobs.target_logprobs = log;
  logprobs.top_logprobs = top;
  logprobs.top_ids = top_ids;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "logprobs: k is 11 of a vocabulary of 10", sgl_logprobs(context, &logprobs));
  const float cold = -1;
  logprobs.top_logprobs = logprobs.top_ids = nullptr;
  logprobs.temperatures = &cold;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "logprobs: temperature of row 0 is -1: expected a finite number from 0",
               sgl_logprobs(context, &logprobs));
}

}  // namespace
}  // namespace sgl::test
