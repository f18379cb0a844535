#pragma once

#include <cuda.h>

#include "sgl/base.h"

namespace sgl::cuda {

/// A bf16 matrix for copies of tiles of [box_rows, 64] elements, which lie in shared memory as wgmma reads them
/// (ptx/wgmma.cuh). `data` and the stride, in elements, are multiples of 16 bytes; box_rows is at most 256.
CUtensorMap encode_matrix(const void* data, int64_t num_rows, int64_t num_columns, int64_t stride, int box_rows);

}  // namespace sgl::cuda
