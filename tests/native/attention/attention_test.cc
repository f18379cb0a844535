#include "attention/attention_case.hpp"

namespace sgl::test {
namespace {

std::vector<RequestShape> odd_requests() { return {{1, 1}, {3, 3}, {17, 40}, {1, 129}, {129, 129}, {1, 700}, {5, 1030}}; }

TEST(Attention, Matches_the_reference_for_every_head_dim_in_both_types) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int head_dim : {32, 40, 64, 72, 80, 96, 128, 192, 256}) {
      AttentionShape shape;
      shape.dtype = dtype;
      shape.head_dim = head_dim;
      shape.requests = {{1, 77}, {19, 30}, {3, 200}, {1, 600}};
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, Matches_the_reference_for_every_page_size_and_group) {
  const int heads[][2] = {{2, 2}, {3, 1}, {6, 2}, {8, 2}, {8, 1}, {12, 1}};
  for (const int page_size : {1, 3, 16, 64}) {
    for (const auto& pair : heads) {
      AttentionShape shape;
      shape.num_q_heads = pair[0];
      shape.num_kv_heads = pair[1];
      shape.page_size = page_size;
      shape.requests = odd_requests();
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, A_group_larger_than_a_block_is_cut_into_several) {
  AttentionShape shape;
  shape.num_q_heads = 130;
  shape.num_kv_heads = 1;
  shape.requests = {{1, 65}, {2, 600}};
  AttentionCase(shape).run_and_compare();
}

TEST(Attention, Decode_over_thousands_of_keys_merges_its_splits) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int kv_length : {1023, 1024, 1025, 3001, 18000}) {
      AttentionShape shape;
      shape.dtype = dtype;
      shape.head_dim = 80;
      shape.page_size = 3;
      shape.requests = {{1, kv_length}};
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, Prefill_matches_the_reference) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int length : {17, 64, 129, 333}) {
      AttentionShape shape;
      shape.dtype = dtype;
      shape.requests = {{length, length}};
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, Prefill_matches_the_reference_for_every_head_dim_and_kind_of_page) {
  for (const int head_dim : {32, 64, 72, 80, 96, 112, 128, 160, 192, 240, 256}) {
    for (const int page_size : {8, 12, 16, 64}) {
      AttentionShape shape;
      shape.head_dim = head_dim;
      shape.num_q_heads = page_size == 12 ? 3 : 4;
      shape.num_kv_heads = 1;
      shape.page_size = page_size;
      shape.window = page_size == 64 ? 150 : 0;
      // Tiles that end in the first and in the second half of a tile of keys, alone and after others.
      shape.requests = {{1, 33}, {40, 40}, {97, 97}, {130, 203}, {16, 259}, {35, 300}, {64, 64}};
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, A_window_hides_older_keys) {
  for (const int window : {1, 2, 16, 100, 5000}) {
    for (const int page_size : {1, 16}) {
      AttentionShape shape;
      shape.window = window;
      shape.page_size = page_size;
      shape.requests = {{1, 1}, {1, 1500}, {40, 300}, {129, 129}, {3, 1111}};
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, Soft_cap_and_sinks_follow_the_reference) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const float soft_cap : {0.0f, 2.0f, 50.0f}) {
      for (const bool has_sinks : {false, true}) {
        AttentionShape shape;
        shape.dtype = dtype;
        shape.soft_cap = soft_cap;
        shape.has_sinks = has_sinks;
        shape.requests = {{1, 1}, {1, 1025}, {40, 77}, {2, 2}};
        AttentionCase(shape).run_and_compare();
      }
    }
  }
}

TEST(Attention, Split_keys_of_short_chunks_merge) {
  for (const int head_dim : {64, 192}) {
    for (const bool has_sinks : {false, true}) {
      AttentionShape shape;
      shape.head_dim = head_dim;
      shape.num_q_heads = 8;
      shape.has_sinks = has_sinks;
      shape.requests = {{5, 5000}, {70, 3000}, {1, 2500}, {4, 1300}};
      AttentionCase(shape).run_and_compare();
      shape.window = 900;
      AttentionCase(shape).run_and_compare();
    }
  }
}

TEST(Attention, Tensors_at_odd_addresses_give_the_same_result) {
  for (const int q_gap : {1, 2}) {
    AttentionShape shape;
    shape.q_gap = q_gap;
    shape.requests = {{1, 100}, {40, 90}};
    AttentionCase(shape).run_and_compare();
  }
}

TEST(Attention, A_sink_of_minus_infinity_changes_nothing_and_a_large_one_takes_all_mass) {
  AttentionShape shape;
  shape.dtype = SGL_F32;
  shape.requests = {{1, 700}, {33, 50}};
  AttentionCase without(shape);
  without.run();
  shape.has_sinks = true;
  AttentionCase with(shape);
  for (int h = 0; h < shape.num_q_heads; ++h) with.sinks.set(h, -INFINITY);
  with.run();
  EXPECT_EQ(with.out.values(), without.out.values());
  for (int h = 0; h < shape.num_q_heads; ++h) with.sinks.set(h, 1e4);
  with.run();
  for (const double value : with.out.values()) ASSERT_EQ(value, 0.0);
}

TEST(Attention, A_ragged_batch_of_32_mixes_prefill_chunks_and_decode) {
  for (const int page_size : {1, 3, 16}) {
    AttentionShape shape;
    shape.page_size = page_size;
    shape.num_q_heads = 8;
    shape.num_kv_heads = 2;
    shape.q_gap = 24;
    Random random;
    for (int r = 0; r < 32; ++r) {
      const int num_queries = r % 4 == 0 ? static_cast<int>(random.integer(1, 60)) : 1;
      shape.requests.push_back({num_queries, num_queries + static_cast<int>(random.integer(0, 700))});
    }
    AttentionCase(shape).run_and_compare();
  }
}

TEST(Attention, Decode_of_many_requests_matches_the_reference) {
  for (const int head_dim : {64, 128}) {
    for (const int page_size : {16, 48, 24}) {
      for (const int group : {1, 4, 7}) {
        AttentionShape shape;
        shape.head_dim = head_dim;
        shape.page_size = page_size;
        shape.num_kv_heads = 2;
        shape.num_q_heads = 2 * group;
        shape.q_gap = group == 4 ? 24 : 0;
        shape.has_sinks = group == 7;
        shape.soft_cap = page_size == 48 ? 20 : 0;
        Random random;
        for (int r = 0; r < 70; ++r) {
          const int num_queries = r % 9 == 5 ? static_cast<int>(random.integer(0, 16 / group)) : 1;
          const int num_keys = static_cast<int>(random.integer(1, r % 20 == 0 ? 2000 : 200));
          shape.requests.push_back({num_queries, num_queries + num_keys});
        }
        AttentionCase(shape).run_and_compare();
        shape.window = 50;
        AttentionCase(shape).run_and_compare();
      }
    }
  }
}

TEST(Attention, Decode_of_many_requests_of_whole_and_odd_tiles_matches_the_reference) {
  for (const int longest : {1, 16, 65, 1100}) {
    AttentionShape shape;
    shape.head_dim = 128;
    shape.num_kv_heads = longest > 1000 ? 1 : 3;
    shape.num_q_heads = 4 * shape.num_kv_heads;
    for (int r = 0; r < 150; ++r) shape.requests.push_back({1, 1 + (longest - 1) * r / 149});
    AttentionCase(shape).run_and_compare();
  }
}

/// The step's own keys and values come into the caches by an operator queued before, with no wait in between.
void append_and_attend(const AttentionShape& shape) {
  SCOPED_TRACE(describe(shape));
  AttentionCase data(shape);
  const std::vector<double> expected = data.expected();
  const Shape own_shape{data.desc.max_tokens, shape.num_kv_heads, shape.head_dim};
  HostTensor own_k(shape.dtype, own_shape), own_v(shape.dtype, own_shape);
  std::vector<int32_t> slots;
  for (size_t r = 0; r < shape.requests.size(); ++r) {
    for (int key = data.kv_length[r] - shape.requests[r].num_queries; key < data.kv_length[r]; ++key) {
      const int64_t token = static_cast<int64_t>(slots.size());
      const int page = data.pages[data.page_start[r] + key / shape.page_size], row_in_page = key % shape.page_size;
      slots.push_back(page * shape.page_size + row_in_page);
      for (int64_t head = 0; head < shape.num_kv_heads; ++head) {
        const int64_t row = (int64_t{page} * shape.num_kv_heads + head) * shape.page_size + row_in_page;
        for (int64_t i = 0; i < shape.head_dim; ++i) {
          const int64_t own = (token * shape.num_kv_heads + head) * shape.head_dim + i, cached = row * shape.head_dim + i;
          own_k.set(own, data.k.get(cached));
          own_v.set(own, data.v.get(cached));
          data.k.set(cached, NAN);
          data.v.set(cached, NAN);
        }
      }
    }
  }
  const Context context(shape.num_threads);
  const Plan plan(context, data.desc);
  const sgl_attention_batch step = data.batch();
  const HostTensor slot_ids = HostTensor::ids(slots);
  ASSERT_OK(sgl_attention_plan_update(context, plan, &step));
  ASSERT_EQ(SGL_OK, sgl_kv_append(context, data.k, data.v, own_k, own_v, slot_ids)) << sgl_last_error();
  data.run_once(context, plan);
  EXPECT_TRUE(is_close(data.out, expected, data.tolerance()));
}

TEST(Attention, A_steps_own_keys_are_seen_as_soon_as_they_are_appended) {
  for (const int head_dim : {64, 128}) {
    AttentionShape shape;
    shape.head_dim = head_dim;
    shape.num_q_heads = 8;
    Random random;
    for (const int num_requests : {1, 5, 40}) {
      shape.requests.clear();
      for (int r = 0; r < num_requests; ++r) {
        const int num_queries = static_cast<int>(random.integer(1, 4));
        shape.requests.push_back({num_queries, num_queries + static_cast<int>(random.integer(0, r == 0 ? 3000 : 300))});
      }
      append_and_attend(shape);
    }
  }
}

TEST(Attention, Neighbouring_heads_taken_together_match_the_reference) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int page_size : {1, 8, 12, 16}) {
      for (const int group : {1, 4, 7}) {
        AttentionShape shape;
        shape.dtype = dtype;
        shape.num_kv_heads = 8;
        shape.num_q_heads = 8 * group;
        shape.head_dim = page_size == 12 ? 40 : 64;
        shape.page_size = page_size;
        shape.window = page_size == 8 ? 77 : 0;
        shape.requests = {{1, 1}, {1, 63}, {1, 64}, {2, 131}, {1, 513}, {1, 7}, {3, 200}, {1, 90}};
        AttentionCase(shape).run_and_compare();
      }
    }
  }
}

TEST(Attention, Requests_without_query_tokens_are_skipped) {
  AttentionShape shape;
  shape.requests = {{0, 0}, {1, 5}, {0, 20}, {2, 9}, {0, 1}};
  AttentionCase(shape).run_and_compare();
}

TEST(Attention, A_prefix_and_a_chunk_give_what_the_whole_gives) {
  AttentionShape shape;
  shape.requests = {{150, 150}};
  AttentionCase whole(shape);
  whole.run();
  for (const int chunk : {1, 15, 16, 70}) {
    AttentionCase part(shape);  // the same shape, so the same caches
    part.query_start = {150 - chunk, 150};
    part.run();
    const int64_t first = (150 - chunk) * part.row_elements();
    for (int64_t i = 0; i < part.out.num_elements(); ++i) {
      if (i < first) {
        ASSERT_TRUE(std::isnan(part.out.get(i))) << "a row before the chunk was written";
      } else {
        ASSERT_NEAR(part.out.get(i), whole.out.get(i), 2e-2) << "chunk " << chunk << ", element " << i;
      }
    }
  }
}

TEST(Attention, A_request_gets_the_same_bits_alone_in_a_batch_and_with_any_number_of_threads) {
  SKIP_ON_GPU("a GPU splits keys to suit the whole batch");
  AttentionShape shape;
  shape.num_q_heads = 8;
  shape.requests = {{1, 2000}, {1, 70}, {50, 300}, {1, 9001}, {4, 1500}, {200, 200}};
  AttentionCase together(shape);
  together.run();
  for (size_t r = 0; r < shape.requests.size(); ++r) {
    AttentionCase alone(shape);  // the same shape, so the same caches
    alone.shape.num_threads = r % 2 == 0 ? 1 : 3;
    alone.query_start = {together.query_start[r], together.query_start[r + 1]};
    alone.kv_length = {together.kv_length[r]};
    alone.page_start = {together.page_start[r]};
    alone.run();
    const int64_t row = alone.row_elements();
    for (int64_t i = together.query_start[r] * row; i < together.query_start[r + 1] * row; ++i) {
      ASSERT_EQ(alone.out.get(i), together.out.get(i)) << "request " << r << ", element " << i;
    }
  }
}

TEST(Attention, One_plan_serves_steps_that_grow_and_shrink) {
  AttentionShape shape;
  shape.requests = {{1, 700}, {1, 30}, {40, 80}};
  AttentionCase data(shape);
  const Context context;
  const Plan plan(context, data.desc);
  for (const int num_requests : {3, 1, 0, 2, 3}) {
    sgl_attention_batch step = data.batch();
    step.num_requests = num_requests;
    ASSERT_OK(sgl_attention_plan_update(context, plan, &step));
    data.run_once(context, plan);
    const std::vector<double> expected =
        reference::attention(data.desc, step, data.q.view(), data.k.view(), data.v.view(), nullptr);
    for (int64_t i = 0; i < data.out.num_elements(); ++i) {
      if (i < static_cast<int64_t>(expected.size())) {
        ASSERT_NEAR(data.out.get(i), expected[static_cast<size_t>(i)], 2e-2) << num_requests << " requests, element " << i;
      } else {
        ASSERT_TRUE(std::isnan(data.out.get(i))) << "a row past the batch was written";
      }
    }
  }
}

TEST(Attention, More_query_tokens_than_keys_is_an_invalid_argument) {
  AttentionShape shape;
  shape.requests = {{10, 10}};
  AttentionCase data(shape);
  const Context context;
  const Plan plan(context, data.desc);
  data.kv_length = {9};
  const sgl_attention_batch step = data.batch();
  EXPECT_EQ(sgl_attention_plan_update(context, plan, &step), SGL_INVALID_ARGUMENT);
  EXPECT_NE(std::string(sgl_last_error()).find("kv_length"), std::string::npos) << sgl_last_error();
}

}  // namespace
}  // namespace sgl::test
