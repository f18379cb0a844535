#include "cpu/linear/panel_kernels.hpp"

#include "cpu/linear/float_conversion.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

constexpr int kWidth = 32;
constexpr int kMaxRows = 4;

struct Bf16 {
  using Element = uint16_t;
  static constexpr int kFeatures = 2;
  static float to_float(uint16_t value) { return bf16_to_float(value); }
};

struct F32 {
  using Element = float;
  static constexpr int kFeatures = 1;
  static float to_float(float value) { return value; }
};

template <class Type>
void pack_rows(std::byte* packed, const RowSource& source, int64_t first_tile, int64_t last_tile, const RowTiles& tiles) {
  const int64_t num_steps = (source.in_features + Type::kFeatures - 1) / Type::kFeatures;
  for (int64_t tile = first_tile; tile < last_tile; ++tile) {
    const int64_t begin = tiles.begin(tile);
    const int rows = tiles.rows(tile);
    float* destination = reinterpret_cast<float*>(packed) + begin * num_steps * Type::kFeatures;
    for (int r = 0; r < rows; ++r) {
      const int64_t row = source.row_index != nullptr ? source.row_index[begin + r] : begin + r;
      const auto* x = static_cast<const typename Type::Element*>(source.x) + row * source.stride;
      for (int64_t step = 0; step < num_steps; ++step) {
        for (int f = 0; f < Type::kFeatures; ++f) {
          const int64_t column = step * Type::kFeatures + f;
          destination[(step * rows + r) * Type::kFeatures + f] = column < source.in_features ? Type::to_float(x[column]) : 0.0f;
        }
      }
    }
  }
}

inline void multiply_add(float* acc, const float* weights, float x) {
  for (int c = 0; c < kWidth; ++c) acc[c] += weights[c] * x;
}

template <class Type, int kRows>
void tile_product(float* acc, const float* x, int64_t num_steps, const uint32_t* panel) {
  float sums[kRows][kWidth] = {};
  for (int64_t step = 0; step < num_steps; ++step) {
    const uint32_t* words = panel + step * kWidth;
    float weights[Type::kFeatures][kWidth];
    for (int c = 0; c < kWidth; ++c) {
      if (Type::kFeatures == 2) {
        weights[0][c] = bits_to_float(words[c] << 16);
        weights[Type::kFeatures - 1][c] = bits_to_float(words[c] & 0xffff0000u);
      } else {
        weights[0][c] = bits_to_float(words[c]);
      }
    }
    for (int r = 0; r < kRows; ++r) {
      for (int f = 0; f < Type::kFeatures; ++f) multiply_add(sums[r], weights[f], x[(step * kRows + r) * Type::kFeatures + f]);
    }
  }
  for (int r = 0; r < kRows; ++r) {
    for (int c = 0; c < kWidth; ++c) acc[r * kBlockWidth + c] = sums[r][c];
  }
}

template <class Type>
void product(float* acc, const std::byte* packed, const RowTiles& tiles, int64_t num_steps, const uint32_t* const* panels,
             int num_panels) {
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const float* x = reinterpret_cast<const float*>(packed) + tiles.begin(tile) * num_steps * Type::kFeatures;
    for (int p = 0; p < num_panels; ++p) {
      float* block = acc + tiles.begin(tile) * kBlockWidth + p * kWidth;
      switch (tiles.rows(tile)) {
        case 1:
          tile_product<Type, 1>(block, x, num_steps, panels[p]);
          break;
        case 2:
          tile_product<Type, 2>(block, x, num_steps, panels[p]);
          break;
        case 3:
          tile_product<Type, 3>(block, x, num_steps, panels[p]);
          break;
        default:
          tile_product<Type, 4>(block, x, num_steps, panels[p]);
      }
    }
  }
}

/// e^x with a relative error below 2e-7, x clamped to the finite range of the result. Cody-Waite reduction and the polynomial
/// of Cephes' expf; written so that compilers vectorise loops over it.
inline float exponential(float x) {
  x = x < -87.0f ? -87.0f : x;
  x = x > 88.0f ? 88.0f : x;
  const float shifted = x * 1.44269504088896341f + 12582912.0f;  // 1.5 * 2^23: the low bits hold the rounded quotient
  const float n = shifted - 12582912.0f;
  const float r = (x - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.9875691500e-4f;
  p = p * r + 1.3981999507e-3f;
  p = p * r + 8.3334519073e-3f;
  p = p * r + 4.1665795894e-2f;
  p = p * r + 1.6666665459e-1f;
  p = p * r + 5.0000001201e-1f;
  p = p * r * r + r + 1.0f;
  return p * bits_to_float((float_to_bits(shifted) + (127u - 0x4b400000u)) << 23);
}

inline float load(const void* data, sgl_dtype dtype, int64_t index) {
  return dtype == SGL_F32 ? static_cast<const float*>(data)[index] : bf16_to_float(static_cast<const uint16_t*>(data)[index]);
}

void store(const StoreArgs& args) {
  constexpr int kChunk = 64;
  for (int64_t row = 0; row < args.num_rows; ++row) {
    for (int64_t first = 0; first < args.num_columns; first += kChunk) {
      const int count = static_cast<int>(args.num_columns - first < kChunk ? args.num_columns - first : kChunk);
      const float* acc = args.acc + row * args.acc_stride + first;
      float values[kChunk];
      for (int c = 0; c < count; ++c) values[c] = acc[c];
      if (args.bias != nullptr) {
        for (int c = 0; c < count; ++c) values[c] += load(args.bias, args.bias_dtype, first + c);
      }
      if (args.up != nullptr) {
        const float* acc_up = args.up + row * args.acc_stride + first;
        float up[kChunk];
        for (int c = 0; c < count; ++c) up[c] = acc_up[c];
        if (args.up_bias != nullptr) {
          for (int c = 0; c < count; ++c) up[c] += load(args.up_bias, args.bias_dtype, first + c);
        }
        for (int c = 0; c < count; ++c) values[c] = values[c] / (1.0f + exponential(-values[c])) * up[c];
      }
      if (args.residual != nullptr) {
        const int64_t offset = row * args.residual_stride + first;
        for (int c = 0; c < count; ++c) values[c] += load(args.residual, args.residual_dtype, offset + c);
      }
      if (args.y_dtype == SGL_F32) {
        float* y = static_cast<float*>(args.y) + row * args.y_stride + first;
        for (int c = 0; c < count; ++c) y[c] = values[c];
      } else {
        uint16_t* y = static_cast<uint16_t*>(args.y) + row * args.y_stride + first;
        for (int c = 0; c < count; ++c) y[c] = float_to_bf16(values[c]);
      }
    }
  }
}

}  // namespace

extern const PanelKernels kBf16Kernels = {kMaxRows, 8, pack_rows<Bf16>, product<Bf16>, store};
extern const PanelKernels kF32Kernels = {kMaxRows, 4, pack_rows<F32>, product<F32>, store};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
