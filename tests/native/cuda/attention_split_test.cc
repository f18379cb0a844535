#include "cuda/kernels/attention/attention_split.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "support/random.hpp"

namespace sgl::test {
namespace {

using cuda::AttentionSplit;
using cuda::AttentionWorkers;
using cuda::DecodeRequest;
using cuda::DecodeStretch;
using cuda::PrefillTile;

constexpr AttentionWorkers kH100 = {264, 264, 128, 132, 264};

struct Batch {
  sgl_attention_desc desc{};
  std::vector<int32_t> query_start{0};
  std::vector<int32_t> kv_length;
  std::vector<int32_t> page_start;

  Batch(int num_q_heads, int num_kv_heads, int window = 0) {
    desc.num_q_heads = num_q_heads;
    desc.num_kv_heads = num_kv_heads;
    desc.head_dim = 128;
    desc.page_size = 16;
    desc.window = window;
  }
  Batch& add(int num_queries, int length) {
    query_start.push_back(query_start.back() + num_queries);
    kv_length.push_back(length);
    page_start.push_back(0);
    return *this;
  }
  AttentionSplit split(const AttentionWorkers& workers) const {
    AttentionSplit result;
    cuda::split_attention(
        result, desc,
        {static_cast<int32_t>(kv_length.size()), 0, query_start.data(), kv_length.data(), page_start.data(), nullptr}, workers);
    return result;
  }
};

/// What decode.cuh makes of the stretches: every unit of every item once, and of every item the parts it counts, in order, each
/// with a place of its own.
void check_decode(const AttentionSplit& split, const Batch& batch, const AttentionWorkers& workers) {
  ASSERT_LE(static_cast<int>(split.stretches.size()),
            split.is_for_decode_sm90 ? workers.num_decode_sm90_workers : workers.num_decode_workers);
  std::map<std::pair<int, int>, std::vector<int>> stretches_of_item;  // first token and head
  std::set<int> places;
  int unit = 0;
  for (size_t s = 0; s < split.stretches.size(); ++s) {
    const DecodeStretch& stretch = split.stretches[s];
    ASSERT_EQ(stretch.unit_begin, unit);
    ASSERT_GT(stretch.unit_end, stretch.unit_begin);
    size_t index = static_cast<size_t>(stretch.request_index);
    ASSERT_EQ(stretch.request.first_token, split.decode_requests[index].first_token);
    while (unit < stretch.unit_end) {
      const DecodeRequest& request = split.decode_requests[index];
      if (unit >= request.first_unit + request.num_units * batch.desc.num_kv_heads) {
        ++index;
        continue;
      }
      const int head = (unit - request.first_unit) / request.num_units,
                offset = (unit - request.first_unit) % request.num_units;
      const int count = std::min(request.num_units - offset, stretch.unit_end - unit);
      const int parts = offset > 0 ? stretch.head_parts : count < request.num_units ? stretch.tail_parts : 1;
      const int first = offset > 0 ? stretch.head_first : static_cast<int>(s);
      auto& seen = stretches_of_item[{request.first_token, head}];
      ASSERT_EQ(first, seen.empty() ? static_cast<int>(s) : seen.front());
      ASSERT_EQ(static_cast<int>(s) - first, static_cast<int>(seen.size()));
      seen.push_back(static_cast<int>(s));
      if (offset + count == request.num_units) {
        ASSERT_EQ(parts, static_cast<int>(seen.size()));
      }
      if (parts > 1) {
        ASSERT_TRUE(places.insert(2 * static_cast<int>(s) + (offset == 0 ? 1 : 0)).second);
      }
      unit += count;
    }
  }
  ASSERT_EQ(unit, split.num_units);
}

/// Every row of a request sees its keys once over all tiles, and parts are as many as they say.
void check_prefill(const AttentionSplit& split, const Batch& batch, const AttentionWorkers& workers) {
  ASSERT_LE(split.num_prefill_partials, cuda::max_prefill_partials(workers));
  ASSERT_LE(split.num_prefill_merges * batch.desc.num_kv_heads, cuda::max_prefill_merges(workers));
  const int group = batch.desc.num_q_heads / batch.desc.num_kv_heads;
  std::map<std::pair<int, int>, std::vector<PrefillTile>> tiles;  // first token and first row
  for (const PrefillTile& tile : split.prefill_tiles) tiles[{tile.first_token, tile.row_begin}].push_back(tile);
  std::map<int, int> num_rows;
  for (auto& [place, parts] : tiles) {
    std::sort(parts.begin(), parts.end(), [](const auto& a, const auto& b) { return a.key_begin < b.key_begin; });
    num_rows[place.first] += parts[0].num_rows;
    const int first_position = parts[0].kv_length - parts[0].num_tokens;
    const int begin = first_position + parts[0].row_begin / group;
    const int first_visible = batch.desc.window > 0 ? std::max(0, begin + 1 - batch.desc.window) : 0;
    ASSERT_EQ(parts[0].key_begin, first_visible / cuda::kUnitKeys * cuda::kUnitKeys);
    ASSERT_EQ(parts.back().key_end, first_position + (parts[0].row_begin + parts[0].num_rows - 1) / group + 1);
    for (size_t i = 0; i < parts.size(); ++i) {
      ASSERT_EQ(parts[i].num_splits, static_cast<int>(parts.size()));
      ASSERT_EQ(parts[i].split, static_cast<int>(i));
      ASSERT_LT(parts[i].key_begin, parts[i].key_end);
      if (i > 0) {
        ASSERT_EQ(parts[i].key_begin, parts[i - 1].key_end);
      }
    }
  }
  for (const auto& [first_token, rows] : num_rows) {
    const auto r =
        std::upper_bound(batch.query_start.begin(), batch.query_start.end(), first_token) - batch.query_start.begin() - 1;
    ASSERT_EQ(rows, (batch.query_start[static_cast<size_t>(r) + 1] - first_token) * group);
  }
}

TEST(AttentionSplit, Covers_random_batches_exactly_once) {
  Random random;
  for (int trial = 0; trial < 300; ++trial) {
    const int num_kv_heads = static_cast<int>(random.integer(1, 8)), group = static_cast<int>(random.integer(1, 20));
    Batch batch(num_kv_heads * group, num_kv_heads, random.chance(0.3) ? static_cast<int>(random.integer(1, 3000)) : 0);
    const int num_requests = static_cast<int>(random.integer(0, 80));
    const int longest = static_cast<int>(random.integer(1, random.chance(0.3) ? 100000 : 3000));
    for (int r = 0; r < num_requests; ++r) {
      const int length = static_cast<int>(random.integer(1, longest));
      const int queries = random.chance(0.7) ? 1 : static_cast<int>(random.integer(0, std::min(length, 500)));
      batch.add(queries, length);
    }
    const AttentionWorkers workers = random.chance(0.5) ? kH100 : AttentionWorkers{3, 5, 64, 0, 0};
    const AttentionSplit split = batch.split(workers);
    check_decode(split, batch, workers);
    check_prefill(split, batch, workers);
    if (::testing::Test::HasFatalFailure()) FAIL() << "trial " << trial;
  }
}

TEST(AttentionSplit, One_long_request_gives_every_worker_keys) {
  Batch batch(32, 8);
  batch.add(1, 131072);
  const AttentionSplit split = batch.split(kH100);
  EXPECT_GE(static_cast<int>(split.stretches.size()), kH100.num_decode_workers * 9 / 10);
}

TEST(AttentionSplit, Many_requests_are_for_the_kernel_of_their_own) {
  AttentionWorkers others = kH100;
  others.num_decode_sm90_workers = 0;
  for (const int num_requests : {1, 31, 32, 256}) {
    Batch batch(32, 8);
    for (int r = 0; r < num_requests; ++r) batch.add(1, 1024);
    batch.add(500, 500);  // not decode
    EXPECT_EQ(batch.split(kH100).is_for_decode_sm90, num_requests >= 32) << num_requests;
    EXPECT_FALSE(batch.split(others).is_for_decode_sm90) << num_requests;
  }
}

TEST(AttentionSplit, Short_requests_are_cut_no_finer_than_a_unit) {
  Batch batch(32, 8);
  batch.add(1, 100).add(1, 1);
  const AttentionSplit split = batch.split(kH100);
  EXPECT_EQ(split.stretches.size(), 8u * 2 + 8);
  for (const DecodeStretch& stretch : split.stretches) EXPECT_EQ(stretch.unit_end - stretch.unit_begin, 1);
}

TEST(AttentionSplit, A_chunk_behind_a_long_prefix_is_split_to_fill_the_device_in_whole_rounds) {
  const auto num_items = [](int num_queries) {
    Batch batch(32, 8);
    batch.add(num_queries, 16384);
    return static_cast<int>(batch.split(kH100).prefill_tiles.size()) * 8;
  };
  EXPECT_EQ(num_items(256), 128);  // 8 tiles for each head: halves are one round of 132 blocks, thirds would be two
  EXPECT_EQ(num_items(512), 128);  // one round of whole tiles
  EXPECT_GE(num_items(64), kH100.num_sm90_workers * 9 / 10);
}

TEST(AttentionSplit, Requests_of_one_length_are_cut_at_the_ends_of_their_items) {
  for (const int num_requests : {8, 32, 64, 128, 256}) {
    Batch batch(32, 8);
    for (int r = 0; r < num_requests; ++r) batch.add(1, 1050);
    const AttentionSplit split = batch.split(kH100);
    const int units_of_item = split.decode_requests[0].num_units;
    int shortest = split.num_units, longest = 0;
    for (const DecodeStretch& stretch : split.stretches) {
      const int length = stretch.unit_end - stretch.unit_begin;
      shortest = std::min(shortest, length);
      longest = std::max(longest, length);
      const int offset = stretch.unit_begin % units_of_item;
      EXPECT_TRUE(offset == 0 ? length < units_of_item || length % units_of_item == 0 : offset + length <= units_of_item)
          << num_requests << " requests, units " << stretch.unit_begin << " to " << stretch.unit_end;
    }
    EXPECT_LE(longest - shortest, 1) << num_requests << " requests";
    EXPECT_GE(static_cast<int>(split.stretches.size()), kH100.num_decode_workers * 9 / 10) << num_requests << " requests";
  }
}

TEST(AttentionSplit, Requests_of_any_length_give_no_worker_much_more_than_its_share) {
  Random random;
  for (int trial = 0; trial < 100; ++trial) {
    Batch batch(32, 8);
    const int num_requests = static_cast<int>(random.integer(1, 300)), longest = static_cast<int>(random.integer(1, 4000));
    for (int r = 0; r < num_requests; ++r) batch.add(1, static_cast<int>(random.integer(1, longest)));
    const AttentionSplit split = batch.split(kH100);
    const int share = split.num_units / kH100.num_decode_workers;
    for (const DecodeStretch& stretch : split.stretches) {
      EXPECT_LE(stretch.unit_end - stretch.unit_begin, share + share / 16 + 3) << "trial " << trial;
    }
  }
}

TEST(AttentionSplit, Tiles_that_fill_the_device_many_times_stay_whole) {
  Batch batch(32, 8);
  batch.add(16384, 16384).add(300, 4000);
  for (const PrefillTile& tile : batch.split(kH100).prefill_tiles) EXPECT_EQ(tile.num_splits, 1);
}

}  // namespace
}  // namespace sgl::test
