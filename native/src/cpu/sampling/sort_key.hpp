#pragma once

#include <cstdint>

namespace sgl::cpu {
// Internal linkage: this header is also compiled for several instruction sets.
namespace {

/// Keys in rising order are logits in falling order, equal ones by rising id.
[[maybe_unused]] inline uint64_t sort_key(float logit, int32_t id) {
  const float no_minus_zero = logit + 0.0f;
  uint32_t bits;
  __builtin_memcpy(&bits, &no_minus_zero, sizeof(bits));
  const uint32_t falling = (bits >> 31) != 0 ? bits : ~bits & 0x7fffffffu;
  return static_cast<uint64_t>(falling) << 32 | static_cast<uint32_t>(id);
}

[[maybe_unused]] inline float logit_of(uint64_t key) {
  const auto falling = static_cast<uint32_t>(key >> 32);
  const uint32_t bits = (falling >> 31) != 0 ? falling : ~falling & 0x7fffffffu;
  float logit;
  __builtin_memcpy(&logit, &bits, sizeof(logit));
  return logit;
}

[[maybe_unused]] inline int32_t id_of(uint64_t key) { return static_cast<int32_t>(static_cast<uint32_t>(key)); }

/// NaN counts as -1e5, +infinity as the largest finite float.
[[maybe_unused]] inline float clean_logit(float logit) {
  constexpr float kLargest = 3.402823466e38f;
  return logit != logit ? -1e5f : logit > kLargest ? kLargest : logit;
}

}  // namespace
}  // namespace sgl::cpu
