#include "support/closeness.hpp"

#include <algorithm>
#include <cmath>
#include <string>

namespace sgl::test {
namespace {

std::string coordinates(const HostTensor& tensor, int64_t i) {
  std::string text;
  const Shape shape = tensor.shape();
  for (int axis = static_cast<int>(shape.size()) - 1; axis >= 0; --axis) {
    text = std::to_string(i % shape[axis]) + (text.empty() ? "" : ", ") + text;
    i /= shape[axis];
  }
  return "[" + text + "]";
}

bool is_same_non_finite(double a, double b) { return std::isnan(a) ? std::isnan(b) : a == b; }

}  // namespace

Tolerance rounding_of(sgl_dtype dtype) {
  switch (dtype) {
    case SGL_BF16:
      return {1e-6, 1.02 * 0x1p-8};  // half a unit is 2^-9 of the smallest value in a binade; twice that for ties
    case SGL_F16:
      return {1e-6, 1.02 * 0x1p-11};
    default:
      return {1e-6, 1e-5};
  }
}

::testing::AssertionResult is_close(const HostTensor& actual, const std::vector<double>& expected, Tolerance tolerance) {
  if (actual.num_elements() != static_cast<int64_t>(expected.size())) {
    return ::testing::AssertionFailure() << actual.num_elements() << " elements, expected " << expected.size();
  }
  if (!actual.gaps_are_intact()) return ::testing::AssertionFailure() << "memory between rows was written";
  double max_absolute = 0, max_relative = 0, worst_excess = 0;
  double dot = 0, norm_actual = 0, norm_expected = 0;
  int64_t worst = -1, num_far = 0;
  for (int64_t i = 0; i < actual.num_elements(); ++i) {
    const double a = actual.get(i), e = expected[i];
    if (!std::isfinite(a) || !std::isfinite(e)) {
      if (is_same_non_finite(a, e)) continue;
      return ::testing::AssertionFailure() << "element " << coordinates(actual, i) << " is " << a << ", expected " << e;
    }
    const double error = std::abs(a - e);
    max_absolute = std::max(max_absolute, error);
    if (e != 0) max_relative = std::max(max_relative, error / std::abs(e));
    const double excess = error == 0 ? 0 : error / (tolerance.absolute + tolerance.relative * std::abs(e));
    if (!(excess <= 1)) ++num_far;
    if (worst < 0 || !(excess <= worst_excess)) {
      worst = i;
      worst_excess = excess;
    }
    dot += a * e;
    norm_actual += a * a;
    norm_expected += e * e;
  }
  const double norms = std::sqrt(norm_actual) * std::sqrt(norm_expected);
  const double cosine = norms > 0 ? dot / norms : 1;
  if (num_far == 0 && cosine >= tolerance.cosine) return ::testing::AssertionSuccess();
  return ::testing::AssertionFailure() << num_far << " of " << expected.size() << " elements are off; worst at "
                                       << coordinates(actual, worst) << ": " << actual.get(worst) << ", expected "
                                       << expected[worst] << "; max abs " << max_absolute << ", max rel " << max_relative
                                       << ", cosine " << cosine;
}

}  // namespace sgl::test
