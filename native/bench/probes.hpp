#pragma once

#include <cstddef>
#include <memory>

#include "cpu/isa/isa.hpp"
#include "cpu/threads/thread_pool.hpp"
#include "sgl/base.h"

namespace sgl::bench {

/// What the machine itself reaches with all threads of a context, measured between the timings of a benchmark: a shared machine
/// drifts, so only shares of a bound probed in the same second mean anything. Every probe takes a few milliseconds.
class Probes {
 public:
  explicit Probes(int num_threads);
  ~Probes();
  Probes(const Probes&) = delete;
  Probes& operator=(const Probes&) = delete;

  /// Bytes a second, reading the next part of 1 GiB that no cache holds.
  double read_bandwidth();

  /// Bytes a second, reading one buffer of `num_bytes` (at most 1 GiB) over and over: the rate of the cache that holds it.
  double cached_read_bandwidth(size_t num_bytes);

  /// FLOP/s of multiply-adds on registers: bf16 pairs (vdpbf16ps) where the instruction set has them, else f32.
  double multiply_add_peak(sgl_dtype dtype);

 private:
  double read(size_t offset, size_t num_bytes, int repeats);

  cpu::ThreadPool pool_;
  const cpu::Isa isa_;
  std::byte* buffer_;
  size_t position_ = 0;
};

}  // namespace sgl::bench
