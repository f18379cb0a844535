#pragma once

#include <cstddef>
#include <cstdint>

#include "cpu/sampling/sampling_kernels.hpp"
#include "cpu/threads/thread_pool.hpp"

namespace sgl::cpu {

/// What a worker needs to scan a row of `vocabulary` logits, carved from one block of memory.
struct RowMemory {
  static size_t num_bytes(int64_t vocabulary);
  RowMemory(std::byte* memory, int64_t vocabulary);

  uint64_t* keys;       // [vocabulary]
  double* chunk_sums;   // [num_chunks]
  float* chunk_max;     // [num_chunks]
  float* maxima;        // [num_chunks * kMaximaPerChunk]
  float* ordered;       // the same, to be partitioned
  double* bin_weights;  // [kNumBins]
  int32_t* bin_counts;  // [kNumBins]
};

/// Passes over one row of logits in chunks: on the pool's workers, or on this one where `pool` is null, with the same bits.
class RowScan {
 public:
  RowScan(const SamplingKernels& kernels, const float* logits, int64_t vocabulary, RowMemory memory, ThreadPool* pool);

  int num_chunks() const { return num_chunks_; }
  int64_t num_maxima() const { return static_cast<int64_t>(num_chunks_) * kMaximaPerChunk; }
  LogitSpan span(int chunk) const;
  /// body(chunk) for all chunks.
  template <class Body>
  void for_each_chunk(const Body& body) const {
    constexpr int64_t kGrain = 4;  // some microseconds
    if (pool_ == nullptr) {
      for (int chunk = 0; chunk < num_chunks_; ++chunk) body(chunk);
      return;
    }
    pool_->for_each(num_chunks_, kGrain, [&](int, int64_t begin, int64_t end) {
      for (int64_t chunk = begin; chunk < end; ++chunk) body(static_cast<int>(chunk));
    });
  }

  /// -infinity for a row whose ids are all forbidden. Everything below needs it first.
  float find_max();
  /// The lowest id of the largest logit.
  int32_t argmax() const;
  /// Sets the weights; returns their sum, at least 1.
  double sum_weights(double temperature);
  /// The `count` largest logits as sort keys in order, -infinity left out: fewer only where the row has fewer. Fast while
  /// `count` is at most num_maxima().
  int64_t largest(int64_t count) const;

  const SamplingKernels& kernels() const { return kernels_; }
  const RowMemory& memory() const { return memory_; }
  const Weighting& weighting() const { return weighting_; }
  int64_t vocabulary() const { return vocabulary_; }
  float max() const { return weighting_.max; }
  double total() const { return total_; }
  double temperature() const { return temperature_; }
  /// Relative to the largest.
  double weight_of(float logit) const;
  /// log_softmax at a logit, at least the smallest finite float.
  float logprob_of(float logit) const;

 private:
  const SamplingKernels& kernels_;
  const float* logits_;  // [vocabulary]
  int64_t vocabulary_;
  int num_chunks_;
  RowMemory memory_;
  ThreadPool* pool_;
  Weighting weighting_{};
  double temperature_ = 1;
  double total_ = 1;
};

}  // namespace sgl::cpu
