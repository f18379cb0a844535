#include "reference/norm.hpp"

#include "linear/linear_case.hpp"

// Products that normalise their input first. Some backends do that inside the product, for some shapes.

namespace sgl::test {
namespace {

using LinearNorm = CpuTest;

constexpr float kEps = 1e-5f;

/// The rows under the norm in f32, which is as good as exact beside bf16.
HostTensor normalized(const HostTensor& x, const HostTensor& norm) {
  HostTensor result(SGL_F32, x.shape());
  const std::vector<double> values = reference::rms_norm(x.view(), norm.view(), kEps);
  for (int64_t i = 0; i < result.num_elements(); ++i) result.set(i, values[static_cast<size_t>(i)]);
  return result;
}

void expect_normalizes(sgl_context* context, Random& random, const LinearCase& c, double x_scale, bool keeps_normed = false) {
  const int64_t width = c.is_gated ? c.out_features / 2 : c.out_features;
  const HostTensor x = HostTensor::normal(random, c.dtype, {c.num_rows, c.in_features}, x_scale);
  const HostTensor norm = HostTensor::uniform(random, c.dtype, {c.in_features}, 0.5, 1.5);
  const HostTensor rows = random_rows(random, c.dtype, c.out_features, c.in_features);
  const Weight weight(context, c.dtype, rows);
  std::optional<HostTensor> bias, residual;
  if (c.has_bias) bias = HostTensor::normal(random, c.dtype, {c.out_features});
  if (c.has_residual) residual = HostTensor::normal(random, c.dtype, {c.num_rows, width});
  const HostTensor y(c.y_dtype, {c.num_rows, width}), normed(c.dtype, {c.num_rows, c.in_features});
  const sgl_epilogue epilogue = c.is_gated ? SGL_EPILOGUE_SILU_MUL : SGL_EPILOGUE_NONE;
  const sgl_tensor* bias_view = bias ? &bias->view() : nullptr;
  const sgl_tensor* residual_view = residual ? &residual->view() : nullptr;
  const sgl_linear_args args{y, x, weight, bias_view, residual_view, epilogue, kEps, norm, normed, keeps_normed, 0};
  ASSERT_OK(sgl_linear(context, &args)) << c;
  const auto expected = reference::linear(normalized(x, norm).view(), rows.view(), c.dtype, bias_view, residual_view, epilogue);
  Tolerance tolerance = product_tolerance(c.y_dtype, c.in_features);
  // Elements of the input were rounded once more, each by up to 1/512, which short rows hardly average out.
  if (c.dtype == SGL_BF16) tolerance.absolute += (c.is_gated ? 4 : 1) * 0.02;
  EXPECT_TRUE(is_close(y, expected, tolerance)) << c << ", x scaled by " << x_scale;
  if (keeps_normed) {
    EXPECT_TRUE(is_close(normed, reference::rms_norm(x.view(), norm.view(), kEps), rounding_of(c.dtype)))
        << c << ", x scaled by " << x_scale;
  }
}

TEST_F(LinearNorm, Matches_the_reference) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int64_t rows : {1, 3, 8, 9, 40}) {
      for (const int64_t in : {7, 64, 520, 4096}) {
        for (const bool is_gated : {false, true}) {
          expect_normalizes(context, random, {rows, 70, in, dtype, dtype, false, false, is_gated}, random.uniform(0.1, 30));
          expect_normalizes(context, random, {rows, 34, in, dtype, SGL_F32, true, true, is_gated}, random.uniform(0.1, 30));
        }
      }
    }
  }
}

TEST_F(LinearNorm, Takes_rows_longer_than_a_block_can_hold) {
  expect_normalizes(context, random, {2, 40, 16384, SGL_BF16, SGL_BF16}, 1);
  expect_normalizes(context, random, {2, 40, 8192, SGL_BF16, SGL_BF16}, 1);
}

TEST_F(LinearNorm, Keeps_the_rows_under_the_norm_where_asked) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int64_t rows : {1, 5, 8, 9}) {
      for (const int64_t in : {7, 520, 2048}) {
        expect_normalizes(context, random, {rows, 128, in, dtype, SGL_F32}, random.uniform(0.1, 30), true);
      }
    }
  }
}

TEST_F(LinearNorm, Leaves_x_as_it_is) {
  const HostTensor x = HostTensor::normal(random, SGL_BF16, {4, 256});
  const HostTensor before = x.clone();
  const HostTensor norm = HostTensor::uniform(random, SGL_BF16, {256}, 0.5, 1.5);
  const Weight weight(context, SGL_BF16, random_rows(random, SGL_BF16, 32, 256));
  const HostTensor y(SGL_BF16, {4, 32}), normed(SGL_BF16, {4, 256});
  const sgl_linear_args args{y, x, weight, nullptr, nullptr, SGL_EPILOGUE_NONE, kEps, norm, normed, 0, 0};
  ASSERT_OK(sgl_linear(context, &args));
  EXPECT_EQ(before.values(), x.values());
}

}  // namespace
}  // namespace sgl::test
