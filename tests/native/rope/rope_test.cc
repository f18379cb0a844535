#include "reference/rope.hpp"

#include <cmath>

#include "reference/kvcache.hpp"
#include "reference/norm.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

/// The default table: angle of pair i at a position is position * 10000^(-2i/rotary_dim).
HostTensor cos_sin_table(int64_t max_position, int64_t rotary_dim) {
  HostTensor table(SGL_F32, {max_position, rotary_dim});
  for (int64_t position = 0; position < max_position; ++position) {
    for (int64_t i = 0; i < rotary_dim / 2; ++i) {
      const double angle = static_cast<double>(position) * std::pow(10000, -2.0 * static_cast<double>(i) / rotary_dim);
      table.set(position * rotary_dim + i, std::cos(angle));
      table.set(position * rotary_dim + rotary_dim / 2 + i, std::sin(angle));
    }
  }
  return table;
}

struct RopeCase {
  sgl_dtype dtype;
  sgl_rope_layout layout;
};

class Rope : public CpuTest, public ::testing::WithParamInterface<RopeCase> {
 protected:
  const sgl_dtype dtype = GetParam().dtype;
  const sgl_rope_layout layout = GetParam().layout;
};

INSTANTIATE_TEST_SUITE_P(, Rope,
                         ::testing::Values(RopeCase{SGL_F32, SGL_ROPE_HALF_SPLIT}, RopeCase{SGL_BF16, SGL_ROPE_HALF_SPLIT},
                                           RopeCase{SGL_F32, SGL_ROPE_INTERLEAVED}, RopeCase{SGL_BF16, SGL_ROPE_INTERLEAVED}),
                         [](const auto& info) {
                           return std::string(info.param.dtype == SGL_F32 ? "f32_" : "bf16_") +
                                  (info.param.layout == SGL_ROPE_HALF_SPLIT ? "half_split" : "interleaved");
                         });

TEST_P(Rope, Matches_the_reference_for_any_head) {
  struct HeadCase {
    int64_t head_dim, rotary_dim;
  };
  for (const HeadCase& head : {HeadCase{2, 2}, HeadCase{34, 34}, HeadCase{64, 64}, HeadCase{64, 16}, HeadCase{80, 20},
                               HeadCase{128, 128}, HeadCase{256, 256}, HeadCase{130, 130}, HeadCase{7, 6}}) {
    for (const int64_t num_tokens : {1, 17}) {
      SCOPED_TRACE(testing::Message() << num_tokens << " tokens, head_dim " << head.head_dim << ", rotary " << head.rotary_dim);
      const auto table = cos_sin_table(50, head.rotary_dim);
      HostTensor positions(SGL_I32, {num_tokens});
      for (int64_t i = 0; i < num_tokens; ++i) positions.set(i, static_cast<double>(random.integer(0, 49)));
      const Shape q_shape{num_tokens, 6, head.head_dim}, k_shape{num_tokens, 2, head.head_dim};
      HostTensor q(dtype, q_shape, HostTensor::gapped(q_shape, 4));
      HostTensor k(dtype, k_shape, {2 * head.head_dim + 11, head.head_dim, 1});
      q.fill_normal(random);
      k.fill_normal(random);
      const auto expected_q = reference::rope(q.view(), positions.view(), table.view(), layout);
      const auto expected_k = reference::rope(k.view(), positions.view(), table.view(), layout);
      ASSERT_OK(sgl_rope(context, q, k, positions, table, layout));
      EXPECT_TRUE(is_close(q, expected_q, rounding_of(dtype)));
      EXPECT_TRUE(is_close(k, expected_k, rounding_of(dtype)));
    }
  }
}

TEST_P(Rope, Rotates_many_tokens_over_all_threads) {
  const int64_t num_tokens = 129;
  const auto table = cos_sin_table(num_tokens, 64);
  HostTensor positions(SGL_I32, {num_tokens});
  for (int64_t i = 0; i < num_tokens; ++i) positions.set(i, static_cast<double>(num_tokens - 1 - i));
  const auto q = HostTensor::normal(random, dtype, {num_tokens, 8, 64}),
             k = HostTensor::normal(random, dtype, {num_tokens, 2, 64});
  const auto expected_q = reference::rope(q.view(), positions.view(), table.view(), layout);
  ASSERT_OK(sgl_rope(context, q, k, positions, table, layout));
  EXPECT_TRUE(is_close(q, expected_q, rounding_of(dtype)));
}

/// `values` in a new tensor of `dtype`, rounded.
HostTensor rounded(sgl_dtype dtype, const Shape& shape, const std::vector<double>& values) {
  HostTensor tensor(dtype, shape);
  for (size_t i = 0; i < values.size(); ++i) tensor.set(static_cast<int64_t>(i), values[i]);
  return tensor;
}

TEST_P(Rope, Append_norms_rotates_and_fills_the_caches) {
  struct HeadCase {
    int64_t head_dim, rotary_dim, page_size;
  };
  // What a norm rounded the other way costs after the rotation.
  Tolerance tolerance = rounding_of(dtype);
  tolerance.absolute *= 3;
  tolerance.relative *= 3;
  for (const HeadCase& head : {HeadCase{128, 128, 16}, HeadCase{64, 64, 1}, HeadCase{80, 20, 3}, HeadCase{96, 96, 16},
                               HeadCase{256, 256, 4}, HeadCase{40, 6, 5}, HeadCase{130, 130, 2}, HeadCase{320, 64, 16}}) {
    for (const bool has_norm : {false, true}) {
      for (const int64_t num_tokens : {1, 17}) {
        SCOPED_TRACE(testing::Message() << num_tokens << " tokens, head_dim " << head.head_dim << ", rotary " << head.rotary_dim
                                        << (has_norm ? ", norm" : ""));
        const auto table = cos_sin_table(50, head.rotary_dim);
        HostTensor positions(SGL_I32, {num_tokens}), slots(SGL_I32, {num_tokens});
        const int64_t num_pages = (num_tokens + head.page_size - 1) / head.page_size + 2;
        for (int64_t i = 0; i < num_tokens; ++i) {
          positions.set(i, static_cast<double>(random.integer(0, 49)));
          slots.set(i, static_cast<double>(num_pages * head.page_size - 1 - i));
        }
        // Columns of one projection, as a model has them.
        const Shape q_shape{num_tokens, 6, head.head_dim}, kv_shape{num_tokens, 2, head.head_dim};
        HostTensor q(dtype, q_shape, {10 * head.head_dim, head.head_dim, 1});
        HostTensor k(dtype, kv_shape, {10 * head.head_dim, head.head_dim, 1});
        HostTensor v(dtype, kv_shape, {10 * head.head_dim, head.head_dim, 1});
        q.fill_normal(random);
        k.fill_normal(random);
        v.fill_normal(random);
        const auto q_norm = HostTensor::normal(random, dtype, {head.head_dim});
        const auto k_norm = HostTensor::normal(random, dtype, {head.head_dim});
        const HostTensor normed_q = rounded(dtype, q_shape, has_norm ? reference::rms_norm(q.view(), q_norm.view(), 1e-6) : q.values());
        const HostTensor normed_k = rounded(dtype, kv_shape, has_norm ? reference::rms_norm(k.view(), k_norm.view(), 1e-6) : k.values());
        const auto expected_q = reference::rope(normed_q.view(), positions.view(), table.view(), layout);
        const HostTensor rotated_k = rounded(dtype, kv_shape, reference::rope(normed_k.view(), positions.view(), table.view(), layout));
        HostTensor k_cache = HostTensor::normal(random, dtype, {num_pages, 2, head.page_size, head.head_dim});
        HostTensor v_cache = HostTensor::normal(random, dtype, {num_pages, 2, head.page_size, head.head_dim});
        HostTensor expected_k = k_cache.clone(), expected_v = v_cache.clone();
        reference::kv_append(expected_k.view(), rotated_k.view(), slots.view());
        reference::kv_append(expected_v.view(), v.view(), slots.view());
        const sgl_rope_append_args args{q,       k,      v,      k_cache, v_cache, slots, positions, table, has_norm ? &q_norm.view() : nullptr,
                                        has_norm ? &k_norm.view() : nullptr, 1e-6f, layout};
        ASSERT_OK(sgl_rope_append(context, &args));
        EXPECT_TRUE(is_close(q, expected_q, tolerance));
        EXPECT_TRUE(is_close(k_cache, expected_k.values(), tolerance));
        EXPECT_EQ(v_cache.values(), expected_v.values());
      }
    }
  }
}

TEST_P(Rope, Append_refuses_one_norm_without_the_other) {
  const auto table = cos_sin_table(10, 32);
  const HostTensor q(dtype, {1, 2, 32}), k(dtype, {1, 1, 32}), v(dtype, {1, 1, 32}), cache(dtype, {2, 1, 4, 32}), norm(dtype, {32});
  const HostTensor ids = HostTensor::ids({5});
  const sgl_rope_append_args args{q, k, v, cache, cache, ids, ids, table, norm, nullptr, 1e-6f, layout};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope_append: k_norm is null: expected both q_norm and k_norm or neither",
               sgl_rope_append(context, &args));
}

TEST_P(Rope, A_position_outside_the_table_changes_nothing) {
  SKIP_ON_GPU("positions are checked on the CPU alone");
  const auto table = cos_sin_table(10, 32);
  const auto q = HostTensor::normal(random, dtype, {3, 2, 32}), k = HostTensor::normal(random, dtype, {3, 1, 32});
  const auto q_before = q.values(), k_before = k.values();
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: position of token 2 is 10: expected 0 to 9",
               sgl_rope(context, q, k, HostTensor::ids({0, 9, 10}), table, layout));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: position of token 0 is -1: expected 0 to 9",
               sgl_rope(context, q, k, HostTensor::ids({-1, 9, 10}), table, layout));
  EXPECT_EQ(q_before, q.values());
  EXPECT_EQ(k_before, k.values());
}

TEST_P(Rope, No_tokens_is_no_work) {
  const auto table = cos_sin_table(10, 32);
  const HostTensor q(dtype, {0, 2, 32}), k(dtype, {0, 1, 32}), positions(SGL_I32, {0});
  EXPECT_OK(sgl_rope(context, q, k, positions, table, layout));
}

TEST_F(CpuTest, Rope_says_which_tensors_disagree) {
  const auto table = cos_sin_table(10, 32);
  const HostTensor q(SGL_F32, {3, 2, 16}), k(SGL_F32, {3, 1, 16}), k_wide(SGL_F32, {3, 1, 24}), odd(SGL_F32, {10, 15});
  const auto positions = HostTensor::ids({0, 1, 2}), two = HostTensor::ids({0, 1});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: rotary_dim is 32, head_dim is 16: expected at most head_dim",
               sgl_rope(context, q, k, positions, table, SGL_ROPE_HALF_SPLIT));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: k is [3, 1, 24] f32, q is [3, 2, 16] f32: last dims differ",
               sgl_rope(context, q, k_wide, positions, table, SGL_ROPE_HALF_SPLIT));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: positions is [2] i32, q is [3, 2, 16] f32: first dims differ",
               sgl_rope(context, q, k, two, table, SGL_ROPE_HALF_SPLIT));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: cos_sin is [10, 15] f32: last dim must be a multiple of 2",
               sgl_rope(context, q, k, positions, odd, SGL_ROPE_HALF_SPLIT));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: layout is 7: expected 0 (half split) or 1 (interleaved)",
               sgl_rope(context, q, k, positions, cos_sin_table(10, 16), static_cast<sgl_rope_layout>(7)));
}

}  // namespace
}  // namespace sgl::test
