#pragma once

#include <cstdint>

#include "cpu/isa/dispatch.hpp"

namespace sgl::cpu {

/// Logits of one pass. Partial sums are kept per chunk, so that a row gives the same bits on any number of threads.
inline constexpr int kChunk = 4096;
/// Maxima kept of each chunk, each of its own share of the chunk: at least k elements of a row are not below the k-th largest.
inline constexpr int kMaximaPerChunk = 64;

/// Bins of a histogram of logits, kBinsPerOctave for each halving of the weight; what weighs less is in the last.
inline constexpr int kNumBins = 2048;
inline constexpr int kBinsPerOctave = 64;

/// Consecutive logits of a row. NaN counts as -1e5, +infinity as the largest finite float.
struct LogitSpan {
  const float* logits;
  int32_t count;     // at most kChunk
  int32_t first_id;  // of logits[0]
};

/// weight = 2^((logit - max) * scale), 1 for the largest.
struct Weighting {
  float max;
  float scale;  // log2(e) / temperature
};

/// The last kept element in falling order, ties by rising id: kept is logit > value, or logit == value and id <= last_id.
struct Cut {
  float value = -3.402823466e38f;  // all but forbidden ones
  int32_t last_id = INT32_MAX;
};

struct SamplingKernels {
  /// The span's maximum, and those of kMaximaPerChunk parts of it.
  float (*max)(const LogitSpan& span, float* maxima);
  /// Sum of weights.
  double (*sum)(const LogitSpan& span, const Weighting& weighting);
  /// Weights of kept ids, 0 for others; returns their sum.
  double (*weigh)(const LogitSpan& span, const Weighting& weighting, const Cut& cut, float* weights);
  /// Sort keys of all logits from `threshold` up, -infinity excepted; returns how many.
  int64_t (*collect)(const LogitSpan& span, float threshold, uint64_t* keys);
  /// Adds counts and weights of logits other than -infinity to their bins.
  void (*count)(const LogitSpan& span, const Weighting& weighting, int32_t* counts, double* weights);
  /// Sort keys of the logits in one bin.
  int64_t (*collect_bin)(const LogitSpan& span, const Weighting& weighting, int bin, uint64_t* keys);
  /// -log(u) / (weight / total + 1e-10), where u is the draw of (step, id), for kept ids; infinity for others; returns the
  /// least. The id with the least of a row wins a seeded draw; 1e-4 is a safe bound of the relative error.
  float (*race)(const LogitSpan& span, const Weighting& weighting, const Cut& cut, float total, uint32_t step, float* times);
};

SGL_DECLARE_KERNELS(SamplingKernels, kSamplingKernels)

}  // namespace sgl::cpu
