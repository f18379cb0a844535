#pragma once

#include <functional>
#include <string>

#include "probes.hpp"
#include "sgl/sgl.h"

namespace sgl::bench {

/// One line of a benchmark: what is run, and what the machine must at least do for it.
struct Case {
  std::string name;
  std::string shape;
  /// Bytes moved and FLOPs done by one call.
  double num_bytes;
  double num_flops;
  sgl_dtype dtype;
  /// Bytes of the operands that consecutive calls rotate among. Below the last-level cache's size the bandwidth bound is that
  /// of a cache.
  double working_set_bytes;
};

/// Calls `body(call)` with rising call numbers in samples of some milliseconds, a probe of both bounds beside each, and prints
/// the median time and rate, and the median share of the binding bound.
void measure(Probes& probes, const Case& what, const std::function<void(int64_t call)>& body);

/// Prints what the columns of `measure` are, the instruction set and the number of threads.
void print_heading(int num_threads);

/// Prints the thread's last ABI error and exits if a call failed.
void check(sgl_status status);

}  // namespace sgl::bench
