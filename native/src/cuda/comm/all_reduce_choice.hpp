#pragma once

#include <cstdint>

namespace sgl::cuda {

enum class AllReduceKind { kOneShot, kTwoShot, kNccl };

/// What the choice needs of a group of ranks.
struct PeerTopology {
  int num_ranks;
  bool shares_device;  // some ranks are on one GPU
  bool has_peers;      // every rank's GPU reads and writes every other's memory
  bool has_nvlink;     // and all of them over NVLink
};

/// Ranks that peer kernels serve.
inline constexpr int kMaxPeers = 8;
/// From here on NCCL's ring is as good, and leaves the SMs alone.
inline constexpr int64_t kMostPeerBytes = int64_t{8} << 20;

/// The largest tensor that is summed in one shot, which moves num_ranks - 1 tensors a rank in one hop; two shots move
/// 2 (num_ranks - 1) / num_ranks of one in two hops.
int64_t most_one_shot_bytes(int num_ranks);

/// Whether every collective can go through peer kernels, and with that into graphs.
bool peers_serve(const PeerTopology& topology);

/// @param num_bytes of x.
/// @param captures NCCL inside graphs of several GPUs of one process may deadlock, so it is not put there.
/// @param wanted null, or the value of SGLANG_CUSTOM_ALLREDUCE_ALGO: "1stage" or "oneshot", "2stage" or "twoshot", taken where
/// peers serve and the tensor has room. Throws INVALID_ARGUMENT for another value.
AllReduceKind choose_all_reduce(const PeerTopology& topology, int64_t num_bytes, bool captures, const char* wanted);

/// Blocks of a peer kernel. All ranks must get the same, so it depends on what they agree on alone. Where ranks share a GPU,
/// their blocks wait for each other while other work runs beside them: few, so that all find a place.
int peer_blocks(const PeerTopology& topology, int64_t num_units, int threads);

inline constexpr int kMostPeerBlocks = 36;
inline constexpr int kMostSharedBlocks = 8;

}  // namespace sgl::cuda
