#include "reference/activation.hpp"

#include <cmath>

#include "reference/element.hpp"

namespace sgl::reference {
namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

}  // namespace

std::vector<double> silu_mul(const sgl_tensor& gate_up) {
  const int64_t n = gate_up.shape[1] / 2;
  std::vector<double> y;
  for (int64_t row = 0; row < gate_up.shape[0]; ++row) {
    for (int64_t i = 0; i < n; ++i) {
      const double gate = load(gate_up, {row, i});
      y.push_back(gate * sigmoid(gate) * load(gate_up, {row, n + i}));
    }
  }
  return y;
}

std::vector<double> add_sigmoid_gated(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& gate) {
  std::vector<double> sum;
  for (int64_t row = 0; row < y.shape[0]; ++row) {
    for (int64_t i = 0; i < y.shape[1]; ++i) {
      sum.push_back(load(y, {row, i}) + load(x, {row, i}) * sigmoid(load(gate, {row, 0})));
    }
  }
  return sum;
}

}  // namespace sgl::reference
