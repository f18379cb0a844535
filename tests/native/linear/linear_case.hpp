#pragma once

#include <optional>
#include <ostream>

#include "reference/linear.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {

/// One product with random operands, run through the ABI and compared with the reference.
struct LinearCase {
  int64_t num_rows;
  int64_t out_features;
  int64_t in_features;
  sgl_dtype dtype = SGL_BF16;
  sgl_dtype y_dtype = SGL_BF16;
  bool has_bias = false;
  bool has_residual = false;
  bool is_gated = false;
  /// Elements between the rows of x, y and residual.
  int64_t gap = 0;
  sgl_dtype source_dtype = SGL_F32;

  friend std::ostream& operator<<(std::ostream& out, const LinearCase& c) {
    return out << "rows " << c.num_rows << ", out " << c.out_features << ", in " << c.in_features << ", type " << c.dtype
               << ", y type " << c.y_dtype << ", bias " << c.has_bias << ", residual " << c.has_residual << ", gated "
               << c.is_gated << ", gap " << c.gap;
  }
};

/// Tolerance of a product of `in_features` terms of unit variance: f32 accumulation, then one rounding to `y_dtype`.
inline Tolerance product_tolerance(sgl_dtype y_dtype, int64_t in_features) {
  Tolerance tolerance = rounding_of(y_dtype);
  tolerance.absolute += 4e-7 * (4 + in_features * 0.03);
  tolerance.relative += 1e-5;
  return tolerance;
}

/// A weight of [rows.shape] in a storage type, scaled so that products with unit inputs have unit variance.
inline HostTensor random_rows(Random& random, sgl_dtype dtype, int64_t num_rows, int64_t in_features) {
  return HostTensor::normal(random, dtype, {num_rows, in_features}, 1 / std::sqrt(static_cast<double>(in_features)));
}

inline sgl_status run_linear(sgl_context* context, const HostTensor& y, const HostTensor& x, const sgl_weight* weight,
                             const HostTensor* bias = nullptr, const HostTensor* residual = nullptr,
                             sgl_epilogue epilogue = SGL_EPILOGUE_NONE) {
  const sgl_linear_args args{y,
                             x,
                             weight,
                             bias != nullptr ? &bias->view() : nullptr,
                             residual != nullptr ? &residual->view() : nullptr,
                             epilogue,
                             0,
                             nullptr,
                             nullptr,
                             0,
                             0};
  return sgl_linear(context, &args);
}

inline void expect_matches_reference(sgl_context* context, Random& random, const LinearCase& c) {
  const int64_t width = c.is_gated ? c.out_features / 2 : c.out_features;
  HostTensor x(c.dtype, {c.num_rows, c.in_features}, HostTensor::gapped({c.num_rows, c.in_features}, c.gap));
  x.fill_normal(random);
  HostTensor y(c.y_dtype, {c.num_rows, width}, HostTensor::gapped({c.num_rows, width}, c.gap));
  const HostTensor rows = random_rows(random, c.source_dtype, c.out_features, c.in_features);
  const Weight weight(context, c.dtype, rows);
  std::optional<HostTensor> bias, residual;
  if (c.has_bias) bias = HostTensor::normal(random, c.dtype, {c.out_features});
  if (c.has_residual) {
    residual = HostTensor(c.dtype, {c.num_rows, width}, HostTensor::gapped({c.num_rows, width}, 2 * c.gap));
    residual->fill_normal(random);
  }
  const sgl_epilogue epilogue = c.is_gated ? SGL_EPILOGUE_SILU_MUL : SGL_EPILOGUE_NONE;
  ASSERT_OK(run_linear(context, y, x, weight, bias ? &*bias : nullptr, residual ? &*residual : nullptr, epilogue)) << c;
  const auto expected = reference::linear(x.view(), rows.view(), c.dtype, bias ? &bias->view() : nullptr,
                                          residual ? &residual->view() : nullptr, epilogue);
  EXPECT_TRUE(is_close(y, expected, product_tolerance(c.y_dtype, c.in_features))) << c;
}

}  // namespace sgl::test
