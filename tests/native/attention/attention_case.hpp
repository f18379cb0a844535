#pragma once

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "reference/attention.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"
#include "support/host_tensor.hpp"
#include "support/random.hpp"

namespace sgl::test {

struct RequestShape {
  int num_queries;
  int kv_length;
};

/// One step's attention: what the desc leaves open, and the requests.
struct AttentionShape {
  int num_q_heads = 4;
  int num_kv_heads = 2;
  int head_dim = 64;
  int page_size = 16;
  sgl_dtype dtype = SGL_BF16;
  int window = 0;
  float soft_cap = 0;
  bool has_sinks = false;
  std::vector<RequestShape> requests;
  int num_threads = 2;
  /// Elements between q's heads, as in a fused tensor.
  int q_gap = 0;
};

inline std::string describe(const AttentionShape& shape) {
  std::string text = std::to_string(shape.num_q_heads) + "/" + std::to_string(shape.num_kv_heads) + " heads of " +
                     std::to_string(shape.head_dim) + ", pages of " + std::to_string(shape.page_size) +
                     (shape.dtype == SGL_BF16 ? ", bf16" : ", f32") + ", window " + std::to_string(shape.window) +
                     ", soft cap " + std::to_string(shape.soft_cap) + (shape.has_sinks ? ", sinks" : "") + ", requests";
  for (const RequestShape& r : shape.requests) {
    text += " " + std::to_string(r.num_queries) + "/" + std::to_string(r.kv_length);
  }
  return text;
}

/// An attention plan for the length of a scope.
class Plan {
 public:
  Plan(sgl_context* context, const sgl_attention_desc& desc) { EXPECT_OK(sgl_attention_plan_create(context, &plan_, &desc)); }
  ~Plan() { sgl_attention_plan_destroy(plan_); }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  operator sgl_attention_plan*() const { return plan_; }

 private:
  sgl_attention_plan* plan_ = nullptr;
};

/// A shape with data, the same for the same shape and test. Requests own randomly permuted pages; every cache row that no
/// request reaches is NaN, and so is `out` before a run.
struct AttentionCase {
  explicit AttentionCase(const AttentionShape& given)
      : shape(given),
        desc(desc_of(given)),
        q(given.dtype, {desc.max_tokens, given.num_q_heads, given.head_dim},
          HostTensor::gapped({desc.max_tokens, given.num_q_heads, given.head_dim}, given.q_gap)),
        k(given.dtype, cache_shape(given)),
        v(given.dtype, cache_shape(given)),
        out(given.dtype, {desc.max_tokens, given.num_q_heads, given.head_dim}),
        sinks(HostTensor::normal(random, SGL_F32, {given.num_q_heads})) {
    query_start = {0};
    int num_pages = 0;
    for (const RequestShape& r : shape.requests) {
      query_start.push_back(query_start.back() + r.num_queries);
      kv_length.push_back(r.kv_length);
      page_start.push_back(num_pages);
      num_pages += pages_of(shape, r);
    }
    pages.resize(num_pages);
    std::iota(pages.begin(), pages.end(), 1);
    for (int i = num_pages - 1; i > 0; --i) std::swap(pages[i], pages[random.integer(0, i)]);

    q.fill_normal(random);
    for (size_t r = 0; r < shape.requests.size(); ++r) {
      for (int key = 0; key < kv_length[r]; ++key) {
        // A few keys that stand out move the running maximum at many places.
        const double strength = key % 7 == 0 ? 3 : 1;
        const int64_t page = pages[page_start[r] + key / shape.page_size];
        for (int64_t head = 0; head < shape.num_kv_heads; ++head) {
          const int64_t row = (page * shape.num_kv_heads + head) * shape.page_size + key % shape.page_size;
          for (int64_t i = row * shape.head_dim; i < (row + 1) * shape.head_dim; ++i) {
            k.set(i, strength * random.normal());
            v.set(i, random.normal());
          }
        }
      }
    }
  }

  sgl_attention_batch batch() const {
    return {static_cast<int32_t>(kv_length.size()), 0, query_start.data(), kv_length.data(), page_start.data(), pages.data()};
  }

  void run_once(sgl_context* context, sgl_attention_plan* plan) {
    out.poison();
    ASSERT_OK(
        sgl_attention_run(context, plan, out, q, k, v, shape.has_sinks ? static_cast<const sgl_tensor*>(sinks) : nullptr));
  }

  /// Twice, since the second run reuses all workspaces; both must give the same bits.
  void run() {
    const Context context(shape.num_threads);
    const Plan plan(context, desc);
    const sgl_attention_batch step = batch();
    ASSERT_OK(sgl_attention_plan_update(context, plan, &step));
    run_once(context, plan);
    const HostTensor first = out.clone();
    run_once(context, plan);
    ASSERT_EQ(std::memcmp(first.data<char>(), out.data<char>(), num_out_bytes()), 0) << "the second run differs";
  }

  void run_and_compare() {
    SCOPED_TRACE(describe(shape));
    run();
    EXPECT_TRUE(is_close(out, expected(), tolerance()));
  }

  std::vector<double> expected() const {
    return reference::attention(desc, batch(), q.view(), k.view(), v.view(), shape.has_sinks ? sinks.data<float>() : nullptr);
  }

  /// bf16: queries, keys and values are exact on both sides. Weights are rounded to 8 bits, and those errors average out;
  /// then comes the rounding of the result, half a unit of 2^-8.
  Tolerance tolerance() const { return shape.dtype == SGL_BF16 ? Tolerance{6e-3, 6e-3} : Tolerance{2e-5, 2e-5}; }

  int64_t row_elements() const { return static_cast<int64_t>(shape.num_q_heads) * shape.head_dim; }
  size_t num_out_bytes() const { return static_cast<size_t>(out.num_elements()) * (shape.dtype == SGL_BF16 ? 2 : 4); }

  static int pages_of(const AttentionShape& shape, const RequestShape& r) {
    return (r.kv_length + shape.page_size - 1) / shape.page_size;
  }
  static Shape cache_shape(const AttentionShape& shape) {
    int64_t num_pages = 2;
    for (const RequestShape& r : shape.requests) num_pages += pages_of(shape, r);
    return {num_pages, shape.num_kv_heads, shape.page_size, shape.head_dim};
  }
  static sgl_attention_desc desc_of(const AttentionShape& shape) {
    sgl_attention_desc desc{};
    desc.num_q_heads = shape.num_q_heads;
    desc.num_kv_heads = shape.num_kv_heads;
    desc.head_dim = shape.head_dim;
    desc.page_size = shape.page_size;
    desc.dtype = shape.dtype;
    desc.window = shape.window;
    desc.scale = 1.0f / std::sqrt(static_cast<float>(shape.head_dim));
    desc.soft_cap = shape.soft_cap;
    for (const RequestShape& r : shape.requests) desc.max_tokens += r.num_queries;
    desc.max_requests = static_cast<int32_t>(shape.requests.size());
    return desc;
  }

  AttentionShape shape;
  sgl_attention_desc desc;
  Random random;
  HostTensor q;  // [num_tokens, num_q_heads, head_dim]
  HostTensor k;  // [num_pages, num_kv_heads, page_size, head_dim]
  HostTensor v;
  HostTensor out;
  HostTensor sinks;
  std::vector<int32_t> query_start;
  std::vector<int32_t> kv_length;
  std::vector<int32_t> page_start;
  std::vector<int32_t> pages;
};

}  // namespace sgl::test
