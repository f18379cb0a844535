#pragma once

#include <cstddef>
#include <cstdint>

#include "cuda/comm/all_reduce_choice.hpp"
#include "cuda/runtime/context.hpp"
#include "sgl/base.h"

namespace sgl::cuda {

inline constexpr int kPeerThreads = 512;
/// Elements that a thread takes at a time.
inline constexpr int kPeerUnit = 8;

/// A rank's place on its device that the others write to. Calls of a group are numbered; flags hold the number of the last call
/// that a peer's block has come to. Zeroed before the first call.
struct PeerFlags {
  uint32_t calls[kMostPeerBlocks];  // written by the rank itself: the number of the last call; alike for all blocks between kernels
  uint32_t has_fault;
  uint32_t arrived[2][kMostPeerBlocks][kMaxPeers];  // [start, end][block][peer]
};

/// In page-locked memory: what a kernel tells the host of a wait that it gave up.
struct PeerFault {
  uint32_t is_set;
  int32_t peer;
};

/// How the blocks of one rank's kernel meet their like on the other ranks. Block b waits for block b alone.
struct PeerMeeting {
  PeerFlags* flags[kMaxPeers];  // of each rank
  uint32_t* is_aborted;         // page-locked, one for the group: whoever waits stops
  PeerFault* fault;             // this rank's
  uint64_t timeout_ns;
  int32_t rank;
  int32_t num_ranks;
};

/// One shot: every rank writes its x to all ranks' staging, meets them once, and sums what has come to its own.
/// The two halves of staging are used in turn, so that no second meeting is needed: whoever writes to a half again has met
/// everybody who read it.
struct OneShotParams {
  PeerMeeting meeting;
  std::byte* staging[kMaxPeers];  // of each rank: [2][num_ranks][staging_bytes]
  int64_t staging_bytes;
  void* y;
  const void* x;
  const void* residual;  // or null
  int64_t count;
};

/// One shot, row by row: residual += sum of x; y = rms norm of the residual.
struct OneShotNormParams {
  PeerMeeting meeting;
  std::byte* staging[kMaxPeers];
  int64_t staging_bytes;
  void* y;         // [num_rows, width]
  void* residual;  // the same
  const void* x;   // the same
  const void* weight;
  int64_t num_rows;
  int32_t width;
  float eps;
};

/// The sum of some elements of every rank's x, where they lie, to one or all ranks' y, between two meetings. With all ranks' y
/// and a share of the elements for each rank it is the two-shot all-reduce: both shots pass element by element, so that y may
/// be x.
struct DirectSumParams {
  PeerMeeting meeting;
  void* y[kMaxPeers];
  const void* x[kMaxPeers];
  const void* residual;  // or null
  int64_t count;
  int32_t num_ys;
};

/// Rows of bytes from every rank to this one, between two meetings.
struct PullParams {
  struct Part {
    std::byte* destination;
    const std::byte* source;
    int64_t destination_stride, source_stride;  // bytes between rows
    int64_t num_rows;
    int64_t row_bytes;
  };

  PeerMeeting meeting;
  Part parts[kMaxPeers];  // one a rank
};

void one_shot_all_reduce(const CudaContext& context, const OneShotParams& params, sgl_dtype y, sgl_dtype x, int num_blocks);
void one_shot_all_reduce_norm(const CudaContext& context, const OneShotNormParams& params, sgl_dtype y, sgl_dtype x,
                              int num_blocks);
void direct_sum(const CudaContext& context, const char* op, const DirectSumParams& params, sgl_dtype y, sgl_dtype x,
                int num_blocks);
void pull(const CudaContext& context, const char* op, const PullParams& params, int num_blocks);

/// Loads every peer kernel to the current device: one that is loaded at its first launch would wait for kernels that wait for it.
void load_peer_kernels();

}  // namespace sgl::cuda
