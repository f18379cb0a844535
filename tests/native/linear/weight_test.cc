#include <cmath>

#include "linear/linear_case.hpp"
#include "reference/element.hpp"

namespace sgl::test {
namespace {

using Weights = CpuTest;

/// Owns a weight that starts out as zeros.
class EmptyWeight {
 public:
  EmptyWeight(sgl_context* context, const sgl_weight_desc& desc) {
    if (sgl_weight_create(context, &weight_, &desc) != SGL_OK) throw std::runtime_error(sgl_last_error());
  }
  ~EmptyWeight() { sgl_weight_destroy(weight_); }
  EmptyWeight(const EmptyWeight&) = delete;
  EmptyWeight& operator=(const EmptyWeight&) = delete;
  operator sgl_weight*() const { return weight_; }

 private:
  sgl_weight* weight_ = nullptr;
};

sgl_status fill(sgl_context* context, sgl_weight* weight, const sgl_weight_fill_random_args& args) {
  return sgl_weight_fill_random(context, weight, &args);
}

/// All rows of a one-group weight, through the embedding.
HostTensor read_back(sgl_context* context, const sgl_weight* weight) {
  sgl_weight_desc desc;
  EXPECT_OK(sgl_weight_get_desc(weight, &desc));
  std::vector<int32_t> ids;
  for (int32_t row = 0; row < desc.out_features; ++row) ids.push_back(row);
  HostTensor y(desc.dtype, {desc.out_features, desc.in_features});
  EXPECT_OK(sgl_embedding(context, y, weight, HostTensor::ids(ids)));
  return y;
}

TEST_F(Weights, Stacked_loads_at_any_row_convert_every_source_type_and_leave_the_rest_zero) {
  for (const sgl_dtype storage : {SGL_BF16, SGL_F32}) {
    for (const sgl_dtype source : {SGL_BF16, SGL_F16, SGL_F32}) {
      for (const int64_t in : {1, 7, 64, 129}) {
        constexpr int64_t kOut = 150;
        const EmptyWeight weight(context, {1, storage, kOut, in});
        std::vector<double> expected(kOut * in, 0.0);
        const int64_t offsets[] = {3, 20, 85}, counts[] = {17, 64, 1};
        for (int part = 0; part < 3; ++part) {
          const Shape shape{counts[part], in};
          HostTensor rows(source, shape, HostTensor::gapped(shape, 3));
          rows.fill_normal(random);
          ASSERT_OK(sgl_weight_load(context, weight, rows, 0, offsets[part]));
          for (int64_t i = 0; i < rows.num_elements(); ++i) {
            expected[offsets[part] * in + i] = reference::round_to(storage, rows.get(i));
          }
        }
        ASSERT_EQ(expected, read_back(context, weight).values()) << "in " << in << ", source " << source;
      }
    }
  }
}

TEST_F(Weights, Every_f16_value_is_exact_in_f32) {
  HostTensor rows(SGL_F16, {256, 256});
  for (int i = 0; i < 65536; ++i) rows.data<uint16_t>()[i] = static_cast<uint16_t>(i);
  const Weight weight(context, SGL_F32, rows);
  const HostTensor y = read_back(context, weight);
  for (int i = 0; i < 65536; ++i) {
    if (std::isnan(rows.get(i))) {
      ASSERT_TRUE(std::isnan(y.get(i))) << i;
    } else {
      ASSERT_EQ(rows.get(i), y.get(i)) << i;
      ASSERT_EQ(std::signbit(rows.get(i)), std::signbit(y.get(i))) << i;
    }
  }
}

TEST_F(Weights, F32_rounds_to_bf16_with_ties_to_even_and_keeps_nan_and_infinity) {
  const float values[] = {1.0f, 1.00390625f, 1.01171875f, -1.00390625f, 3.4e38f, INFINITY, -INFINITY, NAN, 1e-40f, 0.0f, -0.0f};
  constexpr int64_t kCount = std::size(values);
  HostTensor rows(SGL_F32, {1, kCount});
  for (int64_t i = 0; i < kCount; ++i) rows.set(i, values[i]);
  const Weight weight(context, SGL_BF16, rows);
  const HostTensor y = read_back(context, weight);
  for (int64_t i = 0; i < kCount; ++i) {
    if (std::isnan(values[i])) {
      EXPECT_TRUE(std::isnan(y.get(i)));
    } else {
      EXPECT_EQ(reference::round_to(SGL_BF16, values[i]), y.get(i)) << values[i];
    }
  }
}

TEST_F(Weights, Embedding_picks_rows_and_refuses_ids_outside_the_vocabulary) {
  const HostTensor rows = HostTensor::normal(random, SGL_BF16, {100, 33});
  const Weight weight(context, SGL_BF16, rows);
  const std::vector<int32_t> ids{99, 0, 31, 32, 32, 64};
  const HostTensor y(SGL_BF16, {6, 33}, HostTensor::gapped({6, 33}, 4));
  ASSERT_OK(sgl_embedding(context, y, weight, HostTensor::ids(ids)));
  for (int64_t i = 0; i < y.num_elements(); ++i) ASSERT_EQ(rows.get(ids[i / 33] * 33 + i % 33), y.get(i));
  EXPECT_TRUE(y.gaps_are_intact());
  const HostTensor one(SGL_BF16, {1, 33});
  for (const int32_t bad : {-1, 100}) {
    if (is_on_gpu()) {
      ASSERT_OK(sgl_embedding(context, one, weight, HostTensor::ids({bad})));
      for (int64_t i = 0; i < 33; ++i) ASSERT_EQ(rows.get(i), one.get(i)) << "row 0 stands for an id that is not there";
      continue;
    }
    EXPECT_EQ(SGL_INVALID_ARGUMENT, sgl_embedding(context, one, weight, HostTensor::ids({bad})));
    EXPECT_NE(std::string::npos, std::string(sgl_last_error()).find(std::to_string(bad))) << sgl_last_error();
  }
}

TEST_F(Weights, Random_fill_is_uniform_within_the_scale) {
  constexpr int64_t kOut = 300, kIn = 401;
  const EmptyWeight weight(context, {1, SGL_F32, kOut, kIn});
  ASSERT_OK(fill(context, weight, {7, 0.25f, 0, 0, kOut, 0, 0}));
  const std::vector<double> values = read_back(context, weight).values();
  double sum = 0, squares = 0, largest = 0, neighbours = 0;
  int histogram[16] = {};
  for (size_t i = 0; i < values.size(); ++i) {
    sum += values[i];
    squares += values[i] * values[i];
    largest = std::max(largest, std::abs(values[i]));
    if (i > 0) neighbours += values[i] * values[i - 1];
    ++histogram[static_cast<int>((values[i] + 0.25) / 0.5 * 15.999)];
  }
  const double n = static_cast<double>(values.size()), deviation = 0.25 / std::sqrt(3.0);
  EXPECT_LE(largest, 0.25);
  EXPECT_GT(largest, 0.249);
  EXPECT_NEAR(0, sum / n, 5 * deviation / std::sqrt(n));
  EXPECT_NEAR(deviation * deviation, squares / n, 5 * deviation * deviation / std::sqrt(n));
  EXPECT_NEAR(0, neighbours / n, 5 * deviation * deviation / std::sqrt(n));
  for (const int count : histogram) EXPECT_NEAR(n / 16, count, 6 * std::sqrt(n / 16));
}

TEST_F(Weights, Random_fill_is_a_function_of_seed_row_and_column) {
  const EmptyWeight small(context, {1, SGL_F32, 40, 30});
  ASSERT_OK(fill(context, small, {11, 1.0f, 0, 0, 40, 0, 0}));
  const Context other(3);
  const EmptyWeight large(other, {1, SGL_F32, 77, 45});
  ASSERT_OK(fill(other, large, {11, 1.0f, 0, 0, 77, 0, 0}));
  const HostTensor a = read_back(context, small), b = read_back(other, large);
  for (int64_t row = 0; row < 40; ++row) {
    for (int64_t column = 0; column < 30; ++column) {
      ASSERT_EQ(a.get(row * 30 + column), b.get(row * 45 + column)) << row << ", " << column;
    }
  }
  ASSERT_OK(fill(context, small, {12, 1.0f, 0, 0, 40, 0, 0}));
  const std::vector<double> before = a.values(), after = read_back(context, small).values();
  int num_equal = 0;
  for (size_t i = 0; i < before.size(); ++i) num_equal += before[i] == after[i];
  EXPECT_LT(num_equal, 5);
}

TEST_F(Weights, A_random_block_is_that_part_of_the_whole_and_touches_no_other_row) {
  constexpr int64_t kOut = 77, kIn = 45;
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    const EmptyWeight whole(context, {1, dtype, kOut, kIn});
    ASSERT_OK(fill(context, whole, {11, 1.0f, 0, 0, kOut, 0, 0}));
    const HostTensor expected = read_back(context, whole);
    constexpr int64_t kFirstRow = 13, kFirstColumn = 20, kRows = 40, kColumns = 25, kOffset = 5;
    const EmptyWeight part(context, {1, dtype, kOffset + kRows + 3, kColumns});
    ASSERT_OK(fill(context, part, {11, 1.0f, 0, kOffset, kRows, kFirstRow, kFirstColumn}));
    const HostTensor values = read_back(context, part);
    for (int64_t row = 0; row < kOffset + kRows + 3; ++row) {
      for (int64_t column = 0; column < kColumns; ++column) {
        const bool is_filled = row >= kOffset && row < kOffset + kRows;
        ASSERT_EQ(is_filled ? expected.get((kFirstRow + row - kOffset) * kIn + kFirstColumn + column) : 0.0,
                  values.get(row * kColumns + column))
            << row << ", " << column;
      }
    }
  }
}

TEST_F(Weights, Num_bytes_counts_at_least_the_elements) {
  const EmptyWeight weight(context, {3, SGL_BF16, 96, 64});
  uint64_t num_bytes = 0;
  ASSERT_OK(sgl_weight_num_bytes(weight, &num_bytes));
  EXPECT_EQ(uint64_t{3 * 96 * 64 * 2}, num_bytes);
}

}  // namespace
}  // namespace sgl::test
