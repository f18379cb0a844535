#pragma once

#include <memory>

#include "cuda/comm/comm_group.hpp"
#include "cuda/runtime/peer_link.hpp"

namespace sgl::cuda {

/// One rank's collectives by kernels that address the other ranks' memory. Each call meets the others on the host, which brings
/// the addresses and shows what disagrees; the kernels then meet on the device, also when a graph replays them.
///
/// Where ranks share a GPU they meet on the host again once all have launched: a call to the driver that waits for the device,
/// as freeing memory or loading a kernel does, would otherwise wait for a kernel that waits for the caller's.
class PeerCollectives final : public PeerLink, public std::enable_shared_from_this<PeerCollectives> {
 public:
  PeerCollectives(CudaContext& context, CommGroup& group, int rank) : context_(context), group_(group), rank_(rank) {}

  void all_reduce(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor* residual, AllReduceKind kind);
  /// For x of at most `most_one_shot_bytes`.
  void one_shot_all_reduce_add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x,
                                        const sgl_tensor& weight, float eps);
  void all_gather_rows(const sgl_tensor& y, const sgl_tensor& x);
  void all_gather_columns(const sgl_tensor& y, const sgl_tensor& x);
  void reduce_scatter(const sgl_tensor& y, const sgl_tensor& x);
  void all_to_all(const sgl_tensor& y, const sgl_tensor& x, const int64_t* receive_counts, const int64_t* send_counts);
  void broadcast(const sgl_tensor& x, int root);
  void barrier();

  void check_alive(const char* op) override { group_.check_alive(op); }
  void before_launch(const char* op) override;
  void after_launch(const char* op) override;

 private:
  int num_ranks() const { return group_.options.num_ranks; }
  Posting posting(const char* op, const sgl_tensor& y, const sgl_tensor& x, int64_t num_elements) const;
  const Posting& posted(int peer) const { return group_.posting(rank_, peer); }
  int blocks(int64_t num_units) const { return peer_blocks(group_.topology(), num_units, kPeerThreads); }
  template <class Launch>
  void together(const Posting& posting, const Launch& launch);
  template <class Params>
  void set_staging(Params& params) const;

  CudaContext& context_;
  CommGroup& group_;
  const int rank_;
};

}  // namespace sgl::cuda
