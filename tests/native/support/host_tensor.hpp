#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "sgl/base.h"
#include "support/memory.hpp"
#include "support/random.hpp"

namespace sgl::test {

using Shape = std::vector<int64_t>;

/// A tensor that owns its memory, for arguments and results of ABI calls. Elements are addressed by their row-major number,
/// whatever the strides. It starts poisoned: floats are NaN, integers kPoisonId. The memory is exactly as large as the
/// strides reach, so that the address sanitizer sees every access past it.
class HostTensor {
 public:
  static constexpr int32_t kPoisonId = 0x5eadbeef;

  HostTensor(sgl_dtype dtype, const Shape& shape);
  HostTensor(sgl_dtype dtype, const Shape& shape, const Shape& stride);
  /// i32 [ids.size()]
  static HostTensor ids(const std::vector<int32_t>& ids);
  static HostTensor uniform(Random& random, sgl_dtype dtype, const Shape& shape, double low, double high);
  static HostTensor normal(Random& random, sgl_dtype dtype, const Shape& shape, double scale = 1);

  /// With a row stride that leaves `gap` elements after every row of the last dimension.
  static Shape gapped(const Shape& shape, int64_t gap);

  const sgl_tensor& view() const { return view_; }
  operator const sgl_tensor*() const { return &view_; }

  sgl_dtype dtype() const { return view_.dtype; }
  Shape shape() const { return Shape(view_.shape, view_.shape + view_.rank); }
  int64_t num_elements() const;
  template <class T>
  T* data() const {
    return static_cast<T*>(view_.data);
  }

  double get(int64_t i) const;
  /// Rounded to nearest even.
  void set(int64_t i, double value);
  HostTensor& fill_uniform(Random& random, double low, double high);
  HostTensor& fill_normal(Random& random, double scale = 1);
  /// Back to poison, gaps too.
  HostTensor& poison();
  HostTensor clone() const;

  /// Dense and row-major.
  std::vector<double> values() const;
  std::vector<int32_t> id_values() const;
  /// Whether elements between the strides still hold poison.
  bool gaps_are_intact() const;

 private:
  int64_t offset_of(int64_t i) const;
  int64_t num_stored() const;

  Memory memory_;
  int64_t num_bytes_ = 0;
  sgl_tensor view_{};
};

}  // namespace sgl::test
