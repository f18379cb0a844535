#pragma once

#include "cpu/isa/simd.hpp"

namespace sgl::cpu {
namespace {

/// y[i] = f(inputs[i]...) for n elements of f32 (float) or bf16 (uint16_t); y may be any of the inputs.
template <class T, class Function, class... Inputs>
inline void map(T* y, int64_t n, const Function& f, const Inputs*... inputs) {
  int64_t i = 0;
  for (; i + kLanes <= n; i += kLanes) store(y + i, f(load(inputs + i)...));
  const int rest = static_cast<int>(n - i);
  if (rest > 0) store_partial(y + i, f(load_partial(inputs + i, rest)...), rest);
}

}  // namespace
}  // namespace sgl::cpu
