#include <cmath>
#include <limits>

#include "linear/linear_case.hpp"

namespace sgl::test {
namespace {

using Linear = CpuTest;

TEST_F(Linear, Matches_the_reference_for_odd_shapes) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int64_t rows : {1, 3, 17, 129}) {
      for (const int64_t out : {1, 5, 300}) {
        for (const int64_t in : {1, 7, 65, 1031}) {
          expect_matches_reference(context, random, {rows, out, in, dtype, dtype});
        }
      }
    }
  }
}

TEST_F(Linear, Matches_the_reference_for_every_row_count_of_a_tile) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (int64_t rows = 1; rows <= 45; ++rows) expect_matches_reference(context, random, {rows, 96, 300, dtype, SGL_F32});
  }
}

TEST_F(Linear, Matches_the_reference_around_panel_and_block_sizes) {
  for (const int64_t out : {31, 32, 33, 63, 64, 65, 96, 97}) {
    for (const int64_t in : {254, 255, 256, 257, 512, 514}) {
      expect_matches_reference(context, random, {2, out, in, SGL_BF16, SGL_F32});
      expect_matches_reference(context, random, {16, out, in, SGL_BF16, SGL_F32});
      expect_matches_reference(context, random, {16, out, in / 2, SGL_F32, SGL_F32});
    }
  }
}

TEST_F(Linear, Takes_more_rows_than_one_pass_holds) {
  expect_matches_reference(context, random, {513, 40, 33, SGL_BF16, SGL_BF16, true, true});
  expect_matches_reference(context, random, {1100, 70, 16, SGL_F32, SGL_F32, false, true, true});
}

TEST_F(Linear, Writes_f32_from_bf16_operands) {
  for (const int64_t rows : {1, 17}) {
    for (const bool is_gated : {false, true}) {
      expect_matches_reference(context, random, {rows, 130, 65, SGL_BF16, SGL_F32, true, true, is_gated});
    }
  }
}

TEST_F(Linear, Applies_bias_and_residual_with_and_without_a_gate) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    // Halves of 32 and 96 are whole panels, the others are not.
    for (const int64_t out : {2, 10, 64, 70, 192}) {
      for (const int64_t rows : {1, 5, 33}) {
        for (int options = 0; options < 8; ++options) {
          expect_matches_reference(context, random,
                                   {rows, out, 65, dtype, dtype, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0});
        }
      }
    }
  }
}

TEST_F(Linear, Honours_row_strides_and_writes_nothing_between_rows) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int64_t rows : {1, 3, 40}) {
      for (const bool is_gated : {false, true}) {
        expect_matches_reference(context, random, {rows, 66, 65, dtype, dtype, true, true, is_gated, 5});
        expect_matches_reference(context, random, {rows, 128, 64, dtype, SGL_F32, true, true, is_gated, 1});
      }
    }
  }
}

TEST_F(Linear, Residual_may_be_the_output) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int64_t rows : {1, 30}) {
      const HostTensor x = HostTensor::normal(random, dtype, {rows, 77});
      const HostTensor rows_of_weight = random_rows(random, dtype, 150, 77);
      const Weight weight(context, dtype, rows_of_weight);
      const HostTensor y = HostTensor::normal(random, dtype, {rows, 150});
      const HostTensor before = y.clone();
      ASSERT_OK(run_linear(context, y, x, weight, nullptr, &y));
      const auto expected = reference::linear(x.view(), rows_of_weight.view(), dtype, nullptr, before, SGL_EPILOGUE_NONE);
      EXPECT_TRUE(is_close(y, expected, product_tolerance(dtype, 77)));
    }
  }
}

TEST_F(Linear, Residual_may_be_f32_beside_bf16_activations) {
  const HostTensor x = HostTensor::normal(random, SGL_BF16, {9, 64});
  const HostTensor rows = random_rows(random, SGL_BF16, 50, 64);
  const Weight weight(context, SGL_BF16, rows);
  const HostTensor residual = HostTensor::normal(random, SGL_F32, {9, 50});
  const HostTensor y(SGL_BF16, {9, 50});
  ASSERT_OK(run_linear(context, y, x, weight, nullptr, &residual));
  const auto expected = reference::linear(x.view(), rows.view(), SGL_BF16, nullptr, residual, SGL_EPILOGUE_NONE);
  EXPECT_TRUE(is_close(y, expected, product_tolerance(SGL_BF16, 64)));
}

TEST_F(Linear, A_gate_far_below_zero_closes) {
  for (const int64_t width : {32, 33}) {
    HostTensor rows(SGL_F32, {2 * width, 1});
    for (int64_t i = 0; i < 2 * width; ++i) rows.set(i, i < width ? -1000 : 1);
    const Weight weight(context, SGL_F32, rows);
    HostTensor x(SGL_F32, {1, 1});
    x.set(0, 1);
    const HostTensor y(SGL_F32, {1, width});
    ASSERT_OK(run_linear(context, y, x, weight, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL));
    for (const double value : y.values()) EXPECT_EQ(value, 0);
  }
}

TEST_F(Linear, No_rows_is_no_work) {
  const Weight weight(context, SGL_BF16, random_rows(random, SGL_BF16, 40, 30));
  const HostTensor x(SGL_BF16, {0, 30}), y(SGL_BF16, {0, 40});
  EXPECT_OK(run_linear(context, y, x, weight));
}

/// Bits of a row of y.
std::vector<double> row_of(const HostTensor& y, int64_t row) {
  const std::vector<double> values = y.values();
  const int64_t width = y.shape()[1];
  return {values.begin() + row * width, values.begin() + (row + 1) * width};
}

TEST_F(Linear, A_row_does_not_depend_on_its_batch_or_on_the_number_of_threads) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    constexpr int64_t kRows = 47, kOut = 130, kIn = 1031;
    const HostTensor x = HostTensor::normal(random, dtype, {kRows, kIn});
    const HostTensor rows = random_rows(random, dtype, kOut, kIn);
    const Weight weight(context, dtype, rows);
    const HostTensor whole(SGL_F32, {kRows, kOut});
    ASSERT_OK(run_linear(context, whole, x, weight));
    for (int64_t count = 1; count <= 30; ++count) {
      HostTensor part_x(dtype, {count, kIn});
      const int64_t first = random.integer(0, kRows - count);
      for (int64_t i = 0; i < count * kIn; ++i) part_x.set(i, x.get(first * kIn + i));
      const HostTensor part(SGL_F32, {count, kOut});
      ASSERT_OK(run_linear(context, part, part_x, weight));
      for (int64_t row = 0; row < count; ++row) {
        ASSERT_EQ(row_of(part, row), row_of(whole, first + row)) << "row " << first + row << " in a batch of " << count;
      }
    }
    for (const int num_threads : {1, 3}) {
      const Context other(num_threads);
      const Weight other_weight(other, dtype, rows);
      const HostTensor y(SGL_F32, {kRows, kOut});
      ASSERT_OK(run_linear(other, y, x, other_weight));
      EXPECT_EQ(y.values(), whole.values()) << num_threads << " threads";
    }
  }
}

TEST_F(Linear, Non_finite_values_stay_in_their_row) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int64_t in : {7, 64}) {
      HostTensor x = HostTensor::normal(random, dtype, {20, in});
      x.set(3 * in + in - 1, std::nan(""));
      x.set(5 * in, kInfinity);
      HostTensor rows = HostTensor::uniform(random, dtype, {70, in}, 0.5, 1);
      const Weight weight(context, dtype, rows);
      const HostTensor y(dtype, {20, 70});
      ASSERT_OK(run_linear(context, y, x, weight));
      for (int64_t i = 0; i < y.num_elements(); ++i) {
        const int64_t row = i / 70;
        if (row == 3) {
          ASSERT_TRUE(std::isnan(y.get(i)));
        } else if (row == 5) {
          ASSERT_EQ(kInfinity, y.get(i));
        } else {
          ASSERT_TRUE(std::isfinite(y.get(i))) << "row " << row;
        }
      }
    }
  }
}

TEST_F(Linear, A_saturated_gate_is_zero_or_the_identity) {
  // One input feature of 1: gate and up are the weight's elements themselves.
  HostTensor x(SGL_F32, {1, 1});
  x.set(0, 1);
  HostTensor rows(SGL_F32, {8, 1});
  const double gates[] = {-1e30, -200, -90, 0};
  const double mirrored[] = {1e30, 200, 90, 20};
  for (const auto& values : {gates, mirrored}) {
    for (int i = 0; i < 4; ++i) {
      rows.set(i, values[i]);
      rows.set(4 + i, 1);
    }
    const Weight weight(context, SGL_F32, rows);
    const HostTensor y(SGL_F32, {1, 4});
    ASSERT_OK(run_linear(context, y, x, weight, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL));
    for (int i = 0; i < 4; ++i) {
      if (values == gates && i > 0) {
        EXPECT_NEAR(0, y.get(i), 1e-30) << values[i];
      } else if (values == mirrored) {
        EXPECT_NEAR(values[i], y.get(i), 1e-6 * values[i]);
      }
    }
  }
}

}  // namespace
}  // namespace sgl::test
