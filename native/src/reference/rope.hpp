#pragma once

#include <vector>

#include "sgl/rope.h"

namespace sgl::reference {

/// `heads` [num_tokens, num_heads, head_dim] with the first rotary_dim values of each head rotated by its token's angles.
std::vector<double> rope(const sgl_tensor& heads, const sgl_tensor& positions, const sgl_tensor& cos_sin,
                         sgl_rope_layout layout);

}  // namespace sgl::reference
