#pragma once

#include <cstdint>
#include <cstring>

namespace sgl::cpu {
// Internal linkage: this header is also compiled for several instruction sets.
namespace {

inline float bits_to_float(uint32_t bits) {
  float value;
  __builtin_memcpy(&value, &bits, sizeof(value));
  return value;
}

inline uint32_t float_to_bits(float value) {
  uint32_t bits;
  __builtin_memcpy(&bits, &value, sizeof(bits));
  return bits;
}

[[maybe_unused]] inline float bf16_to_float(uint16_t value) { return bits_to_float(static_cast<uint32_t>(value) << 16); }

/// To nearest, ties to even; a NaN stays a NaN.
[[maybe_unused]] inline uint16_t float_to_bf16(float value) {
  const uint32_t bits = float_to_bits(value);
  const uint32_t rounded = (bits + 0x7fffu + ((bits >> 16) & 1u)) >> 16;
  const bool is_nan = (bits & 0x7fffffffu) > 0x7f800000u;
  return static_cast<uint16_t>(is_nan ? (bits >> 16) | 0x40u : rounded);
}

[[maybe_unused]] inline float f16_to_float(uint16_t value) {
  const uint32_t sign = static_cast<uint32_t>(value & 0x8000u) << 16;
  const uint32_t magnitude = value & 0x7fffu;
  if (magnitude >= 0x7c00u) return bits_to_float(sign | 0x7f800000u | ((magnitude & 0x3ffu) << 13));  // infinity, NaN
  // Rebiasing the exponent by multiplication also normalises subnormals, exactly.
  const float scaled = bits_to_float(magnitude << 13) * bits_to_float((254u - 15u) << 23);
  return bits_to_float(float_to_bits(scaled) | sign);
}

}  // namespace
}  // namespace sgl::cpu
