#include "sgl/embedding.h"

#include "reference/element.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

/// Rows of a matrix, the answer of every gather.
std::vector<double> rows_of(const HostTensor& matrix, const std::vector<int32_t>& rows) {
  const int64_t width = matrix.shape()[1];
  std::vector<double> picked;
  for (const int32_t row : rows) {
    for (int64_t i = 0; i < width; ++i) picked.push_back(matrix.get(row * width + i));
  }
  return picked;
}

class Embedding : public CpuTest, public ::testing::WithParamInterface<sgl_dtype> {
 protected:
  const sgl_dtype dtype = GetParam();

  std::vector<int32_t> random_ids(int64_t count, int64_t vocabulary) {
    std::vector<int32_t> ids;
    for (int64_t i = 0; i < count; ++i) ids.push_back(static_cast<int32_t>(random.integer(0, vocabulary - 1)));
    return ids;
  }
};

INSTANTIATE_TEST_SUITE_P(, Embedding, ::testing::Values(SGL_F32, SGL_BF16),
                         [](const auto& info) { return info.param == SGL_F32 ? "f32" : "bf16"; });

TEST_P(Embedding, Returns_rows_of_a_packed_weight_unchanged) {
  for (const int64_t width : {1, 17, 64, 129, 576}) {
    for (const int64_t vocabulary : {1, 31, 300}) {
      SCOPED_TRACE(testing::Message() << vocabulary << " rows of " << width);
      const auto table = HostTensor::normal(random, dtype, {vocabulary, width});
      const Weight weight(context, dtype, table);
      for (const int64_t num_tokens : {1, 17, 129}) {
        auto ids = random_ids(num_tokens, vocabulary);
        ids.front() = static_cast<int32_t>(vocabulary - 1);
        const Shape shape{num_tokens, width};
        const HostTensor y(dtype, shape, HostTensor::gapped(shape, 3));
        ASSERT_OK(sgl_embedding(context, y, weight, HostTensor::ids(ids)));
        EXPECT_TRUE(is_close(y, rows_of(table, ids), {0, 0, 0}));
      }
    }
  }
}

TEST_P(Embedding, An_id_outside_the_vocabulary_writes_nothing) {
  SKIP_ON_GPU("ids are checked on the CPU alone");
  const Weight weight(context, dtype, HostTensor::normal(random, dtype, {10, 32}));
  const HostTensor y(dtype, {2, 32});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "embedding: ids[1] is 10: expected 0 to 9",
               sgl_embedding(context, y, weight, HostTensor::ids({9, 10})));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "embedding: ids[0] is -1: expected 0 to 9",
               sgl_embedding(context, y, weight, HostTensor::ids({-1, 3})));
  EXPECT_TRUE(is_close(y, HostTensor(dtype, {2, 32}).values(), {0, 0, 0}));
}

TEST_P(Embedding, A_shard_has_its_own_rows_and_zeros_for_the_rest) {
  for (const int64_t width : {1, 17, 129, 576}) {
    constexpr int64_t kVocabulary = 100, kFirst = 37, kRows = 21;
    const auto table = HostTensor::normal(random, dtype, {kVocabulary, width});
    HostTensor own(dtype, {kRows, width});
    for (int64_t i = 0; i < kRows * width; ++i) own.set(i, table.get(kFirst * width + i));
    const Weight weight(context, dtype, own);
    auto ids = random_ids(129, kVocabulary);
    ids[0] = kFirst - 1;
    ids[1] = kFirst;
    ids[2] = kFirst + kRows - 1;
    ids[3] = kFirst + kRows;
    std::vector<double> expected = rows_of(table, ids);
    for (size_t i = 0; i < ids.size(); ++i) {
      if (ids[i] >= kFirst && ids[i] < kFirst + kRows) continue;
      std::fill_n(expected.begin() + static_cast<int64_t>(i) * width, width, 0.0);
    }
    const Shape shape{129, width};
    const HostTensor y(dtype, shape, HostTensor::gapped(shape, 3));
    ASSERT_OK(sgl_embedding_shard(context, y, weight, HostTensor::ids(ids), kFirst));
    EXPECT_TRUE(is_close(y, expected, {0, 0, 0}));
  }
}

TEST_P(Embedding, Gather_copies_rows) {
  for (const int64_t width : {1, 17, 129, 4096}) {
    const Shape source{33, width};
    HostTensor x(dtype, source, HostTensor::gapped(source, 5));
    x.fill_normal(random);
    for (const int64_t num_rows : {1, 40}) {
      const auto rows = random_ids(num_rows, 33);
      const HostTensor y(dtype, {num_rows, width});
      ASSERT_OK(sgl_gather_rows(context, y, x, HostTensor::ids(rows)));
      EXPECT_TRUE(is_close(y, rows_of(x, rows), {0, 0, 0}));
    }
  }
}

TEST_P(Embedding, A_row_outside_the_source_is_refused) {
  SKIP_ON_GPU("rows are checked on the CPU alone");
  const auto x = HostTensor::normal(random, dtype, {4, 8});
  const HostTensor y(dtype, {1, 8});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "gather_rows: rows[0] is 4: expected 0 to 3",
               sgl_gather_rows(context, y, x, HostTensor::ids({4})));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "gather_rows: rows[0] is -1: expected 0 to 3",
               sgl_gather_rows(context, y, x, HostTensor::ids({-1})));
}

TEST_P(Embedding, Gather_sum_adds_terms_in_order_and_the_residual_last_and_rounds_once) {
  for (const int64_t width : {1, 17, 129, 4096}) {
    for (const sgl_dtype x_type : {dtype, SGL_F32}) {
      for (const int64_t num_terms : {1, 3, 8}) {
        constexpr int64_t kSources = 33, kRows = 29;
        const Shape source{kSources, width}, shape{kRows, width};
        HostTensor x(x_type, source, HostTensor::gapped(source, 4));
        x.fill_normal(random);
        HostTensor ids(SGL_I32, {kRows, num_terms});
        for (int64_t i = 0; i < kRows * num_terms; ++i) ids.set(i, static_cast<double>(random.integer(-12, kSources - 1)));
        for (int64_t term = 0; term < num_terms; ++term) ids.set(num_terms + term, -1);
        for (const bool has_residual : {false, true}) {
          SCOPED_TRACE(testing::Message() << "width " << width << ", terms " << num_terms << ", residual " << has_residual);
          HostTensor residual(dtype, shape, HostTensor::gapped(shape, 8));
          residual.fill_normal(random);
          std::vector<double> expected;
          for (int64_t row = 0; row < kRows; ++row) {
            for (int64_t column = 0; column < width; ++column) {
              float sum = 0;
              for (int64_t term = 0; term < num_terms; ++term) {
                const auto id = static_cast<int64_t>(ids.get(row * num_terms + term));
                if (id >= 0) sum += static_cast<float>(x.get(id * width + column));
              }
              if (has_residual) sum += static_cast<float>(residual.get(row * width + column));
              expected.push_back(reference::round_to(dtype, sum));
            }
          }
          const HostTensor y(dtype, shape, HostTensor::gapped(shape, 3));
          ASSERT_OK(sgl_gather_sum(context, y, x, ids, has_residual ? residual.operator const sgl_tensor*() : nullptr));
          EXPECT_TRUE(is_close(y, expected, {0, 0, 0}));
          if (!has_residual) continue;
          ASSERT_OK(sgl_gather_sum(context, residual, x, ids, residual));
          EXPECT_TRUE(is_close(residual, expected, {0, 0, 0}));
        }
      }
    }
  }
}

TEST_F(CpuTest, Gather_sum_refuses_a_row_past_the_end) {
  SKIP_ON_GPU("rows are checked on the CPU alone");
  const HostTensor x(SGL_F32, {4, 8}), y(SGL_F32, {1, 8});
  HostTensor rows(SGL_I32, {1, 2});
  rows.set(0, -1);
  rows.set(1, 4);
  EXPECT_EQ(SGL_INVALID_ARGUMENT, sgl_gather_sum(context, y, x, rows, nullptr));
  EXPECT_NE(std::string::npos, std::string(sgl_last_error()).find("gather_sum: rows[1] is 4")) << sgl_last_error();
}

TEST_F(CpuTest, Gather_copies_rows_of_ids) {
  HostTensor x(SGL_I32, {5, 3});
  for (int i = 0; i < 15; ++i) x.set(i, i * 1000 - 7);
  const HostTensor y(SGL_I32, {2, 3});
  ASSERT_OK(sgl_gather_rows(context, y, x, HostTensor::ids({4, 1})));
  EXPECT_TRUE(is_close(y, rows_of(x, {4, 1}), {0, 0, 0}));
}

TEST_F(CpuTest, Token_resolve_takes_ids_or_the_last_ids) {
  const auto sources = HostTensor::ids({7, -1, 0, -3, INT32_MAX, -2}), last_ids = HostTensor::ids({100, 200, 300});
  const HostTensor ids(SGL_I32, {6});
  ASSERT_OK(sgl_token_resolve(context, ids, sources, last_ids));
  EXPECT_EQ(ids.id_values(), (std::vector<int32_t>{7, 100, 0, 300, INT32_MAX, 200}));
}

TEST_F(CpuTest, Token_resolve_works_in_place_and_refuses_unknown_slots) {
  const auto ids = HostTensor::ids({5, -2}), last_ids = HostTensor::ids({100, 200});
  ASSERT_OK(sgl_token_resolve(context, ids, ids, last_ids));
  EXPECT_EQ(ids.id_values(), (std::vector<int32_t>{5, 200}));
  SKIP_ON_GPU("sources are checked on the CPU alone");
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "token_resolve: sources[1] is -3: expected -2 to 2147483647",
               sgl_token_resolve(context, ids, HostTensor::ids({0, -3}), last_ids));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "token_resolve: sources[0] is -2147483648: expected -2 to 2147483647",
               sgl_token_resolve(context, ids, HostTensor::ids({INT32_MIN, 0}), last_ids));
}

TEST_F(CpuTest, Token_scatter_skips_negative_slots) {
  const auto last_ids = HostTensor::ids({1, 2, 3, 4});
  ASSERT_OK(sgl_token_scatter(context, last_ids, HostTensor::ids({3, -1, 0}), HostTensor::ids({30, 31, 32})));
  EXPECT_EQ(last_ids.id_values(), (std::vector<int32_t>{32, 2, 3, 30}));
  SKIP_ON_GPU("slots are checked on the CPU alone");
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "token_scatter: slots[2] is 4: expected -2147483648 to 3",
               sgl_token_scatter(context, last_ids, HostTensor::ids({1, -1, 4}), HostTensor::ids({7, 8, 9})));
  EXPECT_EQ(last_ids.id_values(), (std::vector<int32_t>{32, 2, 3, 30}));
}

TEST_P(Embedding, No_tokens_is_no_work) {
  const Weight weight(context, dtype, HostTensor::normal(random, dtype, {10, 32}));
  const HostTensor y(dtype, {0, 32}), none(SGL_I32, {0}), last_ids(SGL_I32, {0});
  EXPECT_OK(sgl_embedding(context, y, weight, none));
  EXPECT_OK(sgl_gather_rows(context, y, y, none));
  EXPECT_OK(sgl_token_resolve(context, none, none, last_ids));
  EXPECT_OK(sgl_token_scatter(context, last_ids, none, none));
}

TEST_P(Embedding, Says_which_tensors_disagree) {
  const std::string type = dtype == SGL_F32 ? "f32" : "bf16";
  const Weight weight(context, dtype, HostTensor::normal(random, dtype, {10, 32}));
  const Weight experts(context, dtype, HostTensor::normal(random, dtype, {2, 10, 32}));
  const HostTensor y(dtype, {2, 32}), narrow(dtype, {2, 31}), halves(SGL_F16, {2, 32});
  const auto ids = HostTensor::ids({0, 1});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               ("embedding: y is [2, 31] " + type + ", weight is [10, 32] " + type + ": last dims differ").c_str(),
               sgl_embedding(context, narrow, weight, ids));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, ("embedding: y is [2, 32] f16, weight is [10, 32] " + type + ": types differ").c_str(),
               sgl_embedding(context, halves, weight, ids));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, ("embedding: weight is [10, 32] " + type + ": it has 2 groups, expected 1").c_str(),
               sgl_embedding(context, y, experts, ids));
}

}  // namespace
}  // namespace sgl::test
