#include "cuda/comm/all_reduce_choice.hpp"

#include <algorithm>
#include <cstring>

#include "abi/error.hpp"

namespace sgl::cuda {

int64_t most_one_shot_bytes(int num_ranks) {
  if (num_ranks <= 2) return kMostPeerBytes;
  return (num_ranks <= 4 ? 512 : 256) << 10;
}

bool peers_serve(const PeerTopology& topology) {
  if (topology.num_ranks < 2 || topology.num_ranks > kMaxPeers || !topology.has_peers) return false;
  return topology.shares_device || topology.num_ranks == 2 || topology.has_nvlink;
}

AllReduceKind choose_all_reduce(const PeerTopology& topology, int64_t num_bytes, bool captures, const char* wanted) {
  bool wants_one_shot = false, wants_two_shot = false;
  if (wanted != nullptr && *wanted != '\0') {
    wants_one_shot = std::strcmp(wanted, "1stage") == 0 || std::strcmp(wanted, "oneshot") == 0;
    wants_two_shot = std::strcmp(wanted, "2stage") == 0 || std::strcmp(wanted, "twoshot") == 0;
    if (!wants_one_shot && !wants_two_shot) {
      fail(SGL_INVALID_ARGUMENT, "SGLANG_CUSTOM_ALLREDUCE_ALGO is '%s': expected 1stage, oneshot, 2stage or twoshot", wanted);
    }
  }
  if (!peers_serve(topology)) return AllReduceKind::kNccl;
  const bool has_room = num_bytes <= most_one_shot_bytes(topology.num_ranks);
  if (num_bytes > kMostPeerBytes && !topology.shares_device && !captures && !wants_two_shot) return AllReduceKind::kNccl;
  return has_room && !wants_two_shot ? AllReduceKind::kOneShot : AllReduceKind::kTwoShot;
}

int peer_blocks(const PeerTopology& topology, int64_t num_units, int threads) {
  const int64_t most = topology.shares_device ? kMostSharedBlocks : kMostPeerBlocks;
  return static_cast<int>(std::clamp<int64_t>((num_units + threads - 1) / threads, 1, most));
}

}  // namespace sgl::cuda
