#include "reference/attention.hpp"

#include <algorithm>
#include <cmath>

#include "reference/element.hpp"

namespace sgl::reference {

namespace {

/// Keys or values of one request and KV head: [kv_length, head_dim].
std::vector<double> cached_rows(const sgl_tensor& cache, const sgl_attention_desc& desc, const sgl_attention_batch& batch,
                                int request, int kv_head) {
  std::vector<double> rows;
  for (int64_t key = 0; key < batch.kv_length[request]; ++key) {
    const int64_t page = batch.pages[batch.page_start[request] + key / desc.page_size];
    for (int64_t d = 0; d < desc.head_dim; ++d) rows.push_back(load(cache, {page, kv_head, key % desc.page_size, d}));
  }
  return rows;
}

}  // namespace

std::vector<double> attention(const sgl_attention_desc& desc, const sgl_attention_batch& batch, const sgl_tensor& q,
                              const sgl_tensor& k_cache, const sgl_tensor& v_cache, const float* sinks) {
  const int64_t num_tokens = batch.num_requests == 0 ? 0 : batch.query_start[batch.num_requests];
  const int group = desc.num_q_heads / desc.num_kv_heads;
  std::vector<double> out(num_tokens * desc.num_q_heads * desc.head_dim);
  for (int r = 0; r < batch.num_requests; ++r) {
    if (batch.query_start[r] == batch.query_start[r + 1]) continue;
    std::vector<double> k, v;
    for (int head = 0; head < desc.num_q_heads; ++head) {
      if (head % group == 0) {
        k = cached_rows(k_cache, desc, batch, r, head / group);
        v = cached_rows(v_cache, desc, batch, r, head / group);
      }
      for (int64_t token = batch.query_start[r]; token < batch.query_start[r + 1]; ++token) {
        const int64_t position = batch.kv_length[r] - batch.query_start[r + 1] + token;
        const int64_t first = desc.window > 0 && position >= desc.window ? position - desc.window + 1 : 0;
        std::vector<double> query;
        for (int64_t d = 0; d < desc.head_dim; ++d) query.push_back(load(q, {token, head, d}));
        std::vector<double> scores;
        for (int64_t key = first; key <= position; ++key) {
          double score = 0;
          for (int64_t d = 0; d < desc.head_dim; ++d) score += query[d] * k[key * desc.head_dim + d];
          score *= desc.scale;
          if (desc.soft_cap > 0) score = desc.soft_cap * std::tanh(score / desc.soft_cap);
          scores.push_back(score);
        }
        double max = sinks ? sinks[head] : -INFINITY;
        for (const double score : scores) max = std::max(max, score);
        double sum = sinks ? std::exp(sinks[head] - max) : 0;
        for (const double score : scores) sum += std::exp(score - max);
        for (int64_t key = first; key <= position; ++key) {
          const double weight = std::exp(scores[key - first] - max) / sum;
          for (int64_t d = 0; d < desc.head_dim; ++d) {
            out[(token * desc.num_q_heads + head) * desc.head_dim + d] += weight * v[key * desc.head_dim + d];
          }
        }
      }
    }
  }
  return out;
}

}  // namespace sgl::reference
