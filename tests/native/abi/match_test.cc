// Every message of abi/match.cc, through operators that check what it names.
#include "sgl/sgl.h"
#include "support/context.hpp"

namespace sgl::test {
namespace {

constexpr float kEps = 1e-5f;

class Match : public CpuTest {
 protected:
  sgl_status add(const sgl_tensor& y) { return sgl_add(context, &y, &y, &y); }

  const HostTensor good{SGL_F32, {3, 4}};
};

TEST_F(Match, Null_tensor) { EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is null", sgl_add(context, nullptr, good, good)); }

TEST_F(Match, Null_data) {
  sgl_tensor tensor = good.view();
  tensor.data = nullptr;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] f32: its data is null", add(tensor));
  tensor.shape[0] = 0;
  EXPECT_OK(add(tensor));
}

TEST_F(Match, Misaligned_data) {
  sgl_tensor tensor = good.view();
  tensor.data = static_cast<char*>(tensor.data) + 2;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] f32: its data is not aligned to an element", add(tensor));
}

TEST_F(Match, Rank_out_of_range) {
  sgl_tensor tensor = good.view();
  for (const int32_t rank : {-1, 0, 5, INT32_MAX}) {
    tensor.rank = rank;
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, ("add: y has rank " + std::to_string(rank) + ": expected 1 to 4").c_str(), add(tensor));
  }
}

TEST_F(Match, Unknown_type) {
  sgl_tensor tensor = good.view();
  tensor.dtype = static_cast<sgl_dtype>(77);
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] dtype 77: unknown element type", add(tensor));
  tensor.dtype = static_cast<sgl_dtype>(-1);
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] dtype -1: unknown element type", add(tensor));
}

TEST_F(Match, Negative_dimension_and_stride) {
  sgl_tensor tensor = good.view();
  tensor.shape[1] = -4;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, -4] f32: negative dimension", add(tensor));
  tensor = good.view();
  tensor.stride[0] = -4;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] f32: negative stride", add(tensor));
}

TEST_F(Match, Dimensions_that_overflow) {
  sgl_tensor tensor = good.view();
  tensor.shape[0] = tensor.shape[1] = INT64_MAX / 2;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [4611686018427387903, 4611686018427387903] f32: larger than any memory",
               add(tensor));
  tensor = good.view();
  tensor.stride[0] = INT64_MAX;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] f32: larger than any memory", add(tensor));
}

TEST_F(Match, Type_not_allowed) {
  const HostTensor ids(SGL_I32, {3, 4}), flags(SGL_U8, {3, 4}), wide(SGL_I64, {4}), f8(SGL_F8_E4M3, {4}),
      f8_wide(SGL_F8_E5M2, {4});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] i32: expected f32 or bf16", sgl_add(context, ids, ids, ids));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: y is [3, 4] u8: expected f32 or bf16", sgl_add(context, flags, flags, flags));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "token_resolve: ids is [4] i64: expected i32",
               sgl_token_resolve(context, wide, wide, wide));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "convert: x is [4] f8_e4m3: expected f32 or bf16 or f16", sgl_convert(context, f8, f8));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "convert: x is [4] f8_e5m2: expected f32 or bf16 or f16",
               sgl_convert(context, f8_wide, f8_wide));
}

TEST_F(Match, Types_differ) {
  const HostTensor half(SGL_BF16, {3, 4});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add: a is [3, 4] bf16, y is [3, 4] f32: types differ",
               sgl_add(context, good, half, good));
}

TEST_F(Match, Rank_of_one_shape) {
  const HostTensor flat(SGL_F32, {12});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "silu_mul: y is [12] f32: expected [num_rows, n]", sgl_silu_mul(context, flat, good));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "silu_mul: gate_up is [12] f32: expected [num_rows, 2 * n]",
               sgl_silu_mul(context, good, flat));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "add_sigmoid_gated: gate is [12] f32: expected [num_rows, 1]",
               sgl_add_sigmoid_gated(context, good, good, flat));
}

TEST_F(Match, Rank_of_two_shapes) {
  const HostTensor flat(SGL_F32, {12});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: x is [12] f32: expected [num_rows, hidden] or [num_rows, num_heads, hidden]",
               sgl_rms_norm(context, flat, flat, flat, kEps));
}

TEST_F(Match, Dims_differ_in_every_position) {
  const HostTensor q(SGL_F32, {2, 3, 8}), k(SGL_F32, {2, 3, 8}), cos_sin(SGL_F32, {9, 8});
  const HostTensor x(SGL_F32, {2, 3, 8}), other_heads(SGL_F32, {2, 5, 8}), weight(SGL_F32, {8}), short_weight(SGL_F32, {7});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: weight is [7] f32, x is [2, 3, 8] f32: last dims differ",
               sgl_rms_norm(context, x, x, short_weight, kEps));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rms_norm: y is [2, 5, 8] f32, x is [2, 3, 8] f32: second dims differ",
               sgl_rms_norm(context, other_heads, x, weight, kEps));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "rope: positions is [3] i32, q is [2, 3, 8] f32: first dims differ",
               sgl_rope(context, q, k, HostTensor::ids({0, 1, 2}), cos_sin, SGL_ROPE_HALF_SPLIT));
  // num_kv_heads is the second dimension of both, head_dim the fourth of the cache and the last of k.
  const HostTensor cache(SGL_F32, {4, 3, 2, 16}), slots(SGL_I32, {2});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "kv_append: k is [2, 3, 8] f32, k_cache is [4, 3, 2, 16] f32: last dims differ",
               sgl_kv_append(context, cache, cache, k, k, slots));
}

TEST_F(Match, A_weight_and_an_activation_differ_across_positions) {
  const Weight weight(context, SGL_F32, HostTensor::normal(random, SGL_F32, {5, 8}));
  const HostTensor x(SGL_F32, {2, 8}), y(SGL_F32, {2, 5}), bias(SGL_F32, {6}), wrong(SGL_F32, {2, 7});
  sgl_linear_args args{};
  args.y = y;
  args.x = x;
  args.weight = weight;
  args.bias = bias;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "linear: bias is [6] f32, weight is [5, 8] f32: first dims differ",
               sgl_linear(context, &args));
  args.bias = nullptr;
  args.y = wrong;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT,
               "linear: y is [2, 7] f32, weight is [5, 8] f32: last dim of y and first dim of weight differ",
               sgl_linear(context, &args));
}

TEST_F(Match, A_dimension_that_must_be_even) {
  const Weight weight(context, SGL_F32, HostTensor::normal(random, SGL_F32, {5, 8}));
  const HostTensor x(SGL_F32, {2, 8}), y(SGL_F32, {2, 5});
  sgl_linear_args args{};
  args.y = y;
  args.x = x;
  args.weight = weight;
  args.epilogue = SGL_EPILOGUE_SILU_MUL;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "linear: weight is [5, 8] f32: first dim must be a multiple of 2",
               sgl_linear(context, &args));
}

TEST_F(Match, A_dimension_that_a_plan_or_weight_fixes) {
  const Weight weight(context, SGL_F32, HostTensor::normal(random, SGL_F32, {5, 8}));
  const HostTensor rows(SGL_F32, {1, 9});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_load: rows is [1, 9] f32: last dim (in_features) must be 8, that of weight",
               sgl_weight_load(context, weight, rows, 0, 0));
}

TEST_F(Match, Strides) {
  const HostTensor transposed(SGL_F32, {3, 4}, {1, 3}), gapped(SGL_I32, {4}, {2});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "silu_mul: y is [3, 4] f32: its strides are [1, 3], expected 1 in the last dim",
               sgl_silu_mul(context, transposed, good));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "token_resolve: ids is [4] i32: its strides are [2], expected no gaps",
               sgl_token_resolve(context, gapped, gapped, gapped));
  // A dimension of one element has no stride to speak of.
  const HostTensor column(SGL_F32, {3, 1}, {5, 7}), wide(SGL_F32, {3, 2});
  EXPECT_OK(sgl_silu_mul(context, column, wide));
}

}  // namespace
}  // namespace sgl::test
