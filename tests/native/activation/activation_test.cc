#include "reference/activation.hpp"

#include <cmath>

#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

class Activation : public CpuTest, public ::testing::WithParamInterface<sgl_dtype> {
 protected:
  const sgl_dtype dtype = GetParam();
};

INSTANTIATE_TEST_SUITE_P(, Activation, ::testing::Values(SGL_F32, SGL_BF16),
                         [](const auto& info) { return info.param == SGL_F32 ? "f32" : "bf16"; });

std::vector<double> sum_of(const HostTensor& a, const HostTensor& b) {
  std::vector<double> sum = a.values();
  for (size_t i = 0; i < sum.size(); ++i) sum[i] += b.get(static_cast<int64_t>(i));
  return sum;
}

TEST_P(Activation, Silu_mul_matches_the_reference_for_any_width) {
  for (const int64_t n : {1, 15, 16, 17, 33, 129, 1408, 8193}) {
    for (const int64_t num_rows : {1, 17}) {
      SCOPED_TRACE(testing::Message() << "[" << num_rows << ", " << n << "]");
      const Shape wide{num_rows, 2 * n}, narrow{num_rows, n};
      HostTensor gate_up(dtype, wide, HostTensor::gapped(wide, 6));
      gate_up.fill_normal(random, 4);
      const HostTensor y(dtype, narrow, HostTensor::gapped(narrow, 3));
      ASSERT_OK(sgl_silu_mul(context, y, gate_up));
      EXPECT_TRUE(is_close(y, reference::silu_mul(gate_up.view()), rounding_of(dtype)));
    }
  }
}

TEST_P(Activation, Silu_mul_is_right_far_from_zero) {
  const std::vector<double> gates{-INFINITY, -3e38, -1000, -104, -90, -89,  -88,  -87,      -50,
                                  -0.0,      0,     1e-30, 20,   89,  1000, 1e38, INFINITY, NAN};
  const int64_t n = static_cast<int64_t>(gates.size());
  HostTensor gate_up(dtype, {1, 2 * n});
  for (int64_t i = 0; i < n; ++i) {
    gate_up.set(i, gates[i]);
    gate_up.set(n + i, 1);
  }
  const HostTensor y(dtype, {1, n});
  ASSERT_OK(sgl_silu_mul(context, y, gate_up));
  EXPECT_TRUE(is_close(y, reference::silu_mul(gate_up.view()), rounding_of(dtype)));
}

TEST_P(Activation, Add_takes_any_shape_and_strides) {
  for (const Shape& shape : {Shape{1}, Shape{129}, Shape{17, 33}, Shape{3, 5, 7}, Shape{2, 3, 4, 17}, Shape{33, 4096}}) {
    HostTensor a(dtype, shape, HostTensor::gapped(shape, 3)), b(dtype, shape);
    a.fill_normal(random);
    b.fill_normal(random);
    const HostTensor y(dtype, shape, HostTensor::gapped(shape, 1));
    ASSERT_OK(sgl_add(context, y, a, b));
    EXPECT_TRUE(is_close(y, sum_of(a, b), rounding_of(dtype)));
  }
  const HostTensor transposed = HostTensor(dtype, {9, 20}, {1, 9}).fill_normal(random).clone();
  const auto b = HostTensor::normal(random, dtype, {9, 20});
  const HostTensor y(dtype, {9, 20}, {40, 2});
  ASSERT_OK(sgl_add(context, y, transposed, b));
  EXPECT_TRUE(is_close(y, sum_of(transposed, b), rounding_of(dtype)));
}

TEST_P(Activation, Add_may_write_over_either_input) {
  const auto a = HostTensor::normal(random, dtype, {7, 65}), b = HostTensor::normal(random, dtype, {7, 65});
  auto expected = sum_of(a, b);
  ASSERT_OK(sgl_add(context, a, a, b));
  EXPECT_TRUE(is_close(a, expected, rounding_of(dtype)));
  expected = sum_of(a, b);
  ASSERT_OK(sgl_add(context, b, a, b));
  EXPECT_TRUE(is_close(b, expected, rounding_of(dtype)));
}

TEST_P(Activation, Sigmoid_gated_rows_are_added) {
  for (const sgl_dtype gate_type : {dtype, SGL_F32}) {
    for (const int64_t n : {1, 17, 129, 2048}) {
      const Shape shape{19, n};
      HostTensor y(dtype, shape, HostTensor::gapped(shape, 2));
      y.fill_normal(random);
      const auto x = HostTensor::normal(random, dtype, shape);
      HostTensor gate(gate_type, {19, 1}, {3, 1});
      gate.fill_normal(random, 5);
      const auto expected = reference::add_sigmoid_gated(y.view(), x.view(), gate.view());
      ASSERT_OK(sgl_add_sigmoid_gated(context, y, x, gate));
      EXPECT_TRUE(is_close(y, expected, rounding_of(dtype)));
    }
  }
}

TEST_P(Activation, Empty_tensors_are_no_work) {
  const HostTensor none(dtype, {0, 8}), wide(dtype, {0, 16}), no_columns(dtype, {4, 0}), gate(dtype, {0, 1});
  EXPECT_OK(sgl_silu_mul(context, none, wide));
  EXPECT_OK(sgl_silu_mul(context, no_columns, no_columns));
  EXPECT_OK(sgl_add(context, none, none, none));
  EXPECT_OK(sgl_add_sigmoid_gated(context, none, none, gate));
}

TEST_F(CpuTest, Activations_say_which_tensors_disagree) {
  const HostTensor y(SGL_F32, {3, 60}), gate_up(SGL_F32, {3, 100}), transposed(SGL_F32, {3, 120}, {1, 3}),
      bytes(SGL_U8, {3, 60});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               "silu_mul: gate_up is [3, 100] f32, y is [3, 60] f32: last dim of gate_up must be 2 times the last dim of y",
               sgl_silu_mul(context, y, gate_up));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "silu_mul: gate_up is [3, 120] f32: its strides are [1, 3], expected 1 in the last dim",
               sgl_silu_mul(context, y, transposed));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "silu_mul: y is [3, 60] u8: expected f32 or bf16", sgl_silu_mul(context, bytes, gate_up));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: b is [3, 100] f32, y is [3, 60] f32: shapes differ",
               sgl_add(context, y, y, gate_up));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add_sigmoid_gated: gate is [3, 60] f32: last dim must be 1",
               sgl_add_sigmoid_gated(context, y, y, y));
}

}  // namespace
}  // namespace sgl::test
