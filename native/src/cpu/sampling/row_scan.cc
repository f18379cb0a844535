#include "cpu/sampling/row_scan.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>

#include "cpu/sampling/sort_key.hpp"

namespace sgl::cpu {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kLowest = std::numeric_limits<float>::lowest();

int64_t chunks_of(int64_t vocabulary) { return (vocabulary + kChunk - 1) / kChunk; }

/// Hands out parts of a block, each aligned to a cache line.
class Carver {
 public:
  explicit Carver(std::byte* memory) : next_(memory) {}

  template <class T>
  T* take(int64_t count) {
    auto* taken = reinterpret_cast<T*>(next_);
    next_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return taken;
  }
  std::byte* next() const { return next_; }

 private:
  std::byte* next_;
};

}  // namespace

RowMemory::RowMemory(std::byte* memory, int64_t vocabulary) {
  const int64_t num_chunks = chunks_of(vocabulary);
  Carver carver(memory);
  keys = carver.take<uint64_t>(vocabulary);
  chunk_sums = carver.take<double>(num_chunks);
  chunk_max = carver.take<float>(num_chunks);
  maxima = carver.take<float>(num_chunks * kMaximaPerChunk);
  ordered = carver.take<float>(num_chunks * kMaximaPerChunk);
  bin_weights = carver.take<double>(kNumBins);
  bin_counts = carver.take<int32_t>(kNumBins);
}

size_t RowMemory::num_bytes(int64_t vocabulary) {
  const int64_t num_chunks = chunks_of(vocabulary);
  const auto bytes = vocabulary * 8 + num_chunks * (12 + kMaximaPerChunk * 8) + kNumBins * 12 + 8 * 64;
  return static_cast<size_t>((bytes + 63) / 64 * 64);
}

RowScan::RowScan(const SamplingKernels& kernels, const float* logits, int64_t vocabulary, RowMemory memory, ThreadPool* pool)
    : kernels_(kernels),
      logits_(logits),
      vocabulary_(vocabulary),
      num_chunks_(static_cast<int>(chunks_of(vocabulary))),
      memory_(memory),
      pool_(pool) {}

LogitSpan RowScan::span(int chunk) const {
  const int64_t begin = static_cast<int64_t>(chunk) * kChunk;
  return {logits_ + begin, static_cast<int32_t>(std::min<int64_t>(kChunk, vocabulary_ - begin)), static_cast<int32_t>(begin)};
}

float RowScan::find_max() {
  for_each_chunk([&](int chunk) {
    memory_.chunk_max[chunk] = kernels_.max(span(chunk), memory_.maxima + static_cast<int64_t>(chunk) * kMaximaPerChunk);
  });
  weighting_.max = *std::max_element(memory_.chunk_max, memory_.chunk_max + num_chunks_);
  return weighting_.max;
}

int32_t RowScan::argmax() const {
  const auto chunk = static_cast<int>(std::find(memory_.chunk_max, memory_.chunk_max + num_chunks_, max()) - memory_.chunk_max);
  int64_t id = static_cast<int64_t>(chunk) * kChunk;
  while (clean_logit(logits_[id]) != max()) ++id;
  return static_cast<int32_t>(id);
}

double RowScan::sum_weights(double temperature) {
  temperature_ = temperature;
  weighting_.scale = static_cast<float>(1.4426950408889634 / temperature);
  for_each_chunk([&](int chunk) { memory_.chunk_sums[chunk] = kernels_.sum(span(chunk), weighting_); });
  total_ = 0;
  for (int chunk = 0; chunk < num_chunks_; ++chunk) total_ += memory_.chunk_sums[chunk];
  return total_;
}

int64_t RowScan::largest(int64_t count) const {
  float threshold = kLowest;
  if (count <= num_maxima()) {
    // No more than `count` parts of the row have their maximum above this one, and each has at least that one element.
    std::copy(memory_.maxima, memory_.maxima + num_maxima(), memory_.ordered);
    std::nth_element(memory_.ordered, memory_.ordered + count - 1, memory_.ordered + num_maxima(), std::greater<>());
    threshold = std::max(threshold, memory_.ordered[count - 1]);
  }
  int64_t num_keys = 0;
  for (int chunk = 0; chunk < num_chunks_; ++chunk) {
    if (memory_.chunk_max[chunk] < threshold) continue;
    num_keys += kernels_.collect(span(chunk), threshold, memory_.keys + num_keys);
  }
  const int64_t num_listed = std::min(count, num_keys);
  if (num_listed < num_keys) std::nth_element(memory_.keys, memory_.keys + num_listed, memory_.keys + num_keys);
  std::sort(memory_.keys, memory_.keys + num_listed);
  return num_listed;
}

double RowScan::weight_of(float logit) const {
  return std::exp((static_cast<double>(logit) - static_cast<double>(max())) / temperature_);
}

float RowScan::logprob_of(float logit) const {
  if (logit == -kInfinity) return kLowest;
  const double logprob = (static_cast<double>(logit) - static_cast<double>(max())) / temperature_ - std::log(total_);
  return std::max(kLowest, static_cast<float>(logprob));
}

}  // namespace sgl::cpu
