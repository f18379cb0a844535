#pragma once

#include <cstdint>

#include "sgl/base.h"

namespace sgl::cpu {

/// Bytes of one element of the types that CPU operators take.
inline int64_t element_bytes(sgl_dtype dtype) { return dtype == SGL_F32 || dtype == SGL_I32 ? 4 : 2; }

inline char* element(const sgl_tensor& tensor, int64_t offset) {
  return static_cast<char*>(tensor.data) + offset * element_bytes(tensor.dtype);
}

/// Element (row, column) of a tensor of rank 2.
inline char* element(const sgl_tensor& tensor, int64_t row, int64_t column) {
  return element(tensor, row * tensor.stride[0] + column * tensor.stride[1]);
}

/// A tensor of any rank as rows of its last dimension.
inline int64_t num_rows_of(const sgl_tensor& tensor) {
  int64_t count = 1;
  for (int axis = 0; axis + 1 < tensor.rank; ++axis) count *= tensor.shape[axis];
  return count;
}

/// Where row `row`, counted through the leading dimensions, begins, in elements.
inline int64_t row_offset(const sgl_tensor& tensor, int64_t row) {
  int64_t offset = 0;
  for (int axis = tensor.rank - 2; axis >= 0; --axis) {
    offset += row % tensor.shape[axis] * tensor.stride[axis];
    row /= tensor.shape[axis];
  }
  return offset;
}

}  // namespace sgl::cpu
