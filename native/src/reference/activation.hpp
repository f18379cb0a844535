#pragma once

#include <vector>

#include "sgl/base.h"

namespace sgl::reference {

/// silu(gate_up[:, :n]) * gate_up[:, n:]
std::vector<double> silu_mul(const sgl_tensor& gate_up);

/// y + x * sigmoid(gate), gate being [num_rows, 1].
std::vector<double> add_sigmoid_gated(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate);

}  // namespace sgl::reference
