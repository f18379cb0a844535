#pragma once

#include <cublasLt.h>

#include <array>
#include <cstddef>
#include <map>

#include "cuda/runtime/device_info.hpp"
#include "sgl/base.h"

namespace sgl::cuda {

class CudaContext;

/// d = x * weight^T + bias + c; all row-major.
struct LibraryProduct {
  void* d;             // [num_rows, out_features]
  const void* x;       // [num_rows, in_features]
  const void* weight;  // [out_features, in_features]
  const void* c;       // [num_rows, out_features] of d's type, or null; may be d
  const void* bias;    // [out_features] of d's type, or null
  int64_t d_stride;
  int64_t x_stride;
  int64_t c_stride;
  int64_t num_rows;
  int64_t out_features;
  int64_t in_features;
  sgl_dtype dtype;    // of x and weight
  sgl_dtype d_dtype;  // dtype or f32
};

/// cuBLASLt with f32 accumulation (f32 operands are not rounded to tf32), its workspace, and the algorithms it chose. A choice
/// is made once for a shape; numbers of rows that differ by less than a quarter share one.
class Library {
 public:
  Library();
  ~Library();
  Library(const Library&) = delete;
  Library& operator=(const Library&) = delete;

  /// False where the library has no algorithm for the shape or its alignment; nothing is queued then.
  bool multiply(const CudaContext& context, const LibraryProduct& product);

 private:
  using Key = std::array<int64_t, 9>;

  struct Choice {
    bool exists = false;
    cublasLtMatmulAlgo_t algorithm;
  };

  cublasLtHandle_t handle_ = nullptr;
  std::byte* workspace_ = nullptr;
  std::map<Key, Choice> choices_;
};

}  // namespace sgl::cuda
