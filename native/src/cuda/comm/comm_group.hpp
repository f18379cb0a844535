#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "abi/backend.hpp"
#include "cuda/comm/all_reduce_choice.hpp"
#include "cuda/comm/nccl.hpp"
#include "cuda/comm/peer_kernels.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// What a rank tells the others when it comes to a call: where its tensors lie, and what must be alike.
struct Posting {
  const char* op = "";
  sgl_dtype x_dtype{}, y_dtype{};
  int64_t num_elements = 0;  // of x, or 0 where ranks may differ
  int root = 0;
  bool captures = false;

  void* x = nullptr;
  void* y = nullptr;
  int64_t x_stride = 0;               // bytes between rows of x
  int64_t first_sent[kMaxPeers] = {};  // all_to_all: the first row of x for each rank
};

/// The meeting point of ranks that are threads of this process, each with a stream: it learns which GPUs they are on, holds what
/// they address of each other, and NCCL's communicators where each has a GPU of its own. Owns what peers write to, so that no
/// rank's leaving takes it from the others.
class CommGroup final : public sgl_comm_group {
 public:
  explicit CommGroup(const sgl_comm_group_options& options);
  ~CommGroup() override;

  /// Returns once every rank has come, with the same topology for all. Throws INVALID_ARGUMENT where ranks share a GPU without
  /// leave, UNSUPPORTED where NCCL is needed and absent.
  void join(CudaContext& context, int rank);
  /// The rank uses the group no more.
  void leave(int rank);

  void abort(const char* reason) override;
  void reset() override;
  void check_alive(const char* op);

  /// Returns when all ranks have posted. Throws COMM when the group is aborted, somebody does not come in time, or postings
  /// disagree.
  void meet(int rank, const Posting& posting);
  /// Meets without a posting.
  void meet(int rank, const char* op);
  /// What `peer` posted at the last such meeting that `rank` came to; valid until its next one.
  const Posting& posting(int rank, int peer) const { return ranks_[peer]->postings[ranks_[rank]->posted & 1]; }

  const PeerTopology& topology() const { return topology_; }
  nccl::Comm* nccl_of(int rank) const { return ranks_[rank]->nccl; }
  /// For a kernel of this rank. Where peers serve.
  PeerMeeting device_meeting(int rank) const;
  std::byte* staging_of(int rank) const { return ranks_[rank]->staging; }
  int64_t staging_bytes() const { return staging_bytes_; }

 private:
  struct Rank {
    CudaContext* context = nullptr;
    int ordinal = 0;
    std::atomic<bool> has_joined{false};
    nccl::Comm* nccl = nullptr;
    PeerFlags* flags = nullptr;  // device memory
    std::byte* staging = nullptr;
    alignas(64) std::atomic<uint32_t> arrived{0};
    uint32_t posted = 0;  // meetings with a posting, counted by the rank itself
    Posting postings[2];  // in turn: whoever posts again has met everybody who read the one before
  };
  /// Page-locked.
  struct HostWords {
    uint32_t is_aborted;
    PeerFault faults[kMaxPeers];
  };

  void arrive_and_wait(int rank, const char* op);
  PeerTopology survey() const;
  void allocate_for_peers(Rank& self);
  void check_agreement(int rank, const char* op);

  std::vector<std::unique_ptr<Rank>> ranks_;
  PeerTopology topology_{};
  int64_t staging_bytes_ = 0;
  HostWords* words_ = nullptr;
  nccl::UniqueId id_{};
  std::mutex gate_;
  std::string reason_;
  std::atomic<bool> is_aborted_{false};
};

}  // namespace sgl::cuda
