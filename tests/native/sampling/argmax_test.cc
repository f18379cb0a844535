#include <algorithm>
#include <cmath>
#include <limits>

#include "sgl/sampling.h"
#include "support/context.hpp"

namespace sgl::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

using Argmax = CpuTest;

/// What sgl_sample draws greedily of whole rows.
std::vector<double> drawn(sgl_context* context, const HostTensor& logits) {
  const int64_t num_rows = logits.shape()[0];
  sgl_sampling_row greedy{};
  greedy.top_p = greedy.repetition_penalty = 1;
  const std::vector<sgl_sampling_row> rows(num_rows, greedy);
  const HostTensor ids(SGL_I32, {num_rows});
  sgl_sampling_args args{};
  args.ids = ids;
  args.logits = logits;
  args.rows = rows.data();
  EXPECT_OK(sgl_sample(context, &args));
  return ids.values();
}

/// The same from parts that end where `ends` says.
std::vector<double> merged(sgl_context* context, const HostTensor& logits, const std::vector<int64_t>& ends) {
  const int64_t num_rows = logits.shape()[0], vocabulary = logits.shape()[1];
  const auto num_parts = static_cast<int64_t>(ends.size());
  HostTensor all(SGL_I32, {num_rows, 2 * num_parts});
  int64_t first = 0;
  for (int64_t part = 0; part < num_parts; ++part) {
    const int64_t width = ends[part] - first;
    const Shape shape{num_rows, width};
    HostTensor own(SGL_F32, shape, HostTensor::gapped(shape, 5));
    for (int64_t i = 0; i < num_rows * width; ++i) own.set(i, logits.get(i / width * vocabulary + first + i % width));
    const HostTensor best(SGL_I32, {num_rows, 2});
    EXPECT_OK(sgl_argmax_shard(context, best, own, static_cast<int32_t>(first)));
    for (int64_t row = 0; row < num_rows; ++row) {
      for (int64_t word = 0; word < 2; ++word) all.set(row * 2 * num_parts + 2 * part + word, best.get(2 * row + word));
    }
    first = ends[part];
  }
  const HostTensor ids(SGL_I32, {num_rows});
  EXPECT_OK(sgl_argmax_merge(context, ids, all));
  return ids.values();
}

TEST_F(Argmax, Of_parts_is_the_greedy_draw_of_the_whole) {
  for (const int64_t vocabulary : {1, 7, 449, 9001, 40000}) {
    for (const int64_t num_rows : {1, 17}) {
      for (const int64_t num_parts : {1, 2, 3, 8}) {
        SCOPED_TRACE(testing::Message() << num_rows << " rows of " << vocabulary << " in " << num_parts);
        auto logits = HostTensor::normal(random, SGL_F32, {num_rows, vocabulary});
        // Few values, so that there are ties within parts and between them.
        for (int64_t i = 0; i < num_rows * vocabulary; ++i) logits.set(i, std::round(logits.get(i)));
        std::vector<int64_t> ends;
        for (int64_t part = 1; part < num_parts; ++part) ends.push_back(random.integer(0, vocabulary));
        std::sort(ends.begin(), ends.end());
        ends.push_back(vocabulary);
        EXPECT_EQ(drawn(context, logits), merged(context, logits, ends));
      }
    }
  }
}

TEST_F(Argmax, Takes_odd_numbers_as_the_sampler_does) {
  const float nan = std::nanf("");
  const std::vector<std::vector<float>> rows = {
      {-2e5f, nan, -2e5f, -kInfinity}, {nan, -1e5f, nan, nan},     {1, kInfinity, 3, kInfinity}, {-0.0f, 0.0f, -1, -1},
      {-1, 0.0f, -0.0f, 0.0f},         {-kInfinity, -kInfinity, -kInfinity, -kInfinity}};
  HostTensor logits(SGL_F32, {static_cast<int64_t>(rows.size()), 4});
  for (size_t row = 0; row < rows.size(); ++row) {
    for (size_t id = 0; id < 4; ++id) logits.set(static_cast<int64_t>(4 * row + id), rows[row][id]);
  }
  for (const std::vector<int64_t>& ends : {std::vector<int64_t>{4}, {2, 4}, {1, 2, 3, 4}, {0, 4, 4}}) {
    EXPECT_EQ(drawn(context, logits), merged(context, logits, ends));
  }
}

TEST_F(Argmax, Arguments_are_checked_and_named) {
  const HostTensor logits(SGL_F32, {2, 4}), best(SGL_I32, {2, 2}), odd(SGL_I32, {2, 3}), ids(SGL_I32, {2});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "argmax_shard: first_id is -1 of 4 ids: expected ids from 0 to 2147483647",
               sgl_argmax_shard(context, best, logits, -1));
  EXPECT_EQ(SGL_INVALID_ARGUMENT, sgl_argmax_shard(context, odd, logits, 0));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "argmax_merge: best has 3 columns: expected two for each part",
               sgl_argmax_merge(context, ids, odd));
}

}  // namespace
}  // namespace sgl::test
