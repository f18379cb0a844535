#pragma once

#include <cstdint>
#include <memory>

#include "abi/backend.hpp"

// The contract between libsgl.so and libsgl_cuda.so, which are built together and found beside each other.

namespace sgl {

/// Raised whenever `Backend`, a handle it derives or this file changes.
inline constexpr uint32_t kCudaPartVersion = 5;

/// What libsgl_cuda.so offers. No function throws but those that create or get something, which throw `sgl::Error`.
struct CudaPart {
  /// kCudaPartVersion as the part was compiled; first, so that every version can read it.
  uint32_t version;
  /// Devices that can be used; 0 without a driver.
  int (*device_count)();
  /// Why `device_count` is 0; empty if it is not. Static storage.
  const char* (*unavailable_reason)();
  /// `ordinal` is below `device_count`.
  void (*get_info)(sgl_device_info& info, int ordinal);
  std::unique_ptr<Backend> (*create_backend)(int ordinal);
  std::unique_ptr<sgl_comm_group> (*create_comm_group)(const sgl_comm_group_options& options);
};

/// The one exported function: `extern "C" const sgl::CudaPart* sgl_cuda_part();`
inline constexpr const char* kCudaPartSymbol = "sgl_cuda_part";
inline constexpr const char* kCudaPartFile = "libsgl_cuda.so";
using CudaPartFunction = const CudaPart* (*)();

}  // namespace sgl
