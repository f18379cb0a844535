#include "sgl/gemm.h"

#include <cinttypes>

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

namespace {

void check_desc(const char* op, const sgl_weight_desc& desc) {
  if (desc.num_groups < 1 || desc.out_features < 1 || desc.in_features < 1) {
    fail(SGL_INVALID_ARGUMENT,
         "%s: num_groups is %" PRId32 ", out_features %" PRId64 ", in_features %" PRId64 ": expected at least 1 each", op,
         desc.num_groups, desc.out_features, desc.in_features);
  }
  if (desc.dtype != SGL_F32 && desc.dtype != SGL_BF16) {
    fail(SGL_INVALID_ARGUMENT, "%s: dtype is %s: expected f32 or bf16", op, name_of(desc.dtype).c_str());
  }
  int64_t num_elements;
  if (__builtin_mul_overflow(desc.out_features, desc.in_features, &num_elements) ||
      __builtin_mul_overflow(num_elements, int64_t{desc.num_groups}, &num_elements) || num_elements > INT64_MAX / 16) {
    fail(SGL_OUT_OF_MEMORY, "%s: a weight of [%" PRId32 ", %" PRId64 ", %" PRId64 "] is larger than any memory", op,
         desc.num_groups, desc.out_features, desc.in_features);
  }
}

/// Rows [row_offset, row_offset + num_rows) of a group are there.
void check_rows(const char* op, const sgl_weight_desc& desc, int32_t group, int64_t row_offset, int64_t num_rows) {
  if (group < 0 || group >= desc.num_groups) {
    fail(SGL_INVALID_ARGUMENT, "%s: group is %" PRId32 ": expected 0 to %" PRId32, op, group, desc.num_groups - 1);
  }
  if (num_rows < 0 || row_offset < 0 || row_offset > desc.out_features || num_rows > desc.out_features - row_offset) {
    fail(SGL_INVALID_ARGUMENT, "%s: %" PRId64 " rows at row_offset %" PRId64 " do not fit a weight of %" PRId64 " out_features",
         op, num_rows, row_offset, desc.out_features);
  }
}

}  // namespace

sgl_status sgl_weight_create(sgl_context* context, sgl_weight** weight, const sgl_weight_desc* desc) {
  constexpr const char* op = "weight_create";
  return guard(op, [&] {
    require(op, "weight", weight) = nullptr;
    Backend& backend = backend_of(op, context);
    check_desc(op, require(op, "desc", desc));
    *weight = backend.create_weight(*desc).release();
  });
}

void sgl_weight_destroy(sgl_weight* weight) { delete weight; }

sgl_status sgl_weight_get_desc(const sgl_weight* weight, sgl_weight_desc* desc) {
  constexpr const char* op = "weight_get_desc";
  return guard(op, [&] { require(op, "desc", desc) = require(op, "weight", weight).desc; });
}

sgl_status sgl_weight_num_bytes(const sgl_weight* weight, uint64_t* num_bytes) {
  constexpr const char* op = "weight_num_bytes";
  return guard(op, [&] { require(op, "num_bytes", num_bytes) = require(op, "weight", weight).num_bytes(); });
}

sgl_status sgl_weight_load(sgl_context* context, sgl_weight* weight, const sgl_tensor* rows, int32_t group,
                           int64_t row_offset) {
  constexpr const char* op = "weight_load";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_weight_desc& desc = require(op, "weight", weight).desc;
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16, SGL_F16});
    const auto in_features = match.dim("in_features", desc.in_features, "weight");
    match.tensor("rows", rows).is(type).shape({match.dim("n"), in_features}).last_dense();
    check_rows(op, desc, group, row_offset, rows->shape[0]);
    if (match.is_empty(rows)) return;
    backend.load_weight(*weight, *rows, group, row_offset);
  });
}

sgl_status sgl_weight_fill_random(sgl_context* context, sgl_weight* weight, const sgl_weight_fill_random_args* args) {
  constexpr const char* op = "weight_fill_random";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    sgl_weight& filled = require(op, "weight", weight);
    const sgl_weight_fill_random_args& given = require(op, "args", args);
    if (!(given.scale >= 0 && given.scale <= 1e30f)) {
      fail(SGL_INVALID_ARGUMENT, "%s: scale is %g: expected 0 to 1e30", op, given.scale);
    }
    check_rows(op, filled.desc, given.group, given.row_offset, given.num_rows);
    if (given.first_row < 0 || given.first_column < 0) {
      fail(SGL_INVALID_ARGUMENT, "%s: first_row is %" PRId64 " and first_column %" PRId64 ": expected at least 0", op,
           given.first_row, given.first_column);
    }
    if (given.num_rows > 0) backend.fill_weight_random(filled, given);
  });
}

sgl_status sgl_linear(sgl_context* context, const sgl_linear_args* args) {
  constexpr const char* op = "linear";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_linear_args& given = require(op, "args", args);
    const bool has_gate = given.epilogue == SGL_EPILOGUE_SILU_MUL;
    if (!has_gate && given.epilogue != SGL_EPILOGUE_NONE) {
      fail(SGL_INVALID_ARGUMENT, "%s: epilogue is %d: expected 0 (none) or 1 (silu_mul)", op, static_cast<int>(given.epilogue));
    }
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_rows = match.dim("num_rows"), in_features = match.dim("in_features");
    const auto y_width = match.dim(has_gate ? "out_features / 2" : "out_features");
    const auto out_features = (has_gate ? 2 : 1) * y_width;
    match.weight("weight", given.weight).is(type).shape({out_features, in_features});
    auto input = match.tensor("x", given.x).is(type).shape({num_rows, in_features}).last_dense();
    auto output = match.tensor("y", given.y).is(type, SGL_F32).shape({num_rows, y_width}).last_dense().disjoint_from(input);
    if (given.bias != nullptr) match.tensor("bias", given.bias).is(type).shape({out_features}).dense();
    if (given.residual != nullptr) {
      match.tensor("residual", given.residual).is(type, SGL_F32).shape({num_rows, y_width}).last_dense();
    }
    if (given.norm != nullptr) {
      match.tensor("norm", given.norm).is(type).shape({in_features}).dense();
      match.tensor("normed", given.normed)
          .is(type)
          .shape({num_rows, in_features})
          .last_dense()
          .disjoint_from(input)
          .disjoint_from(output);
      check_eps(op, given.eps);
    }
    if (output.is_empty()) return;
    if (given.norm == nullptr || backend.normalizes_in_linear(given)) return backend.linear(given);
    backend.rms_norm(*given.normed, *given.x, *given.norm, given.eps);
    sgl_linear_args rest = given;
    rest.x = given.normed;
    rest.norm = rest.normed = nullptr;
    rest.keeps_normed = 0;
    backend.linear(rest);
  });
}
