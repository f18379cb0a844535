#pragma once

#include <vector>

#include "sgl/base.h"

namespace sgl::reference {

/// x * rsqrt(mean(x^2) + eps) * weight over the last dimension; x has rank 2 or 3.
std::vector<double> rms_norm(const sgl_tensor& x, const sgl_tensor& weight, double eps);

struct AddRmsNorm {
  std::vector<double> y;
  std::vector<double> residual;
};

/// The sum feeds the norm unrounded.
AddRmsNorm add_rms_norm(const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight, double eps);

}  // namespace sgl::reference
