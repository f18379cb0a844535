#include "cuda/comm/peer_collectives.hpp"

#include <algorithm>

#include "abi/error.hpp"
#include "abi/match.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

int64_t num_bytes(const sgl_tensor& tensor) { return num_elements(tensor) * sgl::element_bytes(tensor.dtype); }

int64_t num_units(int64_t count) { return (count + kPeerUnit - 1) / kPeerUnit; }

/// 16-byte accesses of the largest part.
int64_t num_accesses(const PullParams& params) {
  int64_t most = 0;
  for (const PullParams::Part& part : params.parts) most = std::max(most, part.num_rows * part.row_bytes);
  return most / 16 + 1;
}

std::byte* offset(void* data, int64_t num_bytes) { return static_cast<std::byte*>(data) + num_bytes; }

}  // namespace

Posting PeerCollectives::posting(const char* op, const sgl_tensor& y, const sgl_tensor& x, int64_t num_elements) const {
  Posting posting;
  posting.op = op;
  posting.x_dtype = x.dtype;
  posting.y_dtype = y.dtype;
  posting.num_elements = num_elements;
  posting.captures = context_.is_capturing;
  posting.x = x.data;
  posting.y = y.data;
  return posting;
}

/// @param launch queues the kernel, once all ranks have posted.
template <class Launch>
void PeerCollectives::together(const Posting& posting, const Launch& launch) {
  group_.meet(rank_, posting);
  try {
    launch();
  } catch (const Error& error) {
    group_.abort(error.what());
    throw;
  }
  if (!context_.is_capturing) {
    after_launch(posting.op);
    return;
  }
  auto& captured = context_.captured_peers;
  if (std::ranges::none_of(captured, [&](const auto& link) { return link.get() == this; })) captured.push_back(shared_from_this());
}

void PeerCollectives::before_launch(const char* op) {
  check_alive(op);
  if (group_.topology().shares_device) group_.meet(rank_, op);
}

void PeerCollectives::after_launch(const char* op) {
  if (group_.topology().shares_device) group_.meet(rank_, op);
}

template <class Params>
void PeerCollectives::set_staging(Params& params) const {
  for (int peer = 0; peer < num_ranks(); ++peer) params.staging[peer] = group_.staging_of(peer);
  params.staging_bytes = group_.staging_bytes();
}

void PeerCollectives::all_reduce(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor* residual, AllReduceKind kind) {
  constexpr const char* op = "all_reduce";
  const int64_t count = num_elements(x);
  together(posting(op, y, x, count), [&] {
    if (count == 0) return;
    if (kind == AllReduceKind::kOneShot) {
      OneShotParams params{};
      params.meeting = group_.device_meeting(rank_);
      set_staging(params);
      params.y = y.data;
      params.x = x.data;
      params.residual = residual == nullptr ? nullptr : residual->data;
      params.count = count;
      return one_shot_all_reduce(context_, params, y.dtype, x.dtype, blocks(num_units(count)));
    }
    // A share is whole units, so that accesses are as wide as the tensors allow.
    const int64_t share = num_units((count + num_ranks() - 1) / num_ranks()) * kPeerUnit;
    const int64_t first = std::min(count, rank_ * share);
    const int64_t y_offset = first * sgl::element_bytes(y.dtype), x_offset = first * sgl::element_bytes(x.dtype);
    DirectSumParams params{};
    params.meeting = group_.device_meeting(rank_);
    for (int peer = 0; peer < num_ranks(); ++peer) {
      params.y[peer] = offset(posted(peer).y, y_offset);
      params.x[peer] = offset(posted(peer).x, x_offset);
    }
    params.residual = residual == nullptr ? nullptr : offset(residual->data, y_offset);
    params.count = std::min(count, first + share) - first;
    params.num_ys = num_ranks();
    direct_sum(context_, op, params, y.dtype, x.dtype, blocks(num_units(share)));
  });
}

void PeerCollectives::one_shot_all_reduce_add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                                                       const sgl_tensor& weight, float eps) {
  const int64_t count = num_elements(x);
  together(posting("all_reduce_add_rms_norm", y, x, count), [&] {
    if (count == 0) return;
    OneShotNormParams params{};
    params.meeting = group_.device_meeting(rank_);
    set_staging(params);
    params.y = y.data;
    params.residual = residual.data;
    params.x = x.data;
    params.weight = weight.data;
    params.num_rows = x.shape[0];
    params.width = static_cast<int32_t>(x.shape[1]);
    params.eps = eps;
    // A row belongs to a block.
    one_shot_all_reduce_norm(context_, params, y.dtype, x.dtype, blocks(params.num_rows * kPeerThreads));
  });
}

void PeerCollectives::all_gather_rows(const sgl_tensor& y, const sgl_tensor& x) {
  constexpr const char* op = "all_gather_rows";
  const int64_t bytes = num_bytes(x);
  together(posting(op, y, x, num_elements(x)), [&] {
    PullParams params{};
    params.meeting = group_.device_meeting(rank_);
    for (int peer = 0; peer < num_ranks(); ++peer) {
      params.parts[peer] = {offset(y.data, peer * bytes), offset(posted(peer).x, 0), bytes, bytes, 1, bytes};
    }
    if (bytes > 0) pull(context_, op, params, blocks(num_accesses(params)));
  });
}

void PeerCollectives::all_gather_columns(const sgl_tensor& y, const sgl_tensor& x) {
  constexpr const char* op = "all_gather_columns";
  const int64_t element = sgl::element_bytes(x.dtype), width = x.shape[1] * element;
  Posting own = posting(op, y, x, num_elements(x));
  own.x_stride = x.stride[0] * element;
  together(own, [&] {
    PullParams params{};
    params.meeting = group_.device_meeting(rank_);
    for (int peer = 0; peer < num_ranks(); ++peer) {
      params.parts[peer] = {offset(y.data, peer * width), offset(posted(peer).x, 0), y.stride[0] * element,
                            posted(peer).x_stride, x.shape[0], width};
    }
    if (num_elements(x) > 0) pull(context_, op, params, blocks(num_accesses(params)));
  });
}

void PeerCollectives::reduce_scatter(const sgl_tensor& y, const sgl_tensor& x) {
  constexpr const char* op = "reduce_scatter";
  const int64_t count = num_elements(y);
  together(posting(op, y, x, num_elements(x)), [&] {
    if (count == 0) return;
    DirectSumParams params{};
    params.meeting = group_.device_meeting(rank_);
    params.y[0] = y.data;
    for (int peer = 0; peer < num_ranks(); ++peer) params.x[peer] = offset(posted(peer).x, rank_ * num_bytes(y));
    params.count = count;
    params.num_ys = 1;
    direct_sum(context_, op, params, y.dtype, x.dtype, blocks(num_units(count)));
  });
}

void PeerCollectives::all_to_all(const sgl_tensor& y, const sgl_tensor& x, const int64_t* receive_counts,
                                 const int64_t* send_counts) {
  constexpr const char* op = "all_to_all";
  const int64_t row_bytes = x.shape[1] * sgl::element_bytes(x.dtype);
  Posting own = posting(op, y, x, 0);
  for (int peer = 1; peer < num_ranks(); ++peer) own.first_sent[peer] = own.first_sent[peer - 1] + send_counts[peer - 1];
  together(own, [&] {
    PullParams params{};
    params.meeting = group_.device_meeting(rank_);
    int64_t received = 0;
    for (int peer = 0; peer < num_ranks(); ++peer) {
      const int64_t bytes = receive_counts[peer] * row_bytes;
      params.parts[peer] = {offset(y.data, received), offset(posted(peer).x, posted(peer).first_sent[rank_] * row_bytes), bytes,
                            bytes, 1, bytes};
      received += bytes;
    }
    // Counts differ between ranks, blocks may not.
    pull(context_, op, params, blocks(kMostPeerBlocks * kPeerThreads));
  });
}

void PeerCollectives::broadcast(const sgl_tensor& x, int root) {
  constexpr const char* op = "broadcast";
  const int64_t bytes = num_bytes(x);
  Posting own = posting(op, x, x, num_elements(x));
  own.root = root;
  together(own, [&] {
    PullParams params{};
    params.meeting = group_.device_meeting(rank_);
    if (rank_ != root) params.parts[root] = {offset(x.data, 0), offset(posted(root).x, 0), bytes, bytes, 1, bytes};
    if (bytes > 0) pull(context_, op, params, blocks(bytes / 16 + 1));
  });
}

void PeerCollectives::barrier() {
  const sgl_tensor none{};
  together(posting("barrier", none, none, 0), [&] {
    PullParams params{};
    params.meeting = group_.device_meeting(rank_);
    pull(context_, "barrier", params, 1);
  });
}

}  // namespace sgl::cuda
