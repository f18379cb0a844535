#pragma once

#include <vector>

#include "sgl/gemm.h"

namespace sgl::reference {

/// All elements of a tensor of rank 2 or 3.
std::vector<double> dense_values(const sgl_tensor& tensor);

/// epilogue(x * weight^T + bias) + residual with `weight` [out_features, in_features] rounded to `storage` first;
/// [num_rows, out_features], half as wide with SGL_EPILOGUE_SILU_MUL. `bias` and `residual` may be null.
std::vector<double> linear(const sgl_tensor& x, const sgl_tensor& weight, sgl_dtype storage, const sgl_tensor* bias,
                           const sgl_tensor* residual, sgl_epilogue epilogue);

double silu(double x);

}  // namespace sgl::reference
