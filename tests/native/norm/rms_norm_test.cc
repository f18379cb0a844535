#include <cmath>

#include "reference/norm.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

constexpr float kEps = 1e-5f;

class RmsNorm : public CpuTest, public ::testing::WithParamInterface<sgl_dtype> {
 protected:
  const sgl_dtype dtype = GetParam();
};

INSTANTIATE_TEST_SUITE_P(, RmsNorm, ::testing::Values(SGL_F32, SGL_BF16),
                         [](const auto& info) { return info.param == SGL_F32 ? "f32" : "bf16"; });

TEST_P(RmsNorm, Matches_the_reference_for_any_width) {
  for (const int64_t width : {1, 7, 16, 17, 31, 64, 129, 576, 2048, 4097}) {
    for (const int64_t num_rows : {1, 3, 17}) {
      SCOPED_TRACE(testing::Message() << "[" << num_rows << ", " << width << "]");
      const auto x = HostTensor::normal(random, dtype, {num_rows, width});
      const auto weight = HostTensor::uniform(random, dtype, {width}, 0.5, 1.5);
      const HostTensor y(dtype, {num_rows, width});
      ASSERT_OK(sgl_rms_norm(context, y, x, weight, kEps));
      EXPECT_TRUE(is_close(y, reference::rms_norm(x.view(), weight.view(), kEps), rounding_of(dtype)));
    }
  }
}

TEST_P(RmsNorm, Normalises_each_head_of_a_slice_of_qkv) {
  // Heads 2 to 4 of rows of 9 heads, as q inside a fused product is.
  const int64_t num_rows = 5, num_heads = 3, head_dim = 40;
  HostTensor qkv = HostTensor::normal(random, dtype, {num_rows, 9 * head_dim});
  sgl_tensor q = qkv.view();
  q.rank = 3;
  q.data = static_cast<char*>(q.data) + 2 * head_dim * (dtype == SGL_F32 ? 4 : 2);
  q.shape[1] = num_heads;
  q.shape[2] = head_dim;
  q.stride[1] = head_dim;
  q.stride[2] = 1;
  const auto weight = HostTensor::uniform(random, dtype, {head_dim}, 0.5, 1.5);
  const auto expected = reference::rms_norm(q, weight.view(), kEps);
  const HostTensor y(dtype, {num_rows, num_heads, head_dim}, HostTensor::gapped({num_rows, num_heads, head_dim}, 3));
  ASSERT_OK(sgl_rms_norm(context, y, &q, weight, kEps));
  EXPECT_TRUE(is_close(y, expected, rounding_of(dtype)));
}

TEST_P(RmsNorm, Works_in_place) {
  const Shape shape{17, 129};
  const HostTensor x = HostTensor(dtype, shape, HostTensor::gapped(shape, 5)).fill_normal(random).clone();
  const auto weight = HostTensor::uniform(random, dtype, {129}, 0.5, 1.5);
  const auto expected = reference::rms_norm(x.view(), weight.view(), kEps);
  ASSERT_OK(sgl_rms_norm(context, x, x, weight, kEps));
  EXPECT_TRUE(is_close(x, expected, rounding_of(dtype)));
}

TEST_P(RmsNorm, Large_shapes_are_split_over_threads_with_the_same_result) {
  const Shape shape{129, 2048};
  const auto x = HostTensor::normal(random, dtype, shape);
  const auto weight = HostTensor::uniform(random, dtype, {2048}, 0.5, 1.5);
  const HostTensor y(dtype, shape), y_alone(dtype, shape);
  const Context alone(1);
  ASSERT_OK(sgl_rms_norm(context, y, x, weight, kEps));
  ASSERT_OK(sgl_rms_norm(alone, y_alone, x, weight, kEps));
  EXPECT_EQ(y.values(), y_alone.values());
  EXPECT_TRUE(is_close(y, reference::rms_norm(x.view(), weight.view(), kEps), rounding_of(dtype)));
}

TEST_P(RmsNorm, Keeps_magnitudes_at_the_ends_of_the_range) {
  const int64_t width = 64;
  for (const double scale : {1e-18, 1e15}) {
    const auto x = HostTensor::normal(random, dtype, {2, width}, scale);
    const auto weight = HostTensor::uniform(random, dtype, {width}, 0.5, 1.5);
    const HostTensor y(dtype, {2, width});
    ASSERT_OK(sgl_rms_norm(context, y, x, weight, 1e-6f));
    EXPECT_TRUE(is_close(y, reference::rms_norm(x.view(), weight.view(), 1e-6f), rounding_of(dtype)));
  }
}

TEST_P(RmsNorm, A_nan_stays_in_its_row) {
  HostTensor x = HostTensor::normal(random, dtype, {3, 33});
  x.set(33 + 20, NAN);
  const auto weight = HostTensor::uniform(random, dtype, {33}, 0.5, 1.5);
  const HostTensor y(dtype, {3, 33});
  ASSERT_OK(sgl_rms_norm(context, y, x, weight, kEps));
  EXPECT_TRUE(is_close(y, reference::rms_norm(x.view(), weight.view(), kEps), rounding_of(dtype)));
}

TEST_P(RmsNorm, No_rows_is_no_work) {
  const HostTensor x(dtype, {0, 64}), y(dtype, {0, 64}), weight(dtype, {64});
  EXPECT_OK(sgl_rms_norm(context, y, x, weight, kEps));
}

TEST_P(RmsNorm, Adds_the_residual_first) {
  for (const int64_t width : {1, 17, 129, 576, 2049}) {
    for (const int64_t num_rows : {1, 18}) {
      SCOPED_TRACE(testing::Message() << "[" << num_rows << ", " << width << "]");
      const Shape shape{num_rows, width};
      const auto x = HostTensor::normal(random, dtype, shape);
      HostTensor residual(dtype, shape, HostTensor::gapped(shape, 7));
      residual.fill_normal(random, 4);
      const auto weight = HostTensor::uniform(random, dtype, {width}, 0.5, 1.5);
      const HostTensor y(dtype, shape, HostTensor::gapped(shape, 2));
      const auto expected = reference::add_rms_norm(residual.view(), x.view(), weight.view(), kEps);
      ASSERT_OK(sgl_add_rms_norm(context, y, residual, x, weight, kEps));
      EXPECT_TRUE(is_close(residual, expected.residual, rounding_of(dtype)));
      EXPECT_TRUE(is_close(y, expected.y, rounding_of(dtype)));
    }
  }
}

TEST_P(RmsNorm, Adds_the_residual_with_y_in_place_of_x) {
  const Shape shape{5, 77};
  const auto x = HostTensor::normal(random, dtype, shape), residual = HostTensor::normal(random, dtype, shape);
  const auto weight = HostTensor::uniform(random, dtype, {77}, 0.5, 1.5);
  const auto expected = reference::add_rms_norm(residual.view(), x.view(), weight.view(), kEps);
  ASSERT_OK(sgl_add_rms_norm(context, x, residual, x, weight, kEps));
  EXPECT_TRUE(is_close(residual, expected.residual, rounding_of(dtype)));
  EXPECT_TRUE(is_close(x, expected.y, rounding_of(dtype)));
}

TEST(AddRmsNorm, The_sum_feeds_the_norm_unrounded) {
  // 256 + 1 is 256 in bf16, so a norm of the rounded sum would see equal elements.
  const Context context;
  const Shape shape{1, 16};
  HostTensor x(SGL_BF16, shape), residual(SGL_BF16, shape), weight(SGL_BF16, {16}), y(SGL_BF16, shape);
  for (int i = 0; i < 16; ++i) {
    x.set(i, i == 0 ? 1 : 0);
    residual.set(i, 256);
    weight.set(i, 1.5);
  }
  ASSERT_OK(sgl_add_rms_norm(context, y, residual, x, weight, 0));
  EXPECT_EQ(residual.get(0), residual.get(1));
  EXPECT_GT(y.get(0), y.get(1));
}

TEST_F(CpuTest, Rms_norm_says_which_tensors_disagree) {
  const HostTensor x(SGL_BF16, {17, 5120}), y(SGL_BF16, {17, 5120}), weight(SGL_BF16, {4096}), weight_f32(SGL_F32, {5120});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: weight is [4096] bf16, x is [17, 5120] bf16: last dims differ",
               sgl_rms_norm(context, y, x, weight, kEps));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: weight is [5120] f32, x is [17, 5120] bf16: types differ",
               sgl_rms_norm(context, y, x, weight_f32, kEps));
  const HostTensor good(SGL_BF16, {5120}), heads(SGL_BF16, {17, 1, 5120});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: y is [17, 1, 5120] bf16, x is [17, 5120] bf16: ranks differ",
               sgl_rms_norm(context, heads, x, good, kEps));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: eps is -1: expected a number of at least 0",
               sgl_rms_norm(context, y, x, good, -1));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add_rms_norm: residual is [17, 5120] bf16, x is [17, 5120] bf16: they overlap in memory",
               sgl_add_rms_norm(context, y, x, x, good, kEps));
}

}  // namespace
}  // namespace sgl::test
