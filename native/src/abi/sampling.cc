#include "sgl/sampling.h"

#include <cinttypes>
#include <cmath>

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

namespace {

/// Lists of all rows, `name` being "penalty" or "bias". Returns whether any has an entry.
bool check_starts(const char* op, const char* name, const int32_t* start, int64_t num_rows) {
  if (start == nullptr) return false;
  if (start[0] < 0) {
    fail(SGL_INVALID_ARGUMENT, "%s: %s_start[0] is %" PRId32 ": expected at least 0", op, name, start[0]);
  }
  for (int64_t row = 0; row < num_rows; ++row) {
    if (start[row + 1] < start[row]) {
      fail(SGL_INVALID_ARGUMENT, "%s: %s_start falls from %" PRId32 " to %" PRId32 " after row %" PRId64, op, name, start[row],
           start[row + 1], row);
    }
  }
  return start[num_rows] > start[0];
}

void check_ids(const char* op, const char* name, const int32_t* start, const int32_t* ids, int64_t num_rows,
               int64_t vocabulary) {
  for (int64_t row = 0; row < num_rows; ++row) {
    for (int32_t i = start[row]; i < start[row + 1]; ++i) {
      if (ids[i] < 0 || ids[i] >= vocabulary) {
        fail(SGL_INVALID_ARGUMENT, "%s: %s_ids of row %" PRId64 " has %" PRId32 ": expected 0 to %" PRId64, op, name, row,
             ids[i], vocabulary - 1);
      }
    }
  }
}

void check_lists(const char* op, const sgl_sampling_lists& lists, int64_t num_rows, int64_t vocabulary) {
  if (check_starts(op, "penalty", lists.penalty_start, num_rows)) {
    require(op, "lists.penalty_ids", lists.penalty_ids);
    require(op, "lists.penalty_counts", lists.penalty_counts);
    check_ids(op, "penalty", lists.penalty_start, lists.penalty_ids, num_rows, vocabulary);
  }
  if (check_starts(op, "bias", lists.bias_start, num_rows)) {
    require(op, "lists.bias_ids", lists.bias_ids);
    require(op, "lists.bias_values", lists.bias_values);
    check_ids(op, "bias", lists.bias_start, lists.bias_ids, num_rows, vocabulary);
  }
}

void check_row(const char* op, const sgl_sampling_row& row, int64_t index) {
  const auto check = [&](const char* name, float value, bool is_valid, const char* expected) {
    if (!is_valid) {
      fail(SGL_INVALID_ARGUMENT, "%s: %s of row %" PRId64 " is %g: expected %s", op, name, index, value, expected);
    }
  };
  check("temperature", row.temperature, row.temperature >= 0 && std::isfinite(row.temperature), "a finite number from 0");
  check("top_p", row.top_p, row.top_p > 0 && row.top_p <= 1, "more than 0, at most 1");
  check("min_p", row.min_p, row.min_p >= 0 && row.min_p <= 1, "0 to 1");
  check("frequency_penalty", row.frequency_penalty, std::isfinite(row.frequency_penalty), "a finite number");
  check("presence_penalty", row.presence_penalty, std::isfinite(row.presence_penalty), "a finite number");
  check("repetition_penalty", row.repetition_penalty, row.repetition_penalty > 0 && std::isfinite(row.repetition_penalty),
        "a finite number above 0");
  check("top_k", static_cast<float>(row.top_k), row.top_k >= 0, "0 (all) or more");
}

}  // namespace

sgl_status sgl_sample(sgl_context* context, const sgl_sampling_args* args) {
  constexpr const char* op = "sample";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_sampling_args& given = require(op, "args", args);
    Match match(op);
    const auto rows = match.dim("num_rows"), vocabulary = match.dim("vocabulary");
    match.tensor("logits", given.logits).is(SGL_F32).shape({rows, vocabulary}).last_dense();
    match.tensor("ids", given.ids).is(SGL_I32).shape({rows}).dense();
    if (given.logprobs != nullptr) match.tensor("logprobs", given.logprobs).is(SGL_F32).shape({rows}).dense();
    const int64_t num_rows = match.size_of(rows), num_ids = match.size_of(vocabulary);
    if (given.allowed != nullptr) {
      const auto num_words = match.dim("ceil(vocabulary / 32)", (num_ids + 31) / 32, "logits");
      match.tensor("allowed", given.allowed).is(SGL_I32).shape({rows, num_words}).last_dense();
    }
    if (num_rows == 0) return;
    if (num_ids < 1 || num_ids > INT32_MAX) {
      fail(SGL_INVALID_ARGUMENT, "%s: vocabulary is %" PRId64 ": expected 1 to %d", op, num_ids, INT32_MAX);
    }
    require(op, "rows", given.rows);
    for (int64_t row = 0; row < num_rows; ++row) check_row(op, given.rows[row], row);
    if (given.lists != nullptr) check_lists(op, *given.lists, num_rows, num_ids);
    backend.sample(given);
  });
}

sgl_status sgl_argmax_shard(sgl_context* context, const sgl_tensor* best, const sgl_tensor* logits, int32_t first_id) {
  constexpr const char* op = "argmax_shard";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto num_rows = match.dim("num_rows"), vocabulary = match.dim("w");
    match.tensor("logits", logits).is(SGL_F32).shape({num_rows, vocabulary}).last_dense();
    match.tensor("best", best).is(SGL_I32).shape({num_rows, match.dim("2", 2, "a key")}).last_dense();
    const int64_t num_ids = match.size_of(vocabulary);
    if (first_id < 0 || num_ids > INT32_MAX - int64_t{first_id}) {
      fail(SGL_INVALID_ARGUMENT, "%s: first_id is %" PRId32 " of %" PRId64 " ids: expected ids from 0 to %d", op, first_id, num_ids,
           INT32_MAX);
    }
    if (match.is_empty(best)) return;
    backend.argmax_shard(*best, *logits, first_id);
  });
}

sgl_status sgl_argmax_merge(sgl_context* context, const sgl_tensor* ids, const sgl_tensor* best) {
  constexpr const char* op = "argmax_merge";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto num_rows = match.dim("num_rows"), width = match.dim("2 * num_parts");
    match.tensor("best", best).is(SGL_I32).shape({num_rows, width}).last_dense();
    match.tensor("ids", ids).is(SGL_I32).shape({num_rows}).dense();
    if (match.size_of(width) < 2 || match.size_of(width) % 2 != 0) {
      fail(SGL_INVALID_ARGUMENT, "%s: best has %" PRId64 " columns: expected two for each part", op, match.size_of(width));
    }
    if (match.is_empty(ids)) return;
    backend.argmax_merge(*ids, *best);
  });
}

sgl_status sgl_logprobs(sgl_context* context, const sgl_logprob_args* args) {
  constexpr const char* op = "logprobs";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_logprob_args& given = require(op, "args", args);
    Match match(op);
    const auto rows = match.dim("num_rows"), vocabulary = match.dim("vocabulary"), k = match.dim("k");
    match.tensor("logits", given.logits).is(SGL_F32).shape({rows, vocabulary}).last_dense();
    match.tensor("targets", given.targets).is(SGL_I32).shape({rows}).dense();
    match.tensor("target_logprobs", given.target_logprobs).is(SGL_F32).shape({rows}).dense();
    if ((given.top_logprobs == nullptr) != (given.top_ids == nullptr)) {
      fail(SGL_INVALID_ARGUMENT, "%s: %s is null: expected both top_logprobs and top_ids, or neither", op,
           given.top_ids == nullptr ? "top_ids" : "top_logprobs");
    }
    const int64_t num_rows = match.size_of(rows), num_ids = match.size_of(vocabulary);
    if (given.top_ids != nullptr) {
      match.tensor("top_logprobs", given.top_logprobs).is(SGL_F32).shape({rows, k}).last_dense();
      match.tensor("top_ids", given.top_ids).is(SGL_I32).shape({rows, k}).last_dense();
      if (match.size_of(k) > num_ids) {
        fail(SGL_INVALID_ARGUMENT, "%s: k is %" PRId64 " of a vocabulary of %" PRId64, op, match.size_of(k), num_ids);
      }
    }
    if (num_rows == 0) return;
    if (num_ids < 1 || num_ids > INT32_MAX) {
      fail(SGL_INVALID_ARGUMENT, "%s: vocabulary is %" PRId64 ": expected 1 to %d", op, num_ids, INT32_MAX);
    }
    for (int64_t row = 0; given.temperatures != nullptr && row < num_rows; ++row) {
      if (!(given.temperatures[row] >= 0 && std::isfinite(given.temperatures[row]))) {
        fail(SGL_INVALID_ARGUMENT, "%s: temperature of row %" PRId64 " is %g: expected a finite number from 0", op, row,
             given.temperatures[row]);
      }
    }
    backend.logprobs(given);
  });
}
