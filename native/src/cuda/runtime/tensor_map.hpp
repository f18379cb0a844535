#pragma once

#include <cuda.h>

#include "sgl/base.h"

namespace sgl::cuda {

/// A bf16 matrix for copies of tiles of [box_rows, 64] elements, which lie in shared memory as wgmma reads them
/// (ptx/wgmma.cuh). `data` and the stride, in elements, are multiples of 16 bytes; box_rows is at most 256.
CUtensorMap encode_matrix(const void* data, int64_t num_rows, int64_t num_columns, int64_t stride, int box_rows);

/// A bf16 matrix without gaps for copies of `box_rows` whole rows, which lie in shared memory eight rows after eight rows, of
/// these 64 columns after 64 columns. num_rows and box_rows are multiples of 8, num_columns is one of 64.
CUtensorMap encode_rows_by_eight(const void* data, int64_t num_rows, int64_t num_columns, int box_rows);

/// bf16 rows [tokens, heads, dims] for copies of 64 columns of eight rows: `box_heads` heads, a divisor of 8, of as many tokens
/// as that leaves. Strides of tokens and heads are multiples of 16 bytes.
CUtensorMap encode_heads(const sgl_tensor& rows, int box_heads);

/// A dense bf16 matrix of 2 * half_rows rows, half_rows a multiple of 8, for tiles of box_rows rows that alternate: eight of
/// the first half, the same eight of the second.
CUtensorMap encode_halves(const void* data, int64_t half_rows, int64_t num_columns, int box_rows);

}  // namespace sgl::cuda
