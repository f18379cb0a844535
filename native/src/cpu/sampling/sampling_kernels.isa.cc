// Passes over up to kChunk logits of a row. All are bound by reading them, 4 bytes each, from the second-level cache after the
// first pass: a register of lanes costs one exponential (12 instructions), in `race` also a logarithm and two divisions.

#include "cpu/sampling/sampling_kernels.hpp"

#include "cpu/isa/simd.hpp"
#include "cpu/sampling/sort_key.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

constexpr float kLargest = 3.402823466e38f;

/// A partial load's missing lanes.
Vec load_logits(const LogitSpan& span, int i) {
  Vec x;
  if (i + kLanes <= span.count) {
    x = load(span.logits + i);
  } else {
    float lanes[kLanes];
    for (int lane = 0; lane < kLanes; ++lane) lanes[lane] = i + lane < span.count ? span.logits[i + lane] : -kInfinity;
    x = load(lanes);
  }
  return min(broadcast(kLargest), x == x ? x : broadcast(-1e5f));
}

Vec weight_of(Vec logits, const Weighting& weighting) { return exp2((logits - weighting.max) * weighting.scale); }

/// All ones where kept.
IntVec is_kept(Vec logits, IntVec ids, const Cut& cut) {
  return (logits > cut.value) | ((logits == cut.value) & (ids <= cut.last_id));
}

bool any(IntVec mask) {
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_movepi32_mask((__m512i)mask) != 0;
#elif defined(SGL_ISA_avx2)
  return _mm256_movemask_ps((__m256)mask) != 0;
#else
  return (mask[0] | mask[1] | mask[2] | mask[3]) != 0;
#endif
}

float max_of(const LogitSpan& span, float* maxima) {
  constexpr int kPart = kChunk / kMaximaPerChunk;  // elements of one lane between stores
  Vec all = broadcast(-kInfinity);
  for (int stored = 0; stored < kMaximaPerChunk; stored += kLanes) {
    Vec part = broadcast(-kInfinity);
    const int begin = stored * kPart;
    for (int i = begin; i < begin + kPart * kLanes && i < span.count; i += kLanes) part = max(part, load_logits(span, i));
    store(maxima + stored, part);
    all = max(all, part);
  }
  return reduce_max(all);
}

double sum(const LogitSpan& span, const Weighting& weighting) {
  Vec sums[2] = {};
  for (int i = 0; i < span.count; i += 2 * kLanes) {
    sums[0] += weight_of(load_logits(span, i), weighting);
    if (i + kLanes < span.count) sums[1] += weight_of(load_logits(span, i + kLanes), weighting);
  }
  return static_cast<double>(reduce_add(sums[0])) + static_cast<double>(reduce_add(sums[1]));
}

double weigh(const LogitSpan& span, const Weighting& weighting, const Cut& cut, float* weights) {
  Vec sums = {};
  IntVec ids = lane_indices() + span.first_id;
  for (int i = 0; i < span.count; i += kLanes, ids += kLanes) {
    const Vec logits = load_logits(span, i);
    const Vec kept = is_kept(logits, ids, cut) ? weight_of(logits, weighting) : Vec{};
    store_partial(weights + i, kept, span.count - i);
    sums += kept;
  }
  return static_cast<double>(reduce_add(sums));
}

int64_t collect(const LogitSpan& span, float threshold, uint64_t* keys) {
  const float lowest = threshold > -kLargest ? threshold : -kLargest;
  int64_t num_keys = 0;
  for (int i = 0; i < span.count; i += kLanes) {
    const Vec logits = load_logits(span, i);
    if (!any(logits >= lowest)) continue;
    for (int lane = 0; lane < kLanes && i + lane < span.count; ++lane) {
      if (logits[lane] >= lowest) keys[num_keys++] = sort_key(logits[lane], span.first_id + i + lane);
    }
  }
  return num_keys;
}

IntVec bin_of(Vec logits, const Weighting& weighting) {
  const Vec octaves = (weighting.max - logits) * weighting.scale;
  return __builtin_convertvector(min(octaves * static_cast<float>(kBinsPerOctave), broadcast(kNumBins - 1)), IntVec);
}

void count(const LogitSpan& span, const Weighting& weighting, int32_t* counts, double* weights) {
  for (int i = 0; i < span.count; i += kLanes) {
    const Vec logits = load_logits(span, i);
    const Vec weight = weight_of(logits, weighting);
    const IntVec bin = bin_of(logits, weighting);
    for (int lane = 0; lane < kLanes; ++lane) {
      if (logits[lane] == -kInfinity) continue;
      ++counts[bin[lane]];
      weights[bin[lane]] += static_cast<double>(weight[lane]);
    }
  }
}

int64_t collect_bin(const LogitSpan& span, const Weighting& weighting, int bin, uint64_t* keys) {
  int64_t num_keys = 0;
  for (int i = 0; i < span.count; i += kLanes) {
    const Vec logits = load_logits(span, i);
    const IntVec in_bin = (bin_of(logits, weighting) == bin) & (logits >= -kLargest);
    if (!any(in_bin)) continue;
    for (int lane = 0; lane < kLanes && i + lane < span.count; ++lane) {
      if (in_bin[lane] != 0) keys[num_keys++] = sort_key(logits[lane], span.first_id + i + lane);
    }
  }
  return num_keys;
}

/// -ln(u) for 0 < u < 1. Accurate relative to the result near 1 too, where the exponent is 0 and the polynomial starts with f.
Vec minus_log(Vec u) {
  const WordVec bits = reinterpret_cast<WordVec>(u);
  // u = 2^e m with m in [1/sqrt 2, sqrt 2)
  const IntVec e = reinterpret_cast<IntVec>((bits - 0x3f3504f3u) >> 23 << 23) >> 23;
  const Vec m = reinterpret_cast<Vec>(bits - (reinterpret_cast<WordVec>(e) << 23));
  const Vec f = m - 1.0f;
  Vec p = broadcast(7.0376836292e-2f);
  p = multiply_add(p, f, broadcast(-1.1514610310e-1f));
  p = multiply_add(p, f, broadcast(1.1676998740e-1f));
  p = multiply_add(p, f, broadcast(-1.2420140846e-1f));
  p = multiply_add(p, f, broadcast(1.4249322787e-1f));
  p = multiply_add(p, f, broadcast(-1.6668057665e-1f));
  p = multiply_add(p, f, broadcast(2.0000714765e-1f));
  p = multiply_add(p, f, broadcast(-2.4999993993e-1f));
  p = multiply_add(p, f, broadcast(3.3333331174e-1f));
  const Vec square = f * f;
  const Vec log_m = f + (p * f - 0.5f) * square;
  return -(log_m + __builtin_convertvector(e, Vec) * kLn2);
}

float race(const LogitSpan& span, const Weighting& weighting, const Cut& cut, float total, uint32_t step, float* times) {
  Vec least = broadcast(kInfinity);
  IntVec ids = lane_indices() + span.first_id;
  const float inverse_total = 1.0f / total;
  for (int i = 0; i < span.count; i += kLanes, ids += kLanes) {
    const Vec logits = load_logits(span, i);
    // The low 24 bits of the 64-bit hash come from the low bits of its factors alone.
    const WordVec hash = (step ^ (reinterpret_cast<WordVec>(ids) * 479001599u)) & 0xffffffu;
    const Vec u = max(__builtin_convertvector(reinterpret_cast<IntVec>(hash), Vec) * 0x1p-24f, broadcast(1e-10f));
    const Vec p = weight_of(logits, weighting) * inverse_total + 1e-10f;
    const Vec time = is_kept(logits, ids, cut) ? minus_log(u) / p : broadcast(kInfinity);
    store_partial(times + i, time, span.count - i);
    least = min(least, time);
  }
  return -reduce_max(-least);
}

}  // namespace

SGL_DEFINE_KERNELS(SamplingKernels, kSamplingKernels) = {max_of, sum, weigh, collect, count, collect_bin, race};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
