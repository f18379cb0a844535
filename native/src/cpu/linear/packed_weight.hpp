#pragma once

#include "abi/backend.hpp"
#include "cpu/linear/panel_kernels.hpp"
#include "cpu/scratch.hpp"

namespace sgl::cpu {

/// The CPU's packed layout. A group is a row of panels; a panel holds kPanelWidth output features, and is a dense array
/// [step][feature] of 32-bit words: one word is one input feature of an f32 weight, or two neighbouring ones of a bf16 weight
/// (the lower in the low half), which is the operand layout of vdpbf16ps. So a panel is read once from front to back, and a
/// step, two cache lines, meets one broadcast 32-bit word of each activation row. Features past the end are zero.
struct PackedWeight final : sgl_weight {
  explicit PackedWeight(const sgl_weight_desc& shape);

  uint64_t num_bytes() const override;

  /// 32-bit words of one panel.
  int64_t panel_words() const { return num_steps * kPanelWidth; }
  uint32_t* panel(int64_t group, int64_t index) const {
    return reinterpret_cast<uint32_t*>(buffer.data()) + (group * num_panels + index) * panel_words();
  }

  const int64_t num_panels;
  const int64_t num_steps;
  const PageBuffer buffer;
};

inline const PackedWeight& packed(const sgl_weight& weight) { return static_cast<const PackedWeight&>(weight); }

/// Input features that share a 32-bit word.
inline constexpr int features_per_step(sgl_dtype dtype) { return dtype == SGL_BF16 ? 2 : 1; }

/// Of a weight or activation type.
inline constexpr int64_t element_bytes(sgl_dtype dtype) { return dtype == SGL_F32 ? 4 : 2; }

/// The value in [-1, 1) that `sgl_weight_fill_random` scales: the top 24 bits of a splitmix64 hash of the element's place.
inline float random_unit(uint64_t seed, int64_t row, int64_t column) {
  auto mix = [](uint64_t z) {
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
  };
  const uint64_t row_key = mix(seed + 0x9e3779b97f4a7c15u * (static_cast<uint64_t>(row)));
  const uint64_t bits = mix(row_key + 0x9e3779b97f4a7c15u * static_cast<uint64_t>(column + 1));
  return static_cast<float>(static_cast<int32_t>(bits >> 40) - (1 << 23)) * (1.0f / (1 << 23));
}

}  // namespace sgl::cpu
