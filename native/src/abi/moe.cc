#include "sgl/moe.h"

#include <cinttypes>

#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

sgl_status sgl_moe_route(sgl_context* context, const sgl_tensor* expert_weights, const sgl_tensor* expert_ids,
                         const sgl_tensor* router_logits, int32_t renormalize) {
  constexpr const char* op = "moe_route";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_tokens = match.dim("num_tokens"), k = match.dim("k"), num_experts = match.dim("num_experts");
    match.tensor("router_logits", router_logits).is(type).shape({num_tokens, num_experts}).last_dense();
    match.tensor("expert_weights", expert_weights).is(SGL_F32).shape({num_tokens, k}).last_dense();
    match.tensor("expert_ids", expert_ids).is(SGL_I32).shape({num_tokens, k}).last_dense();
    if (match.size_of(k) > match.size_of(num_experts)) {
      fail(SGL_INVALID_ARGUMENT, "%s: k is %" PRId64 " of %" PRId64 " experts", op, match.size_of(k),
           match.size_of(num_experts));
    }
    if (match.is_empty(expert_ids)) return;
    backend.moe_route(*expert_weights, *expert_ids, *router_logits, renormalize != 0);
  });
}

sgl_status sgl_moe_experts(sgl_context* context, const sgl_moe_args* args) {
  constexpr const char* op = "moe_experts";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    const sgl_moe_args& given = require(op, "args", args);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto num_tokens = match.dim("num_tokens"), hidden = match.dim("hidden"), k = match.dim("k");
    const auto num_experts = match.dim("num_experts"), intermediate = match.dim("intermediate");
    match.weight("gate_up", given.gate_up, true).is(type).shape({num_experts, 2 * intermediate, hidden});
    match.weight("down", given.down, true).is(type).shape({num_experts, hidden, intermediate});
    auto input = match.tensor("x", given.x).is(type).shape({num_tokens, hidden}).last_dense();
    match.tensor("expert_weights", given.expert_weights).is(SGL_F32).shape({num_tokens, k}).last_dense();
    match.tensor("expert_ids", given.expert_ids).is(SGL_I32).shape({num_tokens, k}).last_dense();
    auto output = match.tensor("y", given.y).is(type).shape({num_tokens, hidden}).last_dense().disjoint_from(input);
    if (given.residual != nullptr) {
      match.tensor("residual", given.residual).is(type).shape({num_tokens, hidden}).last_dense().disjoint_from(input);
    }
    if (given.router_logits != nullptr) {
      const auto logits_type = match.type({SGL_F32, SGL_BF16});
      const auto num_routed = match.dim("num_routed_experts");
      match.tensor("router_logits", given.router_logits).is(logits_type).shape({num_tokens, num_routed}).last_dense();
      if (match.size_of(k) > match.size_of(num_routed)) {
        fail(SGL_INVALID_ARGUMENT, "%s: k is %" PRId64 " of %" PRId64 " experts", op, match.size_of(k),
             match.size_of(num_routed));
      }
    }
    if (given.first_expert < 0) {
      fail(SGL_INVALID_ARGUMENT, "%s: first_expert is %" PRId32 ": expected at least 0", op, given.first_expert);
    }
    if (output.is_empty()) return;
    backend.moe_experts(given);
  });
}
