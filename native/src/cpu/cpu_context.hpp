#pragma once

#include "cpu/isa/isa.hpp"
#include "cpu/scratch.hpp"
#include "cpu/threads/thread_pool.hpp"

namespace sgl::cpu {

/// What an operator needs of its context. Operator families are free functions over it, one folder each; `CpuBackend` only
/// forwards to them.
struct CpuContext {
  explicit CpuContext(int num_threads) : pool(num_threads), isa(current_isa()) {}

  ThreadPool pool;
  const Isa isa;
  Scratch scratch;
};

}  // namespace sgl::cpu
