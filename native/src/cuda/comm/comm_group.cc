#include "cuda/comm/comm_group.hpp"

#include <sched.h>

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>
#include <thread>

#include "abi/error.hpp"
#include "abi/match.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

using Clock = std::chrono::steady_clock;

constexpr const char* kJoin = "communicator_create";
constexpr int kSpins = 2000;
constexpr auto kYields = std::chrono::microseconds(500);
constexpr auto kNap = std::chrono::microseconds(50);

bool can_reach(int from, int to) {
  int can = 0;
  check(cudaDeviceCanAccessPeer(&can, from, to), kJoin);
  return can != 0;
}

/// Atomics between two GPUs are native over NVLink, and not over PCIe.
bool has_nvlink(int from, int to) {
  int is_native = 0;
  check(cudaDeviceGetP2PAttribute(&is_native, cudaDevP2PAttrNativeAtomicSupported, from, to), kJoin);
  return is_native != 0;
}

}  // namespace

CommGroup::CommGroup(const sgl_comm_group_options& options) : sgl_comm_group(options) {
  for (int rank = 0; rank < options.num_ranks; ++rank) ranks_.push_back(std::make_unique<Rank>());
  void* words = nullptr;
  check(cudaHostAlloc(&words, sizeof(HostWords), cudaHostAllocPortable | cudaHostAllocMapped), "comm_group_create");
  words_ = new (words) HostWords{};
}

CommGroup::~CommGroup() {
  for (const auto& rank : ranks_) {
    if (rank->flags == nullptr && rank->staging == nullptr) continue;
    cudaSetDevice(rank->ordinal);
    cudaFree(rank->flags);
    cudaFree(rank->staging);
  }
  cudaFreeHost(words_);
}

void CommGroup::join(CudaContext& context, int rank) {
  check_alive(kJoin);
  Rank& self = *ranks_[rank];
  if (self.has_joined.exchange(true)) fail(SGL_INVALID_ARGUMENT, "%s: rank %d has a communicator already", kJoin, rank);
  self.context = &context;
  self.ordinal = context.device.ordinal;
  try {
    arrive_and_wait(rank, kJoin);
    const PeerTopology topology = survey();
    if (topology.shares_device && !peers_serve(topology)) {
      fail(SGL_UNSUPPORTED, "%s: %d ranks, some on one GPU: expected at most %d, on GPUs that reach each other", kJoin,
           options.num_ranks, kMaxPeers);
    }
    if (rank == 0) topology_ = topology;
    if (!topology.shares_device && rank == 0) nccl::check(nccl::library().get_unique_id(&id_), kJoin);
    if (peers_serve(topology)) allocate_for_peers(self);
    arrive_and_wait(rank, kJoin);
    if (!topology.shares_device) {
      nccl::Comm* comm = nullptr;
      nccl::check(nccl::library().comm_init_rank(&comm, options.num_ranks, id_, rank), kJoin);
      const std::lock_guard lock(gate_);
      self.nccl = comm;
    }
  } catch (const Error& error) {
    abort(error.what());
    throw;
  }
}

PeerTopology CommGroup::survey() const {
  PeerTopology topology{options.num_ranks, false, true, true};
  for (int i = 0; i < options.num_ranks; ++i) {
    for (int j = 0; j < i; ++j) {
      const int a = ranks_[j]->ordinal, b = ranks_[i]->ordinal;
      if (a == b) {
        if (options.allow_shared_device == 0) {
          fail(SGL_INVALID_ARGUMENT, "%s: ranks %d and %d are both on GPU %d: give each its own, or set allow_shared_device",
               kJoin, j, i, a);
        }
        topology.shares_device = true;
      } else {
        const bool reach = can_reach(a, b) && can_reach(b, a);
        topology.has_peers &= reach;
        topology.has_nvlink &= reach && has_nvlink(a, b) && has_nvlink(b, a);
      }
    }
  }
  if (options.disable_peer_kernels == 0) return topology;
  if (topology.shares_device) fail(SGL_INVALID_ARGUMENT, "%s: ranks on one GPU have nothing but peer kernels: enable them", kJoin);
  topology.has_peers = topology.has_nvlink = false;
  return topology;
}

void CommGroup::allocate_for_peers(Rank& self) {
  self.context->enter();
  for (const auto& peer : ranks_) {
    if (peer->ordinal == self.ordinal) continue;
    const cudaError_t error = cudaDeviceEnablePeerAccess(peer->ordinal, 0);
    if (error == cudaErrorPeerAccessAlreadyEnabled) {
      cudaGetLastError();
    } else {
      check(error, kJoin);
    }
  }
  const int64_t bytes = most_one_shot_bytes(options.num_ranks);
  check(cudaMalloc(reinterpret_cast<void**>(&self.flags), sizeof(PeerFlags)), kJoin);
  check(cudaMalloc(reinterpret_cast<void**>(&self.staging), 2 * options.num_ranks * bytes), kJoin);
  check(cudaMemsetAsync(self.flags, 0, sizeof(PeerFlags), self.context->stream), kJoin);
  load_peer_kernels();
  check(cudaStreamSynchronize(self.context->stream), kJoin);
  if (&self == ranks_[0].get()) staging_bytes_ = bytes;
}

void CommGroup::leave(int rank) {
  const std::lock_guard lock(gate_);
  // An aborted communicator is gone already.
  if (ranks_[rank]->nccl != nullptr) nccl::library().comm_destroy(ranks_[rank]->nccl);
  ranks_[rank]->nccl = nullptr;
  ranks_[rank]->context = nullptr;
}

void CommGroup::abort(const char* reason) {
  const std::lock_guard lock(gate_);
  if (is_aborted_.load(std::memory_order_relaxed)) return;
  reason_ = reason;
  is_aborted_.store(true, std::memory_order_release);
  std::atomic_ref(words_->is_aborted).store(1);
  for (const auto& rank : ranks_) {
    if (rank->nccl != nullptr) nccl::library().comm_abort(rank->nccl);
    rank->nccl = nullptr;
  }
}

void CommGroup::reset() {
  if (!is_aborted_.load(std::memory_order_acquire)) return;
  if (!topology_.shares_device) {
    fail(SGL_UNSUPPORTED, "comm_group_reset: NCCL's communicators cannot be used again after an abort; restart the server");
  }
  // The abort lets kernels that wait end.
  for (const auto& rank : ranks_) {
    if (rank->flags == nullptr || rank->context == nullptr) continue;
    check(cudaSetDevice(rank->ordinal), "comm_group_reset");
    check(cudaStreamSynchronize(rank->context->stream), "comm_group_reset");
  }
  for (const auto& rank : ranks_) {
    rank->arrived.store(0);
    rank->posted = 0;
    if (rank->flags == nullptr || rank->context == nullptr) continue;
    check(cudaSetDevice(rank->ordinal), "comm_group_reset");
    check(cudaMemsetAsync(rank->flags, 0, sizeof(PeerFlags), rank->context->stream), "comm_group_reset");
    check(cudaStreamSynchronize(rank->context->stream), "comm_group_reset");
  }
  const std::lock_guard lock(gate_);
  *words_ = HostWords{};
  is_aborted_.store(false, std::memory_order_release);
}

void CommGroup::check_alive(const char* op) {
  if (!is_aborted_.load(std::memory_order_acquire)) {
    if (std::atomic_ref(words_->is_aborted).load() == 0) return;
    // A kernel gave up: the first fault that is found is the reason.
    char reason[160] = "a rank's kernel gave up waiting";
    for (int rank = 0; rank < options.num_ranks && rank < kMaxPeers; ++rank) {
      if (std::atomic_ref(words_->faults[rank].is_set).load() == 0) continue;
      std::snprintf(reason, sizeof reason, "rank %d did not come to a kernel of rank %d within %d ms", words_->faults[rank].peer,
                    rank, options.timeout_ms);
      break;
    }
    abort(reason);
  }
  const std::lock_guard lock(gate_);
  fail(SGL_COMM, "%s: the group of ranks was aborted: %s", op, reason_.c_str());
}

void CommGroup::arrive_and_wait(int rank, const char* op) {
  check_alive(op);
  const uint32_t call = ranks_[rank]->arrived.fetch_add(1, std::memory_order_acq_rel) + 1;
  const auto start = Clock::now();
  for (int peer = 0; peer < options.num_ranks; ++peer) {
    for (int tries = 0; static_cast<int32_t>(ranks_[peer]->arrived.load(std::memory_order_acquire) - call) < 0; ++tries) {
      if (tries < kSpins) continue;
      check_alive(op);
      const auto waited = Clock::now() - start;
      if (waited > std::chrono::milliseconds(options.timeout_ms)) {
        char reason[160];
        std::snprintf(reason, sizeof reason, "%s: rank %d did not come within %d ms", op, peer, options.timeout_ms);
        abort(reason);
        fail(SGL_COMM, "%s", reason);
      }
      if (waited < kYields) {
        sched_yield();
      } else {
        std::this_thread::sleep_for(kNap);
      }
    }
  }
}

void CommGroup::meet(int rank, const char* op) {
  if (options.num_ranks > 1) arrive_and_wait(rank, op);
}

void CommGroup::meet(int rank, const Posting& posting) {
  Rank& self = *ranks_[rank];
  self.postings[++self.posted & 1] = posting;
  meet(rank, posting.op);
  check_agreement(rank, posting.op);
}

void CommGroup::check_agreement(int rank, const char* op) {
  const Posting& first = posting(rank, 0);
  for (int peer = 1; peer < options.num_ranks; ++peer) {
    const Posting& other = posting(rank, peer);
    const bool is_alike = std::strcmp(first.op, other.op) == 0 && first.x_dtype == other.x_dtype &&
                          first.y_dtype == other.y_dtype && first.num_elements == other.num_elements &&
                          first.root == other.root && first.captures == other.captures;
    if (is_alike) continue;
    char reason[320];
    std::snprintf(reason, sizeof reason,
                  "ranks disagree: rank 0 calls %s (%" PRId64 " elements, %s to %s, root %d%s), rank %d calls %s (%" PRId64
                  " elements, %s to %s, root %d%s)",
                  first.op, first.num_elements, name_of(first.x_dtype).c_str(), name_of(first.y_dtype).c_str(), first.root,
                  first.captures ? ", captured" : "", peer, other.op, other.num_elements, name_of(other.x_dtype).c_str(),
                  name_of(other.y_dtype).c_str(), other.root, other.captures ? ", captured" : "");
    abort(reason);
    fail(SGL_COMM, "%s: %s", op, reason);
  }
}

PeerMeeting CommGroup::device_meeting(int rank) const {
  PeerMeeting meeting{};
  for (int peer = 0; peer < options.num_ranks; ++peer) meeting.flags[peer] = ranks_[peer]->flags;
  meeting.is_aborted = &words_->is_aborted;
  meeting.fault = &words_->faults[rank];
  meeting.timeout_ns = static_cast<uint64_t>(options.timeout_ms) * 1000000;
  meeting.rank = rank;
  meeting.num_ranks = options.num_ranks;
  return meeting;
}

}  // namespace sgl::cuda
