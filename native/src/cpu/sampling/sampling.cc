#include "cpu/sampling/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

namespace sgl::cpu {

namespace {

constexpr float kNanLogit = -1e5f;
constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLowest = std::numeric_limits<float>::lowest();

float clean(float logit) { return logit != logit ? kNanLogit : std::min(logit, std::numeric_limits<float>::max()); }

float* row_of(const sgl_tensor& tensor, int64_t row) { return static_cast<float*>(tensor.data) + row * tensor.stride[0]; }

void edit(float* logits, int64_t vocabulary, const sgl_sampling_row& row, const sgl_sampling_lists* lists, int64_t r,
          const int32_t* allowed) {
  if (lists && lists->penalty_start) {
    for (int32_t i = lists->penalty_start[r]; i < lists->penalty_start[r + 1]; ++i) {
      float& logit = logits[lists->penalty_ids[i]];
      logit = clean(logit) - row.presence_penalty - row.frequency_penalty * static_cast<float>(lists->penalty_counts[i]);
      logit = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
    }
  }
  if (allowed) {
    for (int64_t id = 0; id < vocabulary; ++id) {
      if (!(static_cast<uint32_t>(allowed[id / 32]) >> (id % 32) & 1)) logits[id] = -kInfinity;
    }
  }
  if (lists && lists->bias_start) {
    for (int32_t i = lists->bias_start[r]; i < lists->bias_start[r + 1]; ++i) {
      float& logit = logits[lists->bias_ids[i]];
      logit = lists->bias_values[i] == -kInfinity ? -kInfinity : clean(logit) + lists->bias_values[i];
    }
  }
}

double uniform_of(uint64_t seed, uint64_t position) {
  uint64_t z = seed + (position + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

void sample_row(const sgl_sampling_args& args, int64_t r) {
  const int64_t vocabulary = args.logits->shape[1];
  float* logits = row_of(*args.logits, r);
  const sgl_sampling_row& row = args.rows[r];
  const int32_t* allowed =
      args.allowed ? static_cast<const int32_t*>(args.allowed->data) + r * args.allowed->stride[0] : nullptr;
  edit(logits, vocabulary, row, args.lists, r, allowed);

  int32_t& id = static_cast<int32_t*>(args.ids->data)[r * args.ids->stride[0]];
  float* logprob = args.logprobs ? static_cast<float*>(args.logprobs->data) + r * args.logprobs->stride[0] : nullptr;
  int32_t top = 0;
  for (int64_t i = 1; i < vocabulary; ++i) {
    if (clean(logits[i]) > clean(logits[top])) top = static_cast<int32_t>(i);
  }
  const float max = clean(logits[top]);
  if (max == -kInfinity) {
    id = -1;
    if (logprob) *logprob = kLowest;
    return;
  }
  const double temperature = row.temperature > 0 ? row.temperature : 1;
  std::vector<double> e(vocabulary);
  double total = 0;
  for (int64_t i = 0; i < vocabulary; ++i) {
    e[i] = std::exp((static_cast<double>(clean(logits[i])) - max) / temperature);
    total += e[i];
  }
  id = top;
  if (row.temperature > 0) {
    std::vector<int32_t> order(vocabulary);
    for (int64_t i = 0; i < vocabulary; ++i) order[i] = static_cast<int32_t>(i);
    std::sort(order.begin(), order.end(), [&](int32_t a, int32_t b) {
      return clean(logits[a]) != clean(logits[b]) ? clean(logits[a]) > clean(logits[b]) : a < b;
    });
    const int64_t k = row.top_k > 0 && row.top_k < vocabulary ? row.top_k : vocabulary;
    double norm = total;
    if (row.min_p > 0) {
      norm = 0;
      for (int64_t i = 0; i < k; ++i) norm += e[order[i]];
    }
    std::vector<int32_t> kept;
    double before = 0;
    for (int64_t i = 0; i < k; ++i) {
      const int32_t candidate = order[i];
      if (i > 0 && row.top_p < 1 && before > static_cast<double>(row.top_p) * norm) break;
      if (i > 0 && (e[candidate] < row.min_p || clean(logits[candidate]) == -kInfinity)) break;
      before += e[candidate];
      kept.push_back(candidate);
    }
    std::sort(kept.begin(), kept.end());
    if (row.seeded) {
      const uint64_t step = row.seed * 19349663u ^ static_cast<uint64_t>(row.position) * 73856093u;
      double best = -std::numeric_limits<double>::infinity();
      for (const int32_t candidate : kept) {
        const uint64_t hash = step * 8589934591u ^ static_cast<uint64_t>(candidate) * 479001599u;
        const double u = std::clamp(static_cast<double>(hash & 0xffffff) * 0x1p-24, 1e-10, 1 - 1e-10);
        const double score = std::log(e[candidate] / total + 1e-10) - std::log(-std::log(u));
        if (score > best) {
          best = score;
          id = candidate;
        }
      }
    } else {
      double rest = uniform_of(row.seed, static_cast<uint64_t>(row.position)) * before;
      for (const int32_t candidate : kept) {
        id = candidate;
        rest -= e[candidate];
        if (rest < 0) break;
      }
    }
  }
  if (logprob) *logprob = std::max(kLowest, static_cast<float>((clean(logits[id]) - max) / temperature - std::log(total)));
}

void logprob_row(const sgl_logprob_args& args, int64_t r) {
  const int64_t vocabulary = args.logits->shape[1];
  const float* logits = row_of(*args.logits, r);
  const double temperature = args.temperatures && args.temperatures[r] > 0 ? args.temperatures[r] : 1;
  float max = clean(logits[0]);
  for (int64_t i = 1; i < vocabulary; ++i) max = std::max(max, clean(logits[i]));
  double total = 0;
  for (int64_t i = 0; i < vocabulary; ++i) {
    total += max == -kInfinity ? 0 : std::exp((static_cast<double>(clean(logits[i])) - max) / temperature);
  }
  const auto logprob = [&](int64_t id) {
    const float logit = clean(logits[id]);
    if (logit == -kInfinity) return kLowest;
    return std::max(kLowest, static_cast<float>((static_cast<double>(logit) - max) / temperature - std::log(total)));
  };
  const int32_t target = static_cast<const int32_t*>(args.targets->data)[r * args.targets->stride[0]];
  static_cast<float*>(args.target_logprobs->data)[r * args.target_logprobs->stride[0]] =
      target < 0 || target >= vocabulary ? kLowest : logprob(target);
  if (!args.top_ids) return;
  const int64_t k = args.top_ids->shape[1];
  std::vector<int32_t> order(vocabulary);
  for (int64_t i = 0; i < vocabulary; ++i) order[i] = static_cast<int32_t>(i);
  std::partial_sort(order.begin(), order.begin() + k, order.end(), [&](int32_t a, int32_t b) {
    return clean(logits[a]) != clean(logits[b]) ? clean(logits[a]) > clean(logits[b]) : a < b;
  });
  for (int64_t i = 0; i < k; ++i) {
    static_cast<int32_t*>(args.top_ids->data)[r * args.top_ids->stride[0] + i] = order[i];
    row_of(*args.top_logprobs, r)[i] = logprob(order[i]);
  }
}

}  // namespace

void sample(CpuContext& context, const sgl_sampling_args& args) {
  context.pool.for_each(args.logits->shape[0], 1, [&](int, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) sample_row(args, r);
  });
}

void logprobs(CpuContext& context, const sgl_logprob_args& args) {
  context.pool.for_each(args.logits->shape[0], 1, [&](int, int64_t begin, int64_t end) {
    for (int64_t r = begin; r < end; ++r) logprob_row(args, r);
  });
}

}  // namespace sgl::cpu
