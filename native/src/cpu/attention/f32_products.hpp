#pragma once

#include "cpu/attention/attention_kernels.hpp"
#include "cpu/isa/simd.hpp"

namespace sgl::cpu {
namespace {

/// Into the second-level cache, which has more misses in flight than the first and room for the next tile beside this one.
inline void prefetch_line(const void* line) { __builtin_prefetch(line, 0, 2); }

/// Brings the next tile's row into the cache while this one is worked on.
template <class Storage>
inline void prefetch_row(const Storage* row, int head_dim) {
  const char* bytes = reinterpret_cast<const char*>(row);
  for (int at = 0; at < head_dim * static_cast<int>(sizeof(Storage)); at += 64) prefetch_line(bytes + at);
}

/// The order in which a tile's rows are prefetched: four streams at a time, which with pages of 16 are four pages, reach more
/// of the memory's bandwidth than one.
inline int spread(int i) { return i % 4 * (kTileKeys / 4) + i / 4; }

/// The multiplications of attention in f32, from caches of f32 or bf16.
///
/// A product sums over *units*: here one float; in Bf16Products a pair of bf16. Queries and weights are rows of units. The
/// packed form turns a tile of keys into [head_dim units, kTileKeys] and values into [keys in units, row], so that a vector
/// holds one unit of as many columns as it has lanes. The stream form reads both caches as they are.
struct F32Products {
  using Unit = float;
  static constexpr int kElements = 1;
#if defined(SGL_ISA_avx512_bf16)
  static constexpr int kMaxVectors = 4;
#else
  static constexpr int kMaxVectors = 2;  // 6 x 2 accumulators leave 4 of 16 registers
#endif

  static Vec product(Vec sum, float unit, Vec columns) { return multiply_add(broadcast(unit), columns, sum); }

  template <class Storage>
  static void pack_query(float* row, const Storage* q, int head_dim) {
    for (int d = 0; d < head_dim; d += kLanes) store(row + d, load_partial(q + d, head_dim - d));
  }

  /// Stores the weights of kLanes keys and returns them as stored.
  static Vec store_weights(float* row, int key, Vec weights) {
    store(row + key, weights);
    return weights;
  }

  template <class Storage>
  static void pack_keys(float* packed, const Storage* const* keys, const Storage* const* next, int num_keys, int head_dim) {
    // Eight keys at a time write whole vectors of a packed row.
    for (int key = 0; key < num_keys; key += 8) {
      for (int j = 0; j < 8; ++j) prefetch_row(next[spread(key + j)], head_dim);
      for (int d = 0; d < head_dim; ++d) {
        for (int j = 0; j < 8; ++j) packed[d * kTileKeys + key + j] = to_float(keys[key + j][d]);
      }
    }
  }

  template <class Storage>
  static void pack_values(float* packed, int row_units, const Storage* const* values, const Storage* const* next, int num_keys,
                          int head_dim) {
    for (int key = 0; key < num_keys; ++key) {
      prefetch_row(next[spread(key)], head_dim);
      for (int d = 0; d < head_dim; d += kLanes) {
        store(packed + key * row_units + d, load_partial(values[key] + d, head_dim - d));
      }
    }
  }

#if !defined(SGL_ISA_avx512_bf16)
  /// scores[r, key] = q[r] . keys[key]; num_keys is a multiple of 16.
  template <int kRows, class Storage>
  static void stream_scores(float* scores, const float* q, int row_units, const Storage* const* keys,
                            const Storage* const* next, int num_keys, int head_dim) {
    constexpr int kKeys = kRows == 1 ? 4 : 2;
    for (int key = 0; key < num_keys; key += kKeys) {
      Vec sums[kRows][kKeys] = {};
      for (int j = 0; j < kKeys; ++j) prefetch_row(next[spread(key + j)], head_dim);
      for (int d = 0; d < head_dim; d += kLanes) {
        Vec k[kKeys];
        for (int j = 0; j < kKeys; ++j) k[j] = load_partial(keys[key + j] + d, head_dim - d);
        for (int r = 0; r < kRows; ++r) {
          const Vec x = load(q + r * row_units + d);
          for (int j = 0; j < kKeys; ++j) sums[r][j] = multiply_add(x, k[j], sums[r][j]);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int j = 0; j < kKeys; ++j) scores[r * kTileKeys + key + j] = reduce_add(sums[r][j]);
      }
    }
  }

  /// sums[r] = sums[r] * shrink[r] + weights[r] . values
  template <int kRows, class Storage>
  static void stream_sums(float* sums, int row_floats, const float* shrink, const float* weights, const Storage* const* values,
                          const Storage* const* next, int num_keys, int head_dim) {
    constexpr int kColumns = 2;
    for (int d = 0; d < head_dim; d += kColumns * kLanes) {
      Vec acc[kRows][kColumns];
      for (int r = 0; r < kRows; ++r) {
        for (int c = 0; c < kColumns; ++c) acc[r][c] = load(sums + r * row_floats + d + c * kLanes) * shrink[r];
      }
      for (int key = 0; key < num_keys; ++key) {
        if (d == 0) prefetch_row(next[spread(key)], head_dim);
        Vec v[kColumns];
        for (int c = 0; c < kColumns; ++c) {
          const int column = d + c * kLanes;
          v[c] = column < head_dim ? load_partial(values[key] + column, head_dim - column) : Vec{};
        }
        for (int r = 0; r < kRows; ++r) {
          const Vec weight = broadcast(weights[r * kTileKeys + key]);
          for (int c = 0; c < kColumns; ++c) acc[r][c] = multiply_add(weight, v[c], acc[r][c]);
        }
      }
      for (int r = 0; r < kRows; ++r) {
        for (int c = 0; c < kColumns; ++c) store(sums + r * row_floats + d + c * kLanes, acc[r][c]);
      }
    }
  }
#endif

 private:
  static float to_float(float x) { return x; }
  static float to_float(uint16_t bf16) {
    const uint32_t bits = static_cast<uint32_t>(bf16) << 16;
    float x;
    __builtin_memcpy(&x, &bits, sizeof(x));
    return x;
  }
};

}  // namespace
}  // namespace sgl::cpu
