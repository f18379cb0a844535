// Products whose rows are whole 16-byte accesses, as those of real models are: on a GPU they take other paths than odd shapes.

#include "linear/linear_case.hpp"

namespace sgl::test {
namespace {

using AlignedLinear = CpuTest;

TEST_F(AlignedLinear, Matches_the_reference_for_every_number_of_few_rows) {
  for (int64_t rows = 1; rows <= 34; ++rows) expect_matches_reference(context, random, {rows, 112, 264, SGL_BF16, SGL_F32});
}

TEST_F(AlignedLinear, Matches_the_reference_around_tiles_of_the_weight) {
  for (const int64_t out : {1, 8, 15, 16, 17, 31, 32, 33, 48, 500}) {
    for (const int64_t in : {8, 16, 24, 32, 120, 128, 136, 1024, 1032}) {
      for (const int64_t rows : {1, 8, 13, 32}) {
        expect_matches_reference(context, random, {rows, out, in, SGL_BF16, SGL_BF16});
      }
    }
  }
}

TEST_F(AlignedLinear, Fuses_bias_residual_and_gate_at_any_number_of_rows) {
  for (const int64_t out : {32, 36, 320}) {
    for (const int64_t rows : {1, 7, 16, 25, 33, 100}) {
      for (int options = 0; options < 8; ++options) {
        for (const sgl_dtype y_dtype : {SGL_BF16, SGL_F32}) {
          LinearCase c{rows, out, 256, SGL_BF16, y_dtype, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0, 8};
          expect_matches_reference(context, random, c);
        }
      }
      expect_matches_reference(context, random, {rows, out, 128, SGL_F32, SGL_F32, true, true, false, 4});
    }
  }
}

TEST_F(AlignedLinear, Matches_the_reference_around_tiles_of_many_rows) {
  for (const int64_t rows : {17, 31, 32, 33, 63, 64, 65, 127, 128, 129}) {
    expect_matches_reference(context, random, {rows, 136, 328, SGL_BF16, SGL_BF16});
    expect_matches_reference(context, random, {rows, 72, 8, SGL_BF16, SGL_F32, true, true});
    expect_matches_reference(context, random, {rows, 276, 136, SGL_BF16, SGL_BF16, true, true, true, 8});
  }
}

TEST_F(AlignedLinear, Matches_the_reference_where_tiles_are_shared_out) {
  // More stages along in_features than tiles of y, and more tiles than processors but no multiple of them.
  for (const int64_t rows : {12, 40, 61, 100}) {
    for (const int options : {0, 7}) {
      if (rows > 64 && options == 0) continue;  // not shared out
      LinearCase c{rows, 520, 4104, SGL_BF16, SGL_BF16, (options & 1) != 0, (options & 2) != 0, (options & 4) != 0};
      expect_matches_reference(context, random, c);
    }
  }
  expect_matches_reference(context, random, {35, 17600, 200, SGL_BF16, SGL_F32});
  expect_matches_reference(context, random, {20, 34000, 72, SGL_BF16, SGL_BF16, false, false, true});
}

TEST_F(AlignedLinear, Matches_the_reference_for_a_large_share_of_many_rows) {
  if (!is_on_gpu()) GTEST_SKIP() << "a shape that only a GPU takes another way";
  expect_matches_reference(context, random, {66, 5700, 6152, SGL_BF16, SGL_BF16, true, true});
}

TEST_F(AlignedLinear, Matches_the_reference_where_blocks_of_a_cluster_share_rows_or_parts) {
  // Tiles and rows that do not come out even, a last tile of few columns, and a gate whose halves are whole groups of 8 or not.
  for (const int64_t rows : {66, 129, 200, 255, 256}) {
    expect_matches_reference(context, random, {rows, 520, 2056, SGL_BF16, SGL_BF16, true, true});
    expect_matches_reference(context, random, {rows, 264, 72, SGL_BF16, SGL_F32, false, true, false, 8});
    expect_matches_reference(context, random, {rows, 400, 328, SGL_BF16, SGL_F32, true, true, true, 8});
    expect_matches_reference(context, random, {rows, 396, 136, SGL_BF16, SGL_F32, true, true, true, 3});
    expect_matches_reference(context, random, {rows, 8, 8, SGL_BF16, SGL_BF16, false, false});
  }
  expect_matches_reference(context, random, {251, 17488, 200, SGL_BF16, SGL_F32, false, false, true});
  for (const int64_t rows : {131, 136, 145, 191, 249}) {
    expect_matches_reference(context, random, {rows, 272, 520, SGL_BF16, SGL_BF16, true, true, true, 8});
  }
}

TEST_F(AlignedLinear, Gives_the_same_bits_every_time) {
  for (const int64_t rows : {12, 24, 60, 130}) {
    const HostTensor x = HostTensor::normal(random, SGL_BF16, {rows, 2056});
    const Weight weight(context, SGL_BF16, random_rows(random, SGL_BF16, 712, 2056));
    const HostTensor first(SGL_F32, {rows, 712});
    ASSERT_OK(run_linear(context, first, x, weight));
    for (int i = 0; i < 10; ++i) {
      const HostTensor again(SGL_F32, {rows, 712});
      ASSERT_OK(run_linear(context, again, x, weight));
      ASSERT_EQ(first.values(), again.values()) << rows << " rows";
    }
  }
}

TEST_F(AlignedLinear, Takes_many_rows) {
  for (const int64_t rows : {64, 129, 511, 700}) {
    expect_matches_reference(context, random, {rows, 200, 512, SGL_BF16, SGL_BF16, false, true});
    expect_matches_reference(context, random, {rows, 72, 64, SGL_F32, SGL_F32, true});
  }
}

TEST_F(AlignedLinear, A_wide_gate_may_round_its_product_once_before_the_gate) {
  const HostTensor x = HostTensor::normal(random, SGL_BF16, {300, 128});
  const HostTensor rows = random_rows(random, SGL_BF16, 256, 128);
  const Weight weight(context, SGL_BF16, rows);
  const HostTensor y(SGL_BF16, {300, 128});
  ASSERT_OK(run_linear(context, y, x, weight, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL));
  const auto expected = reference::linear(x.view(), rows.view(), SGL_BF16, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL);
  // Each factor is off by up to 2^-9 of itself, and a gate's slope may double that.
  EXPECT_TRUE(is_close(y, expected, {2e-3, 4 * 0x1p-8}));
}

}  // namespace
}  // namespace sgl::test
