#include <cmath>
#include <cstring>

#include "reference/element.hpp"
#include "sgl/quant.h"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

struct ConvertCase {
  sgl_dtype from, to;
};

std::string name_of(sgl_dtype dtype) { return dtype == SGL_F32 ? "f32" : dtype == SGL_BF16 ? "bf16" : "f16"; }

class Convert : public CpuTest, public ::testing::WithParamInterface<ConvertCase> {
 protected:
  const sgl_dtype from = GetParam().from, to = GetParam().to;

  std::vector<double> rounded(const HostTensor& x) const {
    std::vector<double> values = x.values();
    for (double& value : values) value = reference::round_to(to, value);
    return values;
  }
};

constexpr sgl_dtype kTypes[] = {SGL_F32, SGL_BF16, SGL_F16};

std::vector<ConvertCase> all_cases() {
  std::vector<ConvertCase> cases;
  for (const sgl_dtype from : kTypes) {
    for (const sgl_dtype to : kTypes) cases.push_back({from, to});
  }
  return cases;
}

INSTANTIATE_TEST_SUITE_P(, Convert, ::testing::ValuesIn(all_cases()),
                         [](const auto& info) { return name_of(info.param.from) + "_to_" + name_of(info.param.to); });

constexpr Tolerance kExact{0, 0, 0};

TEST_P(Convert, Rounds_to_nearest_even) {
  for (const int64_t n : {1, 15, 16, 17, 33, 129, 70001}) {
    HostTensor x(from, {n});
    // Magnitudes from below the smallest subnormal of f16 to beyond its largest value.
    for (int64_t i = 0; i < n; ++i) x.set(i, random.normal() * std::exp2(random.uniform(-28, 17)));
    const HostTensor y(to, {n});
    ASSERT_OK(sgl_convert(context, y, x));
    EXPECT_TRUE(is_close(y, rounded(x), kExact));
  }
}

TEST_P(Convert, Is_exact_for_ties_subnormals_and_non_finite_values) {
  std::vector<double> special{
      0.0,    -0.0,    INFINITY, -INFINITY, NAN,   1,      -1,       65504, 65519,  65520,
      -65520, 3.4e38,  -3.4e38,  1e-45,     1e-40, -1e-39, 1.17e-38, 6e-8,  2.9e-8, 2.98023223876953125e-8,
      6.1e-5, -6.09e-5};
  for (int i = 0; i < 40; ++i) {
    special.push_back((1 + (2 * i + 1) * 0x1p-8) * std::exp2(i - 20));   // half-way for bf16
    special.push_back((1 + (2 * i + 1) * 0x1p-11) * std::exp2(i % 12));  // half-way for f16
    special.push_back((2 * i + 1) * 0x1p-25);                            // half-way for subnormal f16
    special.push_back((2 * i + 1) * 0x1p-134);                           // half-way for subnormal bf16
  }
  HostTensor x(from, {static_cast<int64_t>(special.size())});
  for (size_t i = 0; i < special.size(); ++i) x.set(static_cast<int64_t>(i), special[i]);
  const HostTensor y(to, x.shape());
  ASSERT_OK(sgl_convert(context, y, x));
  EXPECT_TRUE(is_close(y, rounded(x), kExact));
  for (int64_t i = 0; i < x.num_elements(); ++i) {
    if (x.get(i) != 0) continue;
    EXPECT_EQ(std::signbit(x.get(i)), std::signbit(y.get(i))) << i;
  }
}

TEST_P(Convert, Takes_any_shape_and_strides) {
  for (const Shape& shape : {Shape{17, 33}, Shape{3, 5, 7}, Shape{2, 3, 4, 17}, Shape{40, 1024}}) {
    HostTensor x(from, shape, HostTensor::gapped(shape, 3));
    x.fill_normal(random);
    const HostTensor y(to, shape, HostTensor::gapped(shape, 1));
    ASSERT_OK(sgl_convert(context, y, x));
    EXPECT_TRUE(is_close(y, rounded(x), kExact));
  }
  const HostTensor transposed = HostTensor(from, {9, 20}, {1, 9}).fill_normal(random).clone();
  const HostTensor y(to, {9, 20}, {40, 2});
  ASSERT_OK(sgl_convert(context, y, transposed));
  EXPECT_TRUE(is_close(y, rounded(transposed), kExact));
}

TEST_P(Convert, Empty_tensors_are_no_work) {
  const HostTensor x(from, {0}), y(to, {0});
  EXPECT_OK(sgl_convert(context, y, x));
}

TEST_F(CpuTest, Every_bf16_and_f16_value_survives_a_round_trip_through_f32) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F16}) {
    const HostTensor x(dtype, {1 << 16}), wide(SGL_F32, {1 << 16}), back(dtype, {1 << 16});
    for (int bits = 0; bits < 1 << 16; ++bits) x.data<uint16_t>()[bits] = static_cast<uint16_t>(bits);
    ASSERT_OK(sgl_convert(context, wide, x));
    ASSERT_OK(sgl_convert(context, back, wide));
    for (int bits = 0; bits < 1 << 16; ++bits) {
      ASSERT_EQ(std::isnan(x.get(bits)), std::isnan(back.get(bits))) << bits;
      if (std::isnan(x.get(bits))) continue;
      ASSERT_EQ(x.get(bits), wide.get(bits)) << bits;
      ASSERT_EQ(bits, back.data<uint16_t>()[bits]);
    }
  }
}

TEST_F(CpuTest, Convert_says_which_tensors_disagree) {
  const HostTensor x(SGL_F32, {4, 3}), y(SGL_BF16, {3, 4}), ids(SGL_I32, {4, 3});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "convert: y is [3, 4] bf16, x is [4, 3] f32: shapes differ", sgl_convert(context, y, x));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "convert: x is [4, 3] i32: expected f32 or bf16 or f16", sgl_convert(context, y, ids));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "convert: y is [4, 3] f32, x is [4, 3] f32: they overlap in memory",
               sgl_convert(context, x, x));
}

}  // namespace
}  // namespace sgl::test
