#include "sgl/comm.h"

#include <cinttypes>

#include "abi/devices.hpp"
#include "abi/guard.hpp"
#include "abi/match.hpp"

using namespace sgl;

namespace {

sgl_communicator& communicator_of(const char* op, sgl_context* context, sgl_communicator* communicator) {
  backend_of(op, context);
  return require(op, "communicator", communicator);
}

void check_rank(const char* op, const char* name, int rank, int num_ranks) {
  if (rank < 0 || rank >= num_ranks) {
    fail(SGL_INVALID_ARGUMENT, "%s: %s is %d: expected 0 to %d", op, name, rank, num_ranks - 1);
  }
}

void check_peer(const char* op, int peer, const sgl_communicator& self) {
  check_rank(op, "peer", peer, self.num_ranks);
  if (peer == self.rank) fail(SGL_INVALID_ARGUMENT, "%s: peer is %d, which is the caller itself", op, peer);
}

constexpr std::initializer_list<sgl_dtype> kAnyType = {SGL_F32, SGL_BF16, SGL_F16,     SGL_I32,
                                                       SGL_I64, SGL_U8,   SGL_F8_E4M3, SGL_F8_E5M2};

/// Types that ranks of this kind of device sum.
std::initializer_list<sgl_dtype> summed_types(const sgl_context* context) {
  static constexpr std::initializer_list<sgl_dtype> kCpu = {SGL_F32, SGL_BF16}, kGpu = {SGL_F32, SGL_BF16, SGL_F16};
  return context->kind == SGL_DEVICE_CUDA ? kGpu : kCpu;
}

/// The sum of [num_ranks] counts, none negative.
int64_t total(const char* op, const char* name, const int64_t* counts, int num_ranks) {
  require(op, name, counts);
  int64_t sum = 0;
  for (int i = 0; i < num_ranks; ++i) {
    if (counts[i] < 0) fail(SGL_INVALID_ARGUMENT, "%s: %s[%d] is %" PRId64 ": expected at least 0", op, name, i, counts[i]);
    sum += counts[i];
  }
  return sum;
}

}  // namespace

sgl_status sgl_comm_group_create(sgl_comm_group** group, const sgl_comm_group_options* options) {
  constexpr const char* op = "comm_group_create";
  return guard(op, [&] {
    require(op, "group", group) = nullptr;
    *group = create_comm_group(require(op, "options", options)).release();
  });
}

void sgl_comm_group_destroy(sgl_comm_group* group) { delete group; }

sgl_status sgl_comm_group_abort(sgl_comm_group* group, const char* reason) {
  constexpr const char* op = "comm_group_abort";
  return guard(op, [&] {
    require(op, "group", group);
    require(op, "reason", reason);
    group->abort(reason);
  });
}

sgl_status sgl_comm_group_reset(sgl_comm_group* group) {
  constexpr const char* op = "comm_group_reset";
  return guard(op, [&] { require(op, "group", group).reset(); });
}

sgl_status sgl_communicator_create(sgl_context* context, sgl_communicator** communicator, sgl_comm_group* group, int32_t rank) {
  constexpr const char* op = "communicator_create";
  return guard(op, [&] {
    require(op, "communicator", communicator) = nullptr;
    Backend& backend = backend_of(op, context);
    const sgl_comm_group_options& options = require(op, "group", group).options;
    if (options.kind != context->kind) fail(SGL_INVALID_ARGUMENT, "%s: context and group are of different kinds of device", op);
    check_rank(op, "rank", rank, options.num_ranks);
    *communicator = backend.create_communicator(*group, rank).release();
  });
}

void sgl_communicator_destroy(sgl_communicator* communicator) { delete communicator; }

sgl_status sgl_communicator_supports_capture(sgl_communicator* communicator, int32_t* is_supported) {
  constexpr const char* op = "communicator_supports_capture";
  return guard(op, [&] {
    require(op, "is_supported", is_supported) = require(op, "communicator", communicator).supports_capture() ? 1 : 0;
  });
}

sgl_status sgl_all_reduce(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y, const sgl_tensor* x,
                          const sgl_tensor* residual) {
  constexpr const char* op = "all_reduce";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    Match match(op);
    const auto type = match.type(summed_types(context));
    auto output = match.tensor("y", y).is(type).dense();
    match.tensor("x", x).is(type, SGL_F32).same_shape_as(output).dense();
    if (residual != nullptr) match.tensor("residual", residual).is(type).same_shape_as(output).dense();
    self.all_reduce(*y, *x, residual);
  });
}

sgl_status sgl_all_reduce_add_rms_norm(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                       const sgl_tensor* residual, const sgl_tensor* x, const sgl_tensor* weight, float eps) {
  constexpr const char* op = "all_reduce_add_rms_norm";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    Match match(op);
    const auto type = match.type({SGL_F32, SGL_BF16});
    const auto n = match.dim("n"), w = match.dim("w");
    auto output = match.tensor("y", y).is(type).shape({n, w}).dense();
    auto sum = match.tensor("residual", residual).is(type).shape({n, w}).dense().disjoint_from(output);
    match.tensor("x", x).is(type, SGL_F32).shape({n, w}).dense().disjoint_from(sum);
    match.tensor("weight", weight).is(type).shape({w}).dense();
    check_eps(op, eps);
    self.all_reduce_add_rms_norm(*y, *residual, *x, *weight, eps);
  });
}

sgl_status sgl_all_gather_columns(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                  const sgl_tensor* x) {
  constexpr const char* op = "all_gather_columns";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    Match match(op);
    const auto type = match.type(kAnyType);
    const auto n = match.dim("n"), w = match.dim("w");
    auto input = match.tensor("x", x).is(type).shape({n, w}).last_dense();
    match.tensor("y", y).is(type).shape({n, self.num_ranks * w}).last_dense().disjoint_from(input);
    self.all_gather_columns(*y, *x);
  });
}

sgl_status sgl_all_gather_rows(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y, const sgl_tensor* x) {
  constexpr const char* op = "all_gather_rows";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    Match match(op);
    const auto type = match.type(kAnyType);
    const auto n = match.dim("n"), w = match.dim("w");
    auto input = match.tensor("x", x).is(type).shape({n, w}).dense();
    match.tensor("y", y).is(type).shape({self.num_ranks * n, w}).dense().disjoint_from(input);
    self.all_gather_rows(*y, *x);
  });
}

sgl_status sgl_reduce_scatter(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y, const sgl_tensor* x) {
  constexpr const char* op = "reduce_scatter";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    Match match(op);
    const auto type = match.type(summed_types(context));
    const auto n = match.dim("n"), w = match.dim("w");
    auto output = match.tensor("y", y).is(type).shape({n, w}).dense();
    match.tensor("x", x).is(type).shape({self.num_ranks * n, w}).dense().disjoint_from(output);
    self.reduce_scatter(*y, *x);
  });
}

sgl_status sgl_all_to_all(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y, const sgl_tensor* x,
                          const int64_t* receive_counts, const int64_t* send_counts) {
  constexpr const char* op = "all_to_all";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    Match match(op);
    const auto type = match.type(kAnyType);
    const auto w = match.dim("w");
    const auto n = match.dim("n", total(op, "send_counts", send_counts, self.num_ranks), "send_counts");
    const auto m = match.dim("m", total(op, "receive_counts", receive_counts, self.num_ranks), "receive_counts");
    auto input = match.tensor("x", x).is(type).shape({n, w}).dense();
    match.tensor("y", y).is(type).shape({m, w}).dense().disjoint_from(input);
    self.all_to_all(*y, *x, receive_counts, send_counts);
  });
}

sgl_status sgl_broadcast(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* x, int32_t root) {
  constexpr const char* op = "broadcast";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    check_rank(op, "root", root, self.num_ranks);
    Match match(op);
    match.tensor("x", x).is(match.type(kAnyType)).dense();
    self.broadcast(*x, root);
  });
}

sgl_status sgl_send(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* x, int32_t peer) {
  constexpr const char* op = "send";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    check_peer(op, peer, self);
    Match match(op);
    match.tensor("x", x).is(match.type(kAnyType)).dense();
    self.send(*x, peer);
  });
}

sgl_status sgl_receive(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y, int32_t peer) {
  constexpr const char* op = "receive";
  return guard(op, [&] {
    sgl_communicator& self = communicator_of(op, context, communicator);
    check_peer(op, peer, self);
    Match match(op);
    match.tensor("y", y).is(match.type(kAnyType)).dense();
    self.receive(*y, peer);
  });
}

sgl_status sgl_barrier(sgl_context* context, sgl_communicator* communicator) {
  constexpr const char* op = "barrier";
  return guard(op, [&] { communicator_of(op, context, communicator).barrier(); });
}
