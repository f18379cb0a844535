#include "cpu/embedding/embedding.hpp"

#include <cinttypes>
#include <cstring>

#include "abi/error.hpp"
#include "cpu/element_rows.hpp"
#include "cpu/embedding/gather_sum_kernels.hpp"
#include "cpu/linear/linear.hpp"
#include "cpu/threads/row_split.hpp"

namespace sgl::cpu {
namespace {

int32_t* ids_of(const sgl_tensor& tensor) { return static_cast<int32_t*>(tensor.data); }

[[noreturn]] void fail_range(const char* what, int64_t i, int32_t value, int64_t low, int64_t high) {
  fail(SGL_INVALID_ARGUMENT, "%s[%" PRId64 "] is %" PRId32 ": expected %" PRId64 " to %" PRId64, what, i, value, low, high);
}

/// `low` <= every value < `end`; `what` names the operator and its argument.
void check_range(const char* what, const sgl_tensor& values, int64_t low, int64_t end) {
  const int32_t* value = ids_of(values);
  for (int64_t i = 0; i < values.shape[0]; ++i) {
    if (value[i] < low || value[i] >= end) fail_range(what, i, value[i], low, end - 1);
  }
}

}  // namespace

void embedding(CpuContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids) {
  check_range("embedding: ids", ids, 0, weight.desc.out_features);
  gather_weight_rows(context, y, weight, ids, 0);
}

void embedding_shard(CpuContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids,
                     int32_t first_id) {
  gather_weight_rows(context, y, weight, ids, first_id);
}

void token_resolve(CpuContext&, const sgl_tensor& ids, const sgl_tensor& sources, const sgl_tensor& last_ids) {
  const int64_t num_slots = last_ids.shape[0];
  check_range("token_resolve: sources", sources, -num_slots, int64_t{INT32_MAX} + 1);
  const int32_t* source = ids_of(sources);
  for (int64_t i = 0; i < ids.shape[0]; ++i) {
    ids_of(ids)[i] = source[i] >= 0 ? source[i] : ids_of(last_ids)[-(int64_t{source[i]} + 1)];
  }
}

void token_scatter(CpuContext&, const sgl_tensor& last_ids, const sgl_tensor& slots, const sgl_tensor& ids) {
  check_range("token_scatter: slots", slots, INT32_MIN, last_ids.shape[0]);
  const int32_t* slot = ids_of(slots);
  for (int64_t i = 0; i < ids.shape[0]; ++i) {
    if (slot[i] >= 0) ids_of(last_ids)[slot[i]] = ids_of(ids)[i];
  }
}

void gather_rows(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows) {
  check_range("gather_rows: rows", rows, 0, x.shape[0]);
  const int64_t row_bytes = y.shape[1] * element_bytes(y.dtype);
  for_each_row(context.pool, y.shape[0], y.shape[1], [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) std::memcpy(element(y, row, 0), element(x, ids_of(rows)[row], 0), row_bytes);
  });
}

void gather_sum(CpuContext& context, const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor& rows,
                const sgl_tensor* residual) {
  const int64_t num_terms = rows.shape[1];
  const sgl_tensor all{rows.data, SGL_I32, 1, {rows.shape[0] * num_terms}, {1}};
  check_range("gather_sum: rows", all, INT32_MIN, x.shape[0]);
  const GatherSumArgs args{y.data,
                           x.data,
                           residual == nullptr ? nullptr : residual->data,
                           ids_of(rows),
                           num_terms,
                           y.shape[1],
                           y.stride[0],
                           x.stride[0],
                           residual == nullptr ? 0 : residual->stride[0]};
  const GatherSumKernels& kernels = SGL_SELECT_KERNELS(context.isa, kGatherSumKernels);
  const GatherSumRows sum = kernels.rows[y.dtype == SGL_BF16][x.dtype == SGL_BF16];
  for_each_row(context.pool, y.shape[0], y.shape[1] * (num_terms + 1), [&](int64_t begin, int64_t end) { sum(args, begin, end); });
}

}  // namespace sgl::cpu
