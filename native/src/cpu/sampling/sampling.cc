#include "cpu/sampling/sampling.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>

#include "cpu/sampling/row_scan.hpp"
#include "cpu/sampling/sort_key.hpp"
#include "cpu/sampling/token_filter.hpp"

namespace sgl::cpu {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLowest = std::numeric_limits<float>::lowest();

template <class T>
T* row_of(const sgl_tensor& tensor, int64_t row) {
  return static_cast<T*>(tensor.data) + row * tensor.stride[0];
}

// Edits of the logits

/// Presence, then frequency, then repetition.
void apply_penalties(float* logits, const sgl_sampling_row& row, const sgl_sampling_lists& lists, int64_t r) {
  for (int32_t i = lists.penalty_start[r]; i < lists.penalty_start[r + 1]; ++i) {
    float logit = clean_logit(logits[lists.penalty_ids[i]]);
    logit -= row.presence_penalty;
    logit -= row.frequency_penalty * static_cast<float>(lists.penalty_counts[i]);
    logits[lists.penalty_ids[i]] = logit > 0 ? logit / row.repetition_penalty : logit * row.repetition_penalty;
  }
}

/// Forbids ids [begin, end) whose bit is not set; `begin` is a multiple of 32.
void apply_mask(float* logits, int64_t begin, int64_t end, const int32_t* allowed) {
  for (int64_t first = begin; first < end; first += 32) {
    const auto word = static_cast<uint32_t>(allowed[first / 32]);
    if (word == 0xffffffffu) continue;
    const int64_t count = std::min<int64_t>(32, end - first);
    for (int64_t bit = 0; bit < count; ++bit) {
      if ((word >> bit & 1) == 0) logits[first + bit] = -kInfinity;
    }
  }
}

void apply_biases(float* logits, const sgl_sampling_lists& lists, int64_t r) {
  for (int32_t i = lists.bias_start[r]; i < lists.bias_start[r + 1]; ++i) {
    float& logit = logits[lists.bias_ids[i]];
    logit = lists.bias_values[i] == -kInfinity ? -kInfinity : clean_logit(logit) + lists.bias_values[i];
  }
}

// Draws

/// A uniform of (seed, position) in [0, 1) with 53 bits: output position + 1 of the SplitMix64 sequence that starts at seed.
double uniform(uint64_t seed, uint64_t position) {
  uint64_t z = seed + (position + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/// The seeded draw's hash of a step and an id. All arithmetic is on 64 bits and wraps; only the low 24 bits of the last result
/// are used, and those are the same whether the factors count as signed or unsigned, and whether the remainder of 2^24 is
/// taken as floor or by a mask.
uint64_t step_hash(const sgl_sampling_row& row) {
  const uint64_t step = row.seed * 19349663u ^ static_cast<uint64_t>(row.position) * 73856093u;
  return step * 8589934591u;
}

/// log(p + 1e-10) + Gumbel noise; p is the probability before filters.
double gumbel_score(uint64_t step, int32_t id, double p) {
  const uint64_t hash = step ^ static_cast<uint64_t>(id) * 479001599u;
  const double u = std::clamp(static_cast<double>(hash & 0xffffffu) * 0x1p-24, 1e-10, 1 - 1e-10);
  return std::log(p + 1e-10) - std::log(-std::log(u));
}

struct Winner {
  double score = -std::numeric_limits<double>::infinity();
  int32_t id = INT32_MAX;

  void challenge(const Winner& other) {
    if (other.score > score || (other.score == score && other.id < id)) *this = other;
  }
};

int32_t draw_seeded(const RowScan& scan, const sgl_sampling_row& row, const Kept& kept) {
  const uint64_t step = step_hash(row);
  const auto enter = [&](Winner& winner, int32_t id, float logit) {
    winner.challenge({gumbel_score(step, id, scan.weight_of(logit) / scan.total()), id});
  };
  Winner winner;
  if (kept.num_listed >= 0) {
    for (int64_t i = 0; i < kept.num_listed; ++i) {
      enter(winner, id_of(scan.memory().keys[i]), logit_of(scan.memory().keys[i]));
    }
    return winner.id;
  }
  // Single precision finds the few that can win, double precision the winner. The row's keys are free: one slot a chunk.
  double* scores = scan.memory().chunk_sums;
  uint64_t* ids = scan.memory().keys;
  scan.for_each_chunk([&](int chunk) {
    float times[kChunk];
    const LogitSpan span = scan.span(chunk);
    const float least = scan.kernels().race(span, scan.weighting(), kept.cut, static_cast<float>(scan.total()),
                                            static_cast<uint32_t>(step), times);
    Winner best;
    const float bound = least * 1.001f;
    if (least < kInfinity) {
      for (int32_t i = 0; i < span.count; ++i) {
        if (times[i] <= bound) enter(best, span.first_id + i, clean_logit(span.logits[i]));
      }
    }
    scores[chunk] = best.score;
    ids[chunk] = static_cast<uint64_t>(best.id);
  });
  for (int chunk = 0; chunk < scan.num_chunks(); ++chunk) winner.challenge({scores[chunk], static_cast<int32_t>(ids[chunk])});
  return winner.id;
}

/// The first id, in rising order, at which the sum of kept weights passes u times their total.
int32_t draw_unseeded(const RowScan& scan, const sgl_sampling_row& row, const Kept& kept) {
  const double u = uniform(row.seed, static_cast<uint64_t>(row.position));
  if (kept.num_listed >= 0) {
    uint64_t* keys = scan.memory().keys;
    std::sort(keys, keys + kept.num_listed, [](uint64_t a, uint64_t b) { return id_of(a) < id_of(b); });
    double mass = 0;
    for (int64_t i = 0; i < kept.num_listed; ++i) mass += scan.weight_of(logit_of(keys[i]));
    double left = u * mass;
    for (int64_t i = 0; i < kept.num_listed; ++i) {
      left -= scan.weight_of(logit_of(keys[i]));
      if (left < 0) return id_of(keys[i]);
    }
    return id_of(keys[kept.num_listed - 1]);
  }
  double* sums = scan.memory().chunk_sums;
  if (!kept.is_all) {
    scan.for_each_chunk([&](int chunk) {
      float weights[kChunk];
      sums[chunk] = scan.kernels().weigh(scan.span(chunk), scan.weighting(), kept.cut, weights);
    });
  }
  double mass = 0;
  int last = 0;
  for (int chunk = 0; chunk < scan.num_chunks(); ++chunk) {
    mass += sums[chunk];
    if (sums[chunk] > 0) last = chunk;
  }
  double left = u * mass;
  int chunk = 0;
  while (chunk < last && left >= sums[chunk]) left -= sums[chunk++];

  float weights[kChunk];
  const LogitSpan span = scan.span(chunk);
  scan.kernels().weigh(span, scan.weighting(), kept.cut, weights);
  int32_t id = span.first_id;
  for (int32_t i = 0; i < span.count; ++i) {
    if (weights[i] == 0) continue;
    id = span.first_id + i;  // rounding may leave a rest, which the last kept id takes
    left -= static_cast<double>(weights[i]);
    if (left < 0) break;
  }
  return id;
}

// Rows

void sample_row(const sgl_sampling_args& args, int64_t r, const SamplingKernels& kernels, RowMemory memory, ThreadPool* pool) {
  const int64_t vocabulary = args.logits->shape[1];
  const sgl_sampling_row& row = args.rows[r];
  auto* logits = row_of<float>(*args.logits, r);
  int32_t& id = *row_of<int32_t>(*args.ids, r);
  float* logprob = args.logprobs != nullptr ? row_of<float>(*args.logprobs, r) : nullptr;
  RowScan scan(kernels, logits, vocabulary, memory, pool);

  if (args.lists != nullptr && args.lists->penalty_start != nullptr) apply_penalties(logits, row, *args.lists, r);
  if (args.allowed != nullptr) {
    const auto* allowed = row_of<const int32_t>(*args.allowed, r);
    scan.for_each_chunk([&](int chunk) {
      const LogitSpan span = scan.span(chunk);
      apply_mask(logits, span.first_id, span.first_id + span.count, allowed);
    });
  }
  if (args.lists != nullptr && args.lists->bias_start != nullptr) apply_biases(logits, *args.lists, r);

  if (scan.find_max() == -kInfinity) {
    id = -1;
    if (logprob != nullptr) *logprob = kLowest;
    return;
  }
  const bool is_greedy = row.temperature == 0;
  if (!is_greedy || logprob != nullptr) scan.sum_weights(is_greedy ? 1.0 : static_cast<double>(row.temperature));
  if (is_greedy) {
    id = scan.argmax();
  } else {
    const Kept kept = filter(scan, row);
    id = row.seeded != 0 ? draw_seeded(scan, row, kept) : draw_unseeded(scan, row, kept);
  }
  if (logprob != nullptr) *logprob = scan.logprob_of(clean_logit(logits[id]));
}

/// The k largest in order; forbidden ids, lowest first, fill up where fewer are allowed.
void write_top(const RowScan& scan, const float* logits, int64_t k, float* top_logprobs, int32_t* top_ids) {
  const int64_t num_keys = scan.largest(k);
  for (int64_t i = 0; i < num_keys; ++i) {
    top_ids[i] = id_of(scan.memory().keys[i]);
    top_logprobs[i] = scan.logprob_of(logit_of(scan.memory().keys[i]));
  }
  int32_t id = 0;
  for (int64_t i = num_keys; i < k; ++i, ++id) {
    while (logits[id] != -kInfinity) ++id;
    top_ids[i] = id;
    top_logprobs[i] = kLowest;
  }
}

void logprob_row(const sgl_logprob_args& args, int64_t r, const SamplingKernels& kernels, RowMemory memory, ThreadPool* pool) {
  const int64_t vocabulary = args.logits->shape[1];
  const auto* logits = row_of<const float>(*args.logits, r);
  const float given = args.temperatures != nullptr ? args.temperatures[r] : 1.0f;
  RowScan scan(kernels, logits, vocabulary, memory, pool);
  if (scan.find_max() > -kInfinity) scan.sum_weights(given > 0 ? static_cast<double>(given) : 1.0);

  const int32_t target = *row_of<const int32_t>(*args.targets, r);
  *row_of<float>(*args.target_logprobs, r) =
      target < 0 || target >= vocabulary ? kLowest : scan.logprob_of(clean_logit(logits[target]));
  if (args.top_ids == nullptr || args.top_ids->shape[1] == 0) return;
  write_top(scan, logits, args.top_ids->shape[1], row_of<float>(*args.top_logprobs, r), row_of<int32_t>(*args.top_ids, r));
}

/// body(row, memory, pool) for all rows: a worker a row where there are enough of them, else all workers on one row at a time.
template <class Body>
void for_each_row(CpuContext& context, int64_t num_rows, int64_t vocabulary, const Body& body) {
  const size_t row_bytes = RowMemory::num_bytes(vocabulary);
  std::byte* memory = context.scratch.reserve(row_bytes * static_cast<size_t>(context.pool.size()));
  if (num_rows < context.pool.size()) {
    for (int64_t row = 0; row < num_rows; ++row) body(row, RowMemory(memory, vocabulary), &context.pool);
    return;
  }
  context.pool.for_each(num_rows, 1, [&](int worker, int64_t begin, int64_t end) {
    const RowMemory own(memory + static_cast<size_t>(worker) * row_bytes, vocabulary);
    for (int64_t row = begin; row < end; ++row) body(row, own, nullptr);
  });
}

}  // namespace

void sample(CpuContext& context, const sgl_sampling_args& args) {
  const SamplingKernels& kernels = SGL_SELECT_KERNELS(context.isa, kSamplingKernels);
  for_each_row(context, args.logits->shape[0], args.logits->shape[1],
               [&](int64_t row, RowMemory memory, ThreadPool* pool) { sample_row(args, row, kernels, memory, pool); });
}

void argmax_shard(CpuContext& context, const sgl_tensor& best, const sgl_tensor& logits, int32_t first_id) {
  const SamplingKernels& kernels = SGL_SELECT_KERNELS(context.isa, kSamplingKernels);
  const int64_t vocabulary = logits.shape[1];
  if (vocabulary == 0) {
    for (int64_t row = 0; row < best.shape[0]; ++row) std::memset(row_of<int32_t>(best, row), 0xff, sizeof(uint64_t));
    return;
  }
  for_each_row(context, logits.shape[0], vocabulary, [&](int64_t row, RowMemory memory, ThreadPool* pool) {
    RowScan scan(kernels, row_of<const float>(logits, row), vocabulary, memory, pool);
    const float max = scan.find_max();
    const uint64_t key = sort_key(max, scan.argmax() + first_id);
    std::memcpy(row_of<int32_t>(best, row), &key, sizeof key);
  });
}

void argmax_merge(CpuContext&, const sgl_tensor& ids, const sgl_tensor& best) {
  for (int64_t row = 0; row < ids.shape[0]; ++row) {
    uint64_t least = ~uint64_t{0};
    for (int64_t part = 0; part < best.shape[1] / 2; ++part) {
      uint64_t key;
      std::memcpy(&key, row_of<const int32_t>(best, row) + 2 * part, sizeof key);
      least = std::min(least, key);
    }
    // What no part has is a NaN.
    *row_of<int32_t>(ids, row) = logit_of(least) > -kInfinity ? id_of(least) : -1;
  }
}

void logprobs(CpuContext& context, const sgl_logprob_args& args) {
  const SamplingKernels& kernels = SGL_SELECT_KERNELS(context.isa, kSamplingKernels);
  for_each_row(context, args.logits->shape[0], args.logits->shape[1],
               [&](int64_t row, RowMemory memory, ThreadPool* pool) { logprob_row(args, row, kernels, memory, pool); });
}

}  // namespace sgl::cpu
