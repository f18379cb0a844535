#pragma once

#include <cstdint>

#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {

/// Elementwise work over up to three tensors of one shape: `width` neighbours along the last dimension, `num_rows` times. A
/// row's start is found by division, so tensors that are dense together are one long row.
struct StridedRows {
  static constexpr int kMaxTensors = 3;

  int64_t num_rows;
  int64_t width;
  int64_t shape[3];                // of the dimensions before the last, the first of them never divided by
  int64_t stride[kMaxTensors][4];  // in elements; [3] is that of the last dimension

  /// Offset of element `column` of `row` in tensor `tensor`.
  __host__ __device__ int64_t offset(int tensor, int64_t row, int64_t column) const {
    const int64_t* s = stride[tensor];
    int64_t offset = column * s[3];
    offset += row % shape[2] * s[2];
    row /= shape[2];
    offset += row % shape[1] * s[1];
    return offset + row / shape[1] * s[0];
  }
};

inline StridedRows strided_rows(std::initializer_list<const sgl_tensor*> tensors) {
  const sgl_tensor& like = **tensors.begin();
  StridedRows rows{};
  bool all_dense = true;
  for (const sgl_tensor* tensor : tensors) all_dense = all_dense && is_dense(*tensor);
  if (all_dense) {
    rows.num_rows = 1;
    rows.width = num_elements(like);
    rows.shape[0] = rows.shape[1] = rows.shape[2] = 1;
    for (auto& stride : rows.stride) stride[3] = 1;
    return rows;
  }
  for (int64_t& size : rows.shape) size = 1;
  rows.width = like.shape[like.rank - 1];
  rows.num_rows = num_elements(like) / rows.width;
  for (int axis = 0; axis + 1 < like.rank; ++axis) rows.shape[3 - (like.rank - 1) + axis] = like.shape[axis];
  int index = 0;
  for (const sgl_tensor* tensor : tensors) {
    for (int axis = 0; axis < tensor->rank; ++axis) rows.stride[index][4 - tensor->rank + axis] = tensor->stride[axis];
    if (rows.width == 1) rows.stride[index][3] = 1;
    ++index;
  }
  return rows;
}

/// Elements of one access that all tensors allow; `element_bytes` is the largest of theirs.
inline int access_size(const StridedRows& rows, int64_t element_bytes, std::initializer_list<const sgl_tensor*> tensors) {
  const int size = static_cast<int>(16 / element_bytes);
  if (rows.width % size != 0) return 1;
  int index = 0;
  for (const sgl_tensor* tensor : tensors) {
    const int64_t access_bytes = size * cuda::element_bytes(tensor->dtype);
    if (reinterpret_cast<uintptr_t>(tensor->data) % access_bytes != 0 || rows.stride[index][3] != 1) return 1;
    for (int axis = 0; axis < 3; ++axis) {
      if (rows.shape[axis] > 1 && rows.stride[index][axis] % size != 0) return 1;
    }
    ++index;
  }
  return size;
}

}  // namespace sgl::cuda
