#include "reference/norm.hpp"

#include <cmath>

#include "reference/element.hpp"

namespace sgl::reference {
namespace {

/// Appends the normalised row to `out`.
void append_normalised(std::vector<double>& out, const std::vector<double>& row, const sgl_tensor& weight, double eps) {
  double sum_of_squares = 0;
  for (const double value : row) sum_of_squares += value * value;
  const double scale = 1 / std::sqrt(sum_of_squares / static_cast<double>(row.size()) + eps);
  for (size_t i = 0; i < row.size(); ++i) out.push_back(row[i] * scale * load(weight, {static_cast<int64_t>(i)}));
}

}  // namespace

std::vector<double> rms_norm(const sgl_tensor& x, const sgl_tensor& weight, double eps) {
  const int64_t num_heads = x.rank == 3 ? x.shape[1] : 1;
  const int64_t width = x.shape[x.rank - 1];
  std::vector<double> y;
  for (int64_t row = 0; row < x.shape[0]; ++row) {
    for (int64_t head = 0; head < num_heads; ++head) {
      std::vector<double> values;
      for (int64_t i = 0; i < width; ++i) values.push_back(x.rank == 3 ? load(x, {row, head, i}) : load(x, {row, i}));
      append_normalised(y, values, weight, eps);
    }
  }
  return y;
}

AddRmsNorm add_rms_norm(const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight, double eps) {
  AddRmsNorm result;
  for (int64_t row = 0; row < x.shape[0]; ++row) {
    std::vector<double> sum;
    for (int64_t i = 0; i < x.shape[1]; ++i) sum.push_back(load(residual, {row, i}) + load(x, {row, i}));
    append_normalised(result.y, sum, weight, eps);
    result.residual.insert(result.residual.end(), sum.begin(), sum.end());
  }
  return result;
}

}  // namespace sgl::reference
