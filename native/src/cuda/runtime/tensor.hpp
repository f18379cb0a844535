#pragma once

#include <cstddef>
#include <cstdint>
#include <initializer_list>

#include "sgl/base.h"

namespace sgl::cuda {

inline int64_t element_bytes(sgl_dtype dtype) { return dtype == SGL_F32 || dtype == SGL_I32 ? 4 : 2; }

inline int64_t num_elements(const sgl_tensor& tensor) {
  int64_t count = 1;
  for (int axis = 0; axis < tensor.rank; ++axis) count *= tensor.shape[axis];
  return count;
}

/// Whether the start of every row of the last dimension is a multiple of `num_bytes` away from 0.
inline bool rows_are_aligned(const sgl_tensor& tensor, int64_t num_bytes) {
  if (reinterpret_cast<uintptr_t>(tensor.data) % num_bytes != 0) return false;
  for (int axis = 0; axis + 1 < tensor.rank; ++axis) {
    if (tensor.shape[axis] > 1 && tensor.stride[axis] * element_bytes(tensor.dtype) % num_bytes != 0) return false;
  }
  return true;
}

/// Elements of one access: 16 bytes where every tensor's rows are that aligned and `width` is whole accesses, else 1.
inline int access_size(int64_t width, sgl_dtype dtype, std::initializer_list<const sgl_tensor*> tensors) {
  const int size = static_cast<int>(16 / element_bytes(dtype));
  if (width % size != 0) return 1;
  for (const sgl_tensor* tensor : tensors) {
    if (!rows_are_aligned(*tensor, 16)) return 1;
  }
  return size;
}

/// Elements follow each other without gaps.
inline bool is_dense(const sgl_tensor& tensor) {
  int64_t stride = 1;
  for (int axis = tensor.rank - 1; axis >= 0; --axis) {
    if (tensor.shape[axis] > 1 && tensor.stride[axis] != stride) return false;
    stride *= tensor.shape[axis];
  }
  return true;
}

}  // namespace sgl::cuda
