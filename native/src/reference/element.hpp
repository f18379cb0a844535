#pragma once

#include <cstdint>
#include <initializer_list>

#include "sgl/base.h"

// Reading and writing one element of a tensor of any type, for loops that are written to be obviously right. References
// return dense, row-major, unrounded doubles.

namespace sgl::reference {

using Index = std::initializer_list<int64_t>;

/// f32, bf16, f16, i32 or i64. `index` has one entry a dimension.
double load(const sgl_tensor& tensor, Index index);

/// An element of an i32 tensor.
int32_t load_id(const sgl_tensor& tensor, Index index);

/// The value as `dtype` holds it, rounded to nearest even once.
double round_to(sgl_dtype dtype, double value);

}  // namespace sgl::reference
