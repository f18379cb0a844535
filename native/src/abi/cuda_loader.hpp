#pragma once

#include <string>

#include "abi/cuda_part.hpp"

namespace sgl {

/// The CUDA part, or why there is none.
struct CudaLoad {
  /// Null when it could not be loaded or its version differs.
  const CudaPart* part = nullptr;
  /// Empty only when `part` has devices.
  std::string reason;
};

/// Opens the CUDA part at `path` and keeps it open. Never throws for a part that is absent or broken.
CudaLoad load_cuda_part(const std::string& path);

}  // namespace sgl
