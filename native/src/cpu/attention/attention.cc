#include "cpu/attention/attention.hpp"

#include <cmath>
#include <cstring>
#include <limits>
#include <vector>

#include "abi/error.hpp"

namespace sgl::cpu {

namespace {

struct AttentionPlan : sgl_attention_plan {
  std::vector<int32_t> query_start;
  std::vector<int32_t> kv_length;
  std::vector<int32_t> page_start;
  std::vector<int32_t> pages;
  std::vector<int32_t> request_of_token;
};

float load(const sgl_tensor& t, int64_t i) {
  if (t.dtype == SGL_F32) return static_cast<const float*>(t.data)[i];
  const uint32_t bits = static_cast<uint32_t>(static_cast<const uint16_t*>(t.data)[i]) << 16;
  float value;
  std::memcpy(&value, &bits, 4);
  return value;
}

void store(const sgl_tensor& t, int64_t i, float value) {
  if (t.dtype == SGL_F32) {
    static_cast<float*>(t.data)[i] = value;
    return;
  }
  uint32_t bits;
  std::memcpy(&bits, &value, 4);
  const uint32_t rounded = value != value ? (bits >> 16) | 0x40 : (bits + 0x7fff + ((bits >> 16) & 1)) >> 16;
  static_cast<uint16_t*>(t.data)[i] = static_cast<uint16_t>(rounded);
}

}  // namespace

std::unique_ptr<sgl_attention_plan> create_attention_plan(CpuContext&, const sgl_attention_desc& desc) {
  auto plan = std::make_unique<AttentionPlan>();
  plan->desc = desc;
  return plan;
}

void update_attention_plan(CpuContext&, sgl_attention_plan& base, const sgl_attention_batch& batch) {
  auto& plan = static_cast<AttentionPlan&>(base);
  const int n = batch.num_requests;
  plan.query_start.assign(batch.query_start, batch.query_start + n + 1);
  plan.kv_length.assign(batch.kv_length, batch.kv_length + n);
  plan.page_start.assign(batch.page_start, batch.page_start + n);
  plan.request_of_token.clear();
  int64_t num_pages = 0;
  for (int r = 0; r < n; ++r) {
    const int queries = batch.query_start[r + 1] - batch.query_start[r];
    if (queries > batch.kv_length[r]) {
      fail(SGL_INVALID_ARGUMENT, "attention_plan_update: request %d has %d query tokens but a kv_length of %d", r, queries,
           batch.kv_length[r]);
    }
    plan.request_of_token.insert(plan.request_of_token.end(), queries, r);
    const int64_t end =
        batch.page_start[r] + (static_cast<int64_t>(batch.kv_length[r]) + plan.desc.page_size - 1) / plan.desc.page_size;
    num_pages = end > num_pages ? end : num_pages;
  }
  plan.pages.assign(batch.pages, batch.pages + num_pages);
}

void attention(CpuContext& context, sgl_attention_plan& base, const sgl_tensor& out, const sgl_tensor& q,
               const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor* sinks) {
  const auto& plan = static_cast<AttentionPlan&>(base);
  const auto& desc = plan.desc;
  const int group = desc.num_q_heads / desc.num_kv_heads;
  const int64_t num_items = static_cast<int64_t>(plan.request_of_token.size()) * desc.num_q_heads;
  context.pool.for_each(num_items, 1, [&](int, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const int64_t row = item / desc.num_q_heads;
      const int head = static_cast<int>(item % desc.num_q_heads);
      const int request = plan.request_of_token[row];
      const int64_t token = plan.query_start[0] + row;
      const int position = plan.kv_length[request] - (plan.query_start[request + 1] - static_cast<int>(token));
      const int first = desc.window > 0 && position - desc.window + 1 > 0 ? position - desc.window + 1 : 0;
      float max = sinks ? static_cast<const float*>(sinks->data)[head] : -std::numeric_limits<float>::infinity();
      float sum = sinks ? 1.0f : 0.0f;
      float acc[256] = {};
      const int64_t q_at = token * q.stride[0] + head * q.stride[1];
      for (int key = first; key <= position; ++key) {
        const int64_t page = plan.pages[plan.page_start[request] + key / desc.page_size];
        const int64_t at = ((page * desc.num_kv_heads + head / group) * desc.page_size + key % desc.page_size) * desc.head_dim;
        float score = 0;
        for (int d = 0; d < desc.head_dim; ++d) score += load(q, q_at + d) * load(k_cache, at + d);
        score *= desc.scale;
        if (desc.soft_cap > 0) score = desc.soft_cap * std::tanh(score / desc.soft_cap);
        if (score > max) {
          const float shrink = std::exp(max - score);
          sum *= shrink;
          for (int d = 0; d < desc.head_dim; ++d) acc[d] *= shrink;
          max = score;
        }
        const float p = std::exp(score - max);
        sum += p;
        for (int d = 0; d < desc.head_dim; ++d) acc[d] += p * load(v_cache, at + d);
      }
      const int64_t out_at = token * out.stride[0] + head * out.stride[1];
      for (int d = 0; d < desc.head_dim; ++d) store(out, out_at + d, acc[d] / sum);
    }
  });
}

}  // namespace sgl::cpu
