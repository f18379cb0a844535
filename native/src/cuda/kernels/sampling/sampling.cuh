#pragma once

#include "cuda/kernels/sampling/cut.cuh"
#include "cuda/ptx/grid_dependency.cuh"
#include "sgl/sampling.h"

// Sampling of one row of logits by a cluster of up to 8 blocks, each with its part of the vocabulary. Greedy is one pass over
// the row, a plain draw two, top-k or top-p some four more; after the first all come from L2 while the rows fit it.

namespace sgl::cuda {

inline constexpr int kGreedyBlocksPerProcessor = 4;

struct SamplingParams {
  int32_t* ids;                  // [num_rows]
  float* logprobs;               // [num_rows] or null
  const float* logits;           // [num_rows, vocabulary]
  const sgl_sampling_row* rows;  // [num_rows], page-locked host memory
  int64_t logits_stride;
  int32_t vocabulary;
  int32_t blocks_per_row;
};

/// A draw's u of a row without a seed of its own; the generator of the CPU backend.
__device__ inline double uniform_of(uint64_t seed, uint64_t position) {
  uint64_t z = seed + (position + 1) * 0x9e3779b97f4a7c15u;
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
  return static_cast<double>((z ^ (z >> 31)) >> 11) * 0x1p-53;
}

/// Which ids a draw chooses among.
struct Kept {
  Cut cut;
  float min_p;
  Weighting weighting;

  __device__ bool operator()(float logit, int id) const {
    return logit > -INFINITY && cut.keeps(logit, id) && (min_p <= 0 || weighting.fast(logit) >= min_p);
  }
};

/// The id with the largest log p + Gumbel noise, where the noise is a hash of (seed, position, id): independent of the batch.
/// f32 scores find the few that could win, which f64 decides.
__device__ inline int draw_seeded(SamplingGroup& group, const LogitRow& row, const Kept& kept, const sgl_sampling_row& how,
                                  double total) {
  const uint64_t step = how.seed * 19349663u ^ static_cast<uint64_t>(how.position) * 73856093u;
  // The low 24 bits of the 64-bit hash come from the low bits of its factors alone.
  const uint32_t low_step = static_cast<uint32_t>(step * 8589934591u);
  const auto fraction = [&](int id) { return (low_step ^ static_cast<uint32_t>(id) * 479001599u) & 0xffffffu; };
  const float inverse_total = static_cast<float>(1 / total);
  const auto fast_score = [&](int id, float logit) {
    const float u = fmaxf(static_cast<float>(fraction(id)) * 0x1p-24f, 1e-10f);
    return logf(kept.weighting.fast(logit) * inverse_total + 1e-10f) - logf(-logf(u));
  };
  double best_fast = -INFINITY;
  row.for_each([&](int id, float logit) {
    if (kept(logit, id)) best_fast = fmax(best_fast, static_cast<double>(fast_score(id, logit)));
  });
  best_fast = group.reduce(best_fast, Max());
  const float bound = static_cast<float>(best_fast) - 1e-4f * (1 + fabsf(static_cast<float>(best_fast)));

  double best = -INFINITY;
  int best_id = INT32_MAX;
  row.for_each([&](int id, float logit) {
    if (!kept(logit, id) || fast_score(id, logit) < bound) return;
    const double u = fmax(static_cast<double>(fraction(id)) * 0x1p-24, 1e-10);
    const double score = log(kept.weighting.exact(logit) / total + 1e-10) - log(-log(u));
    if (score > best) {
      best = score;
      best_id = id;
    }
  });
  const double winner = group.reduce(best, Max());
  const unsigned long long id = best == winner ? 0xffffffffu - static_cast<uint32_t>(best_id) : 0;
  return static_cast<int>(0xffffffffu - static_cast<uint32_t>(group.reduce(id, Max())));
}

/// Walks the kept ids in rising order until their weights exceed u of their sum. Returns the id in one lane of the group and -1
/// in all others.
__device__ inline int draw_uniform(SamplingGroup& group, const LogitRow& row, const Kept& kept, const sgl_sampling_row& how) {
  constexpr int kWarps = SamplingGroup::kWarps;
  __shared__ double warp_sums[kWarps];
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const auto weight_of = [&](int id, float logit) {
    return kept(logit, id) ? static_cast<double>(kept.weighting.fast(logit)) : 0.0;
  };
  // Sums the kept weights of [begin, end) by warps. Neighbouring ids belong to one warp, so that sums of warps and blocks are
  // sums of ranges of ids, `share` of each. All warps may read the sums until the next call.
  const auto sum_by_warps = [&](int begin, int end, int share) {
    double sum = 0;
    const int first = min(begin + warp * share, end);
    row.for_each_of(first + lane, min(first + share, end), kWarpSize,
                    [&](int id, float logit) { sum += weight_of(id, logit); });
    sum = warp_reduce(sum, Sum());
    __syncthreads();
    if (lane == 0) warp_sums[warp] = sum;
    __syncthreads();
  };
  const auto share_of = [](int count) { return ((count + kWarps - 1) / kWarps + kWarpSize - 1) / kWarpSize * kWarpSize; };

  int begin = row.begin, end = row.end, share = share_of(row.end - row.begin);
  sum_by_warps(begin, end, share);
  double block_sum = 0;
  for (int i = 0; i < kWarps; ++i) block_sum += warp_sums[i];
  double block_sums[SamplingGroup::kMaxBlocks];
  group.gather(block_sums, block_sum);
  double all = 0;
  for (int i = 0; i < group.num_blocks(); ++i) all += block_sums[i];
  double rest = uniform_of(how.seed, static_cast<uint64_t>(how.position)) * all;

  // The first range whose weights exceed the rest; by rounding there may be none, and then it is the last that has any.
  const auto find = [&](const double* sums, int count) {
    int owner = -1;
    double rest_of_owner = 0, left = rest;
    for (int i = 0; i < count; ++i) {
      if (!(sums[i] > 0)) continue;
      owner = i;
      rest_of_owner = left;
      if (left < sums[i]) break;
      left -= sums[i];
    }
    rest = rest_of_owner;
    return owner;
  };
  if (find(block_sums, group.num_blocks()) != group.block()) return -1;
  // All warps of the block go on with the share of one of them, until that is one id a lane.
  while (true) {
    const int owner = find(warp_sums, kWarps);
    if (owner < 0) return -1;  // no id is kept
    begin += owner * share;
    end = min(begin + share, end);
    if (share == kWarpSize) break;
    share = share_of(end - begin);
    sum_by_warps(begin, end, share);
  }
  if (warp != 0) return -1;
  const int id = begin + lane;
  const double weight = id < end ? weight_of(id, row[id]) : 0;
  double through = weight;
#pragma unroll
  for (int distance = 1; distance < kWarpSize; distance *= 2) {
    const double before = __shfl_up_sync(0xffffffffu, through, distance);
    if (lane >= distance) through += before;
  }
  const unsigned has_weight = __ballot_sync(0xffffffffu, weight > 0);
  const unsigned exceeds = __ballot_sync(0xffffffffu, weight > 0 && through > rest);
  const int winner = exceeds != 0 ? __ffs(static_cast<int>(exceeds)) - 1 : 31 - __clz(static_cast<int>(has_weight));
  return lane == winner ? id : -1;
}

/// For rows that are all greedy and of which no log-probability is asked: few registers, so that several blocks share a
/// processor, and nothing is read from the host.
__global__ void __launch_bounds__(kSamplingThreads, kGreedyBlocksPerProcessor)
    greedy_kernel(const __grid_constant__ SamplingParams params) {
  __shared__ SamplingGroup::Shared shared;
  SamplingGroup group(shared, params.blocks_per_row);
  const int r = group.row();
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  const LogitRow row(params.logits + r * params.logits_stride, params.vocabulary, group);
  const int id = id_of(largest(group, row, ~0ull));
  if (group.block() == 0 && threadIdx.x == 0) params.ids[r] = row[id] == -INFINITY ? -1 : id;
  group.synchronize();
}

// NOTE: some spills, and still a quarter faster with 256 rows than one block a processor.
__global__ void __launch_bounds__(kSamplingThreads, 2) sample_kernel(const __grid_constant__ SamplingParams params) {
  __shared__ SamplingGroup::Shared shared;
  __shared__ CutList list;
  __shared__ sgl_sampling_row how;
  SamplingGroup group(shared, params.blocks_per_row);
  const int r = group.row();
  static_assert(sizeof(sgl_sampling_row) % 4 == 0, "copied by words");
  if (threadIdx.x < sizeof how / 4) {
    reinterpret_cast<uint32_t*>(&how)[threadIdx.x] = reinterpret_cast<const uint32_t*>(params.rows + r)[threadIdx.x];
  }
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  __syncthreads();

  const LogitRow row(params.logits + r * params.logits_stride, params.vocabulary, group);
  const unsigned long long top = largest(group, row, ~0ull);
  const bool is_writer = group.block() == 0 && threadIdx.x == 0;
  const float max = row[id_of(top)];
  if (max == -INFINITY) {
    if (is_writer) {
      params.ids[r] = -1;
      if (params.logprobs != nullptr) params.logprobs[r] = -FLT_MAX;
    }
    return group.synchronize();
  }
  const Weighting weighting(max, how.temperature);
  const bool is_greedy = how.temperature <= 0;
  const bool needs_total = params.logprobs != nullptr || (!is_greedy && (how.top_p < 1 || how.seeded != 0));
  const double total = needs_total ? total_weight(group, row, weighting) : 1;

  int id = is_writer ? id_of(top) : -1;  // in one lane of the group, -1 in all others
  if (!is_greedy) {
    Kept kept{Cut(), how.min_p, weighting};
    const int k = how.top_k > 0 ? min(how.top_k, params.vocabulary) : params.vocabulary;
    if (k < params.vocabulary || how.top_p < 1) {
      double norm = total;
      if (how.min_p > 0 && k < params.vocabulary && how.top_p < 1) {
        const Cut top_k = find_cut(group, row, weighting, params.vocabulary, k, INFINITY, list);
        norm = 0;
        row.for_each([&](int i, float logit) { norm += top_k.keeps(logit, i) ? weighting.fast(logit) : 0; });
        norm = group.reduce(norm, Sum());
      }
      const double max_weight = how.top_p < 1 ? static_cast<double>(how.top_p) * norm : INFINITY;
      kept.cut = find_cut(group, row, weighting, params.vocabulary, k, max_weight, list);
    }
    if (how.seeded != 0) {
      const int drawn = draw_seeded(group, row, kept, how, total);
      id = is_writer ? drawn : -1;
    } else {
      id = draw_uniform(group, row, kept, how);
    }
  }
  if (id >= 0) {
    params.ids[r] = id;
    if (params.logprobs != nullptr) params.logprobs[r] = weighting.log_probability(row[id], total);
  }
  group.synchronize();
}

struct EditParams {
  float* logits;                 // [num_rows, vocabulary]
  const sgl_sampling_row* rows;  // [num_rows], like all lists in page-locked host memory
  const int32_t* penalty_start;  // [num_rows + 1] or null
  const int32_t* penalty_ids;
  const int32_t* penalty_counts;
  const int32_t* bias_start;  // [num_rows + 1] or null
  const int32_t* bias_ids;
  const float* bias_values;
  const int32_t* allowed;  // [num_rows, ceil(vocabulary / 32)] or null
  int64_t logits_stride;
  int64_t allowed_stride;
  int32_t vocabulary;
};

/// Penalties, then the mask, then biases, a block a row. The ids of one list are different.
__global__ void __launch_bounds__(kSamplingThreads) edit_logits_kernel(const __grid_constant__ EditParams params) {
  const int64_t row = blockIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  float* logits = params.logits + row * params.logits_stride;
  if (params.penalty_start != nullptr) {
    const float presence = params.rows[row].presence_penalty, frequency = params.rows[row].frequency_penalty;
    const float repetition = params.rows[row].repetition_penalty;
    const int end = params.penalty_start[row + 1];
    for (int i = params.penalty_start[row] + threadIdx.x; i < end; i += kSamplingThreads) {
      float& logit = logits[params.penalty_ids[i]];
      // Each operation rounded by itself, as on the CPU.
      const float penalty = __fmul_rn(frequency, static_cast<float>(params.penalty_counts[i]));
      const float value = __fsub_rn(__fsub_rn(clean(logit), presence), penalty);
      logit = value > 0 ? value / repetition : value * repetition;
    }
    __syncthreads();
  }
  if (params.allowed != nullptr) {
    const auto* allowed = reinterpret_cast<const uint32_t*>(params.allowed + row * params.allowed_stride);
    for (int id = threadIdx.x; id < params.vocabulary; id += kSamplingThreads) {
      if ((allowed[id / 32] >> (id % 32) & 1) == 0) logits[id] = -INFINITY;
    }
    __syncthreads();
  }
  if (params.bias_start != nullptr) {
    const int end = params.bias_start[row + 1];
    for (int i = params.bias_start[row] + threadIdx.x; i < end; i += kSamplingThreads) {
      float& logit = logits[params.bias_ids[i]];
      const float bias = params.bias_values[i];
      logit = bias == -INFINITY ? -INFINITY : clean(logit) + bias;
    }
  }
}

struct ArgmaxParams {
  int32_t* best;        // [num_rows, 2]: the words of a rank, of an id among all parts
  const float* logits;  // [num_rows, vocabulary] of one part
  int64_t best_stride;
  int64_t logits_stride;
  int32_t vocabulary;  // may be 0: then the rank is 0, below any
  int32_t first_id;
  int32_t blocks_per_row;
};

__global__ void __launch_bounds__(kSamplingThreads) argmax_kernel(const __grid_constant__ ArgmaxParams params) {
  __shared__ SamplingGroup::Shared shared;
  SamplingGroup group(shared, params.blocks_per_row);
  const int64_t r = group.row();
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  const LogitRow row(params.logits + r * params.logits_stride, params.vocabulary, group);
  const unsigned long long top = largest(group, row, ~0ull);
  if (group.block() == 0 && threadIdx.x == 0) {
    const unsigned long long rank = top == 0 ? 0 : top - static_cast<unsigned>(params.first_id);
    params.best[r * params.best_stride] = static_cast<int32_t>(static_cast<uint32_t>(rank));
    params.best[r * params.best_stride + 1] = static_cast<int32_t>(static_cast<uint32_t>(rank >> 32));
  }
  group.synchronize();
}

struct ArgmaxMergeParams {
  int32_t* ids;         // [num_rows]
  const int32_t* best;  // [num_rows, 2 * num_parts]
  int64_t best_stride;
  int32_t num_rows;
  int32_t num_parts;
};

/// A thread a row.
__global__ void __launch_bounds__(kSamplingThreads) argmax_merge_kernel(const __grid_constant__ ArgmaxMergeParams params) {
  const int64_t row = int64_t{blockIdx.x} * kSamplingThreads + threadIdx.x;
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  if (row >= params.num_rows) return;
  const auto* words = reinterpret_cast<const uint32_t*>(params.best + row * params.best_stride);
  unsigned long long top = 0;
  for (int part = 0; part < params.num_parts; ++part) {
    top = max(top, static_cast<unsigned long long>(words[2 * part + 1]) << 32 | words[2 * part]);
  }
  params.ids[row] = top != 0 && logit_of(static_cast<uint32_t>(top >> 32)) > -INFINITY ? id_of(top) : -1;
}

struct LogprobParams {
  float* target_logprobs;     // [num_rows]
  float* top_logprobs;        // [num_rows, k] or null
  int32_t* top_ids;           // [num_rows, k] or null
  const float* logits;        // [num_rows, vocabulary]
  const int32_t* targets;     // [num_rows]
  const float* temperatures;  // [num_rows] in page-locked host memory, or null
  int64_t top_logprobs_stride;
  int64_t top_ids_stride;
  int64_t logits_stride;
  int32_t vocabulary;
  int32_t k;
  int32_t blocks_per_row;
};

__global__ void __launch_bounds__(kSamplingThreads) logprobs_kernel(const __grid_constant__ LogprobParams params) {
  __shared__ SamplingGroup::Shared shared;
  SamplingGroup group(shared, params.blocks_per_row);
  const int r = group.row();
  ptx::allow_successor();
  ptx::wait_for_predecessor();
  const LogitRow row(params.logits + r * params.logits_stride, params.vocabulary, group);
  unsigned long long rank = largest(group, row, ~0ull);
  const Weighting weighting(row[id_of(rank)], params.temperatures != nullptr ? params.temperatures[r] : 1);
  const double total = weighting.max == -INFINITY ? 0 : total_weight(group, row, weighting);
  const bool is_writer = group.block() == 0 && threadIdx.x == 0;
  if (is_writer) {
    const int target = params.targets[r];
    params.target_logprobs[r] =
        target < 0 || target >= params.vocabulary ? -FLT_MAX : weighting.log_probability(row[target], total);
  }
  for (int i = 0; i < params.k; ++i) {
    if (i > 0) rank = largest(group, row, rank);
    if (!is_writer) continue;
    const int id = id_of(rank);
    params.top_ids[r * params.top_ids_stride + i] = id;
    params.top_logprobs[r * params.top_logprobs_stride + i] = weighting.log_probability(row[id], total);
  }
  group.synchronize();
}

}  // namespace sgl::cuda
