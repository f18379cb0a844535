#include "sgl/embedding.h"

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

namespace {

void check_arguments(const char* op, const sgl_tensor* y, const sgl_weight* weight, const sgl_tensor* ids) {
  Match match(op);
  const auto type = match.type({SGL_F32, SGL_BF16});
  const auto num_tokens = match.dim("num_tokens"), hidden = match.dim("in_features");
  match.weight("weight", weight).is(type).shape({match.dim("vocabulary"), hidden});
  match.tensor("ids", ids).is(SGL_I32).shape({num_tokens}).dense();
  match.tensor("y", y).is(type).shape({num_tokens, hidden}).last_dense();
}

}  // namespace

sgl_status sgl_embedding(sgl_context* context, const sgl_tensor* y, const sgl_weight* weight, const sgl_tensor* ids) {
  constexpr const char* op = "embedding";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    check_arguments(op, y, weight, ids);
    if (Match::is_empty(y)) return;
    backend.embedding(*y, *weight, *ids);
  });
}

sgl_status sgl_embedding_shard(sgl_context* context, const sgl_tensor* y, const sgl_weight* weight, const sgl_tensor* ids,
                               int32_t first_id) {
  constexpr const char* op = "embedding_shard";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    check_arguments(op, y, weight, ids);
    if (first_id < 0) fail(SGL_INVALID_ARGUMENT, "%s: first_id is %d: expected at least 0", op, first_id);
    if (Match::is_empty(y)) return;
    backend.embedding_shard(*y, *weight, *ids, first_id);
  });
}

sgl_status sgl_token_resolve(sgl_context* context, const sgl_tensor* ids, const sgl_tensor* sources,
                             const sgl_tensor* last_ids) {
  constexpr const char* op = "token_resolve";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto num_tokens = match.dim("num_tokens");
    match.tensor("ids", ids).is(SGL_I32).shape({num_tokens}).dense();
    match.tensor("sources", sources).is(SGL_I32).shape({num_tokens}).dense();
    match.tensor("last_ids", last_ids).is(SGL_I32).shape({match.dim("num_slots")}).dense();
    if (match.is_empty(ids)) return;
    backend.token_resolve(*ids, *sources, *last_ids);
  });
}

sgl_status sgl_token_scatter(sgl_context* context, const sgl_tensor* last_ids, const sgl_tensor* slots, const sgl_tensor* ids) {
  constexpr const char* op = "token_scatter";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto num_rows = match.dim("num_rows");
    match.tensor("last_ids", last_ids).is(SGL_I32).shape({match.dim("num_slots")}).dense();
    match.tensor("slots", slots).is(SGL_I32).shape({num_rows}).dense();
    match.tensor("ids", ids).is(SGL_I32).shape({num_rows}).dense();
    if (match.is_empty(ids)) return;
    backend.token_scatter(*last_ids, *slots, *ids);
  });
}

sgl_status sgl_gather_rows(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* rows) {
  constexpr const char* op = "gather_rows";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16, SGL_F16, SGL_I32});
    const auto num_rows = match.dim("num_rows"), n = match.dim("n");
    const auto source = match.tensor("x", x).is(type).shape({match.dim("num_source_rows"), n}).last_dense();
    match.tensor("rows", rows).is(SGL_I32).shape({num_rows}).dense();
    match.tensor("y", y).is(type).shape({num_rows, n}).last_dense().disjoint_from(source);
    if (match.is_empty(y)) return;
    backend.gather_rows(*y, *x, *rows);
  });
}

sgl_status sgl_gather_sum(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* rows,
                          const sgl_tensor* residual) {
  constexpr const char* op = "gather_sum";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_rows = match.dim("num_rows"), n = match.dim("n");
    const auto source = match.tensor("x", x).is(type, SGL_F32).shape({match.dim("num_source_rows"), n}).last_dense();
    match.tensor("rows", rows).is(SGL_I32).shape({num_rows, match.dim("w")}).dense();
    match.tensor("y", y).is(type).shape({num_rows, n}).last_dense().disjoint_from(source);
    if (residual != nullptr) match.tensor("residual", residual).is(type).shape({num_rows, n}).last_dense();
    if (match.is_empty(y)) return;
    backend.gather_sum(*y, *x, *rows, residual);
  });
}
