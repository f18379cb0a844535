#include "reference/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "reference/element.hpp"

namespace sgl::reference {

namespace {

double without_nan(double logit) { return std::isnan(logit) ? -1e5 : logit; }

std::vector<double> edited_logits(const sgl_sampling_args& args, int64_t row) {
  const int64_t vocabulary = args.logits->shape[1];
  const sgl_sampling_row& settings = args.rows[row];
  std::vector<double> logits;
  for (int64_t id = 0; id < vocabulary; ++id) logits.push_back(without_nan(load(*args.logits, {row, id})));
  if (args.lists && args.lists->penalty_start) {
    for (int32_t i = args.lists->penalty_start[row]; i < args.lists->penalty_start[row + 1]; ++i) {
      double& logit = logits[args.lists->penalty_ids[i]];
      logit -= settings.presence_penalty;
      logit -= static_cast<double>(settings.frequency_penalty) * args.lists->penalty_counts[i];
      if (logit > 0) {
        logit /= settings.repetition_penalty;
      } else {
        logit *= settings.repetition_penalty;
      }
    }
  }
  if (args.allowed) {
    for (int64_t id = 0; id < vocabulary; ++id) {
      const auto word = static_cast<uint32_t>(load_id(*args.allowed, {row, id / 32}));
      if ((word & (1u << (id % 32))) == 0) logits[id] = -INFINITY;
    }
  }
  if (args.lists && args.lists->bias_start) {
    for (int32_t i = args.lists->bias_start[row]; i < args.lists->bias_start[row + 1]; ++i) {
      logits[args.lists->bias_ids[i]] += args.lists->bias_values[i];
    }
  }
  return logits;
}

/// spec/scheduler.md, section 10. Unsigned arithmetic of 64 bits, which wraps.
double seeded_score(uint64_t seed, int64_t position, uint64_t column, double probability) {
  const uint64_t step_seed = (seed * 19349663ull) ^ (static_cast<uint64_t>(position) * 73856093ull);
  const uint64_t hash = (step_seed * 8589934591ull) ^ (column * 479001599ull);
  double u = static_cast<double>(hash % (1ull << 24)) / static_cast<double>(1ull << 24);
  u = std::min(std::max(u, 1e-10), 1 - 1e-10);
  return std::log(probability + 1e-10) + -std::log(-std::log(u));
}

}  // namespace

std::vector<int32_t> order_of(const std::vector<double>& values) {
  std::vector<int32_t> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return values[a] > values[b]; });
  return order;
}

std::vector<double> log_softmax(const std::vector<double>& logits, double temperature) {
  double max = -INFINITY;
  for (const double logit : logits) max = std::max(max, without_nan(logit));
  double sum = 0;
  for (const double logit : logits) sum += std::exp((without_nan(logit) - max) / temperature);
  std::vector<double> result;
  for (const double logit : logits) result.push_back((without_nan(logit) - max) / temperature - std::log(sum));
  return result;
}

SampledRow sample(const sgl_sampling_args& args, int64_t row) {
  const sgl_sampling_row& settings = args.rows[row];
  SampledRow result;
  result.id = -1;
  result.logits = edited_logits(args, row);
  const std::vector<int32_t> order = order_of(result.logits);
  if (result.logits[order[0]] == -INFINITY) return result;
  result.logprobs = log_softmax(result.logits, settings.temperature > 0 ? settings.temperature : 1.0);
  if (settings.temperature == 0) {
    result.id = order[0];
    result.kept = {order[0]};
    result.probabilities = {1};
    return result;
  }
  const auto vocabulary = static_cast<int64_t>(order.size());
  const int64_t top_k = settings.top_k > 0 ? std::min<int64_t>(settings.top_k, vocabulary) : vocabulary;
  const auto probability = [&](int64_t rank) { return std::exp(result.logprobs[order[rank]]); };
  double total = 1;
  if (settings.min_p > 0) {
    total = 0;
    for (int64_t rank = 0; rank < top_k; ++rank) total += probability(rank);
  }
  double before = 0;
  double mass = 0;
  for (int64_t rank = 0; rank < top_k; ++rank) {
    const bool passes_top_p = settings.top_p >= 1 || before / total <= settings.top_p;
    const bool passes_min_p = probability(rank) >= settings.min_p * probability(0);
    const bool is_allowed = result.logits[order[rank]] > -INFINITY;
    if (rank == 0 || (passes_top_p && passes_min_p && is_allowed)) {
      result.kept.push_back(order[rank]);
      mass += probability(rank);
    }
    before += probability(rank);
  }
  std::sort(result.kept.begin(), result.kept.end());
  double best = -INFINITY;
  for (const int32_t id : result.kept) {
    result.probabilities.push_back(std::exp(result.logprobs[id]) / mass);
    const double score =
        seeded_score(settings.seed, settings.position, static_cast<uint64_t>(id), std::exp(result.logprobs[id]));
    if (settings.seeded && score > best) {
      best = score;
      result.id = id;
    }
  }
  return result;
}

}  // namespace sgl::reference
