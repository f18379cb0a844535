#include "sgl/attention.h"

#include <algorithm>
#include <cinttypes>
#include <cmath>

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

namespace {

void check_desc(const char* op, const sgl_attention_desc& desc) {
  if (desc.num_kv_heads < 1 || desc.num_q_heads < 1 || desc.num_q_heads % desc.num_kv_heads != 0) {
    fail(SGL_INVALID_ARGUMENT, "%s: num_q_heads is %" PRId32 ", num_kv_heads %" PRId32 ": expected a multiple of it", op,
         desc.num_q_heads, desc.num_kv_heads);
  }
  if (desc.head_dim < 32 || desc.head_dim > 256 || desc.head_dim % 8 != 0) {
    fail(SGL_INVALID_ARGUMENT, "%s: head_dim is %" PRId32 ": expected a multiple of 8 from 32 to 256", op, desc.head_dim);
  }
  if (desc.page_size < 1) {
    fail(SGL_INVALID_ARGUMENT, "%s: page_size is %" PRId32 ": expected at least 1", op, desc.page_size);
  }
  if (desc.dtype != SGL_F32 && desc.dtype != SGL_BF16) {
    fail(SGL_INVALID_ARGUMENT, "%s: dtype is %s: expected f32 or bf16", op, name_of(desc.dtype).c_str());
  }
  if (desc.window < 0) {
    fail(SGL_INVALID_ARGUMENT, "%s: window is %" PRId32 ": expected 0 (all) or more", op, desc.window);
  }
  if (!std::isfinite(desc.scale)) fail(SGL_INVALID_ARGUMENT, "%s: scale is %g: expected a finite number", op, desc.scale);
  if (!(desc.soft_cap >= 0 && std::isfinite(desc.soft_cap))) {
    fail(SGL_INVALID_ARGUMENT, "%s: soft_cap is %g: expected 0 (off) or more", op, desc.soft_cap);
  }
  if (desc.max_tokens < 1 || desc.max_requests < 1) {
    fail(SGL_INVALID_ARGUMENT, "%s: max_tokens is %" PRId32 ", max_requests %" PRId32 ": expected at least 1 each", op,
         desc.max_tokens, desc.max_requests);
  }
}

struct BatchBounds {
  int64_t num_tokens;
  /// The largest page named, -1 if none is.
  int32_t last_page;
};

BatchBounds check_batch(const char* op, const sgl_attention_desc& desc, const sgl_attention_batch& batch) {
  const int32_t num_requests = batch.num_requests;
  if (num_requests < 0 || num_requests > desc.max_requests) {
    fail(SGL_INVALID_ARGUMENT, "%s: num_requests is %" PRId32 ": expected 0 to max_requests, %" PRId32, op, num_requests,
         desc.max_requests);
  }
  BatchBounds bounds{0, -1};
  if (num_requests == 0) return bounds;
  require(op, "batch.query_start", batch.query_start);
  require(op, "batch.kv_length", batch.kv_length);
  require(op, "batch.page_start", batch.page_start);
  if (batch.query_start[0] < 0) {
    fail(SGL_INVALID_ARGUMENT, "%s: query_start[0] is %" PRId32 ": expected at least 0", op, batch.query_start[0]);
  }
  for (int32_t r = 0; r < num_requests; ++r) {
    const int64_t num_queries = int64_t{batch.query_start[r + 1]} - batch.query_start[r];
    if (num_queries < 0 || num_queries > batch.kv_length[r]) {
      fail(SGL_INVALID_ARGUMENT,
           "%s: request %" PRId32 " has %" PRId64 " query tokens and a kv_length of %" PRId32 ": expected 0 to kv_length", op,
           r, num_queries, batch.kv_length[r]);
    }
    const int64_t num_pages = (int64_t{batch.kv_length[r]} + desc.page_size - 1) / desc.page_size;
    if (num_pages > 0) require(op, "batch.pages", batch.pages);
    if (batch.page_start[r] < 0) {
      fail(SGL_INVALID_ARGUMENT, "%s: page_start of request %" PRId32 " is %" PRId32 ": expected at least 0", op, r,
           batch.page_start[r]);
    }
    if (num_pages == 0) continue;
    const int32_t* pages = batch.pages + batch.page_start[r];
    // Without a way out, so that it is vectorized: a step has tens of thousands of pages.
    int32_t lowest = 0, highest = -1;
    for (int64_t i = 0; i < num_pages; ++i) {
      lowest = std::min(lowest, pages[i]);
      highest = std::max(highest, pages[i]);
    }
    bounds.last_page = std::max(bounds.last_page, highest);
    if (lowest < 0) {
      const int64_t i = std::find_if(pages, pages + num_pages, [](int32_t page) { return page < 0; }) - pages;
      fail(SGL_INVALID_ARGUMENT, "%s: page %" PRId64 " of request %" PRId32 " is %" PRId32 ": expected at least 0", op, i, r,
           pages[i]);
    }
  }
  bounds.num_tokens = batch.query_start[num_requests];
  if (bounds.num_tokens - batch.query_start[0] > desc.max_tokens) {
    fail(SGL_INVALID_ARGUMENT, "%s: the batch has %" PRId64 " query tokens: expected at most max_tokens, %" PRId32, op,
         bounds.num_tokens - batch.query_start[0], desc.max_tokens);
  }
  return bounds;
}

}  // namespace

sgl_status sgl_attention_plan_create(sgl_context* context, sgl_attention_plan** plan, const sgl_attention_desc* desc) {
  constexpr const char* op = "attention_plan_create";
  return guard(op, [&] {
    require(op, "plan", plan) = nullptr;
    Backend& backend = backend_of(op, context);
    check_desc(op, require(op, "desc", desc));
    *plan = backend.create_attention_plan(*desc).release();
  });
}

void sgl_attention_plan_destroy(sgl_attention_plan* plan) { delete plan; }

sgl_status sgl_attention_plan_update(sgl_context* context, sgl_attention_plan* plan, const sgl_attention_batch* batch) {
  constexpr const char* op = "attention_plan_update";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    sgl_attention_plan& updated = require(op, "plan", plan);
    updated.num_rows = -1;
    const BatchBounds bounds = check_batch(op, updated.desc, require(op, "batch", batch));
    backend.update_attention_plan(updated, *batch);
    updated.num_rows = bounds.num_tokens;
    updated.last_page = bounds.last_page;
  });
}

sgl_status sgl_attention_run(sgl_context* context, sgl_attention_plan* plan, const sgl_tensor* out, const sgl_tensor* q,
                             const sgl_tensor* k_cache, const sgl_tensor* v_cache, const sgl_tensor* sinks) {
  constexpr const char* op = "attention_run";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_attention_desc& desc = require(op, "plan", plan).desc;
    if (plan->num_rows < 0) fail(SGL_INVALID_ARGUMENT, "%s: plan has no batch; call attention_plan_update first", op);
    Match match(op);
    constexpr const char* kPlan = "the plan";
    const auto num_tokens = match.dim("num_tokens"), num_pages = match.dim("num_pages");
    const auto num_q_heads = match.dim("num_q_heads", desc.num_q_heads, kPlan);
    const auto num_kv_heads = match.dim("num_kv_heads", desc.num_kv_heads, kPlan);
    const auto page_size = match.dim("page_size", desc.page_size, kPlan);
    const auto head_dim = match.dim("head_dim", desc.head_dim, kPlan);
    match.tensor("q", q).is(desc.dtype).shape({num_tokens, num_q_heads, head_dim}).last_dense();
    match.tensor("out", out).is(desc.dtype).shape({num_tokens, num_q_heads, head_dim}).last_dense();
    match.tensor("k_cache", k_cache).is(desc.dtype).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    match.tensor("v_cache", v_cache).is(desc.dtype).shape({num_pages, num_kv_heads, page_size, head_dim}).dense();
    if (sinks != nullptr) match.tensor("sinks", sinks).is(SGL_F32).shape({num_q_heads}).dense();
    // Rows past the batch's are padding and keep their contents.
    if (match.size_of(num_tokens) < plan->num_rows) {
      fail(SGL_INVALID_ARGUMENT, "%s: q has %" PRId64 " tokens, the plan's batch has %" PRId64, op, match.size_of(num_tokens),
           plan->num_rows);
    }
    if (match.size_of(num_pages) <= plan->last_page) {
      fail(SGL_INVALID_ARGUMENT, "%s: the batch names page %" PRId32 " of a cache of %" PRId64 " pages", op, plan->last_page,
           match.size_of(num_pages));
    }
    if (plan->num_rows == 0) return;
    backend.attention(*plan, *out, *q, *k_cache, *v_cache, sinks);
  });
}
