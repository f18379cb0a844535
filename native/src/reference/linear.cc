#include "reference/linear.hpp"

#include <cmath>

#include "reference/element.hpp"

namespace sgl::reference {

double silu(double x) { return x / (1 + std::exp(-x)); }

std::vector<double> dense_values(const sgl_tensor& tensor) {
  std::vector<double> values;
  for (int64_t i = 0; i < tensor.shape[0]; ++i) {
    for (int64_t j = 0; j < tensor.shape[1]; ++j) {
      if (tensor.rank == 2) values.push_back(load(tensor, {i, j}));
      for (int64_t k = 0; tensor.rank == 3 && k < tensor.shape[2]; ++k) values.push_back(load(tensor, {i, j, k}));
    }
  }
  return values;
}

std::vector<double> linear(const sgl_tensor& x, const sgl_tensor& weight, sgl_dtype storage, const sgl_tensor* bias,
                           const sgl_tensor* residual, sgl_epilogue epilogue) {
  const int64_t num_rows = x.shape[0], in_features = x.shape[1], out_features = weight.shape[0];
  const std::vector<double> inputs = dense_values(x);
  std::vector<double> weights = dense_values(weight);
  for (double& value : weights) value = round_to(storage, value);

  std::vector<double> products(num_rows * out_features);
  for (int64_t row = 0; row < num_rows; ++row) {
    for (int64_t out = 0; out < out_features; ++out) {
      double sum = bias != nullptr ? load(*bias, {out}) : 0;
      for (int64_t in = 0; in < in_features; ++in) sum += inputs[row * in_features + in] * weights[out * in_features + in];
      products[row * out_features + out] = sum;
    }
  }

  const bool is_gated = epilogue == SGL_EPILOGUE_SILU_MUL;
  const int64_t width = is_gated ? out_features / 2 : out_features;
  std::vector<double> results;
  for (int64_t row = 0; row < num_rows; ++row) {
    for (int64_t column = 0; column < width; ++column) {
      double value = products[row * out_features + column];
      if (is_gated) value = silu(value) * products[row * out_features + width + column];
      if (residual != nullptr) value += load(*residual, {row, column});
      results.push_back(value);
    }
  }
  return results;
}

}  // namespace sgl::reference
