#include "cuda/comm/all_reduce_choice.hpp"

#include <gtest/gtest.h>

#include <climits>

#include "abi/error.hpp"

namespace sgl::test {
namespace {

using cuda::AllReduceKind;
using cuda::choose_all_reduce;
using cuda::PeerTopology;

constexpr int64_t kKib = 1024, kMib = 1024 * kKib;

PeerTopology over_nvlink(int num_ranks) { return {num_ranks, false, true, true}; }
PeerTopology over_pcie(int num_ranks) { return {num_ranks, false, true, false}; }
PeerTopology on_one_gpu(int num_ranks) { return {num_ranks, true, true, true}; }

AllReduceKind choice(const PeerTopology& topology, int64_t num_bytes, bool captures = false) {
  return choose_all_reduce(topology, num_bytes, captures, nullptr);
}

TEST(AllReduceChoice, Follows_ranks_and_size) {
  struct Case {
    int num_ranks;
    int64_t num_bytes;
    AllReduceKind kind;
  };
  for (const Case& c : {Case{2, kMib, AllReduceKind::kOneShot}, Case{2, 8 * kMib, AllReduceKind::kOneShot},
                        Case{4, kMib, AllReduceKind::kTwoShot}, Case{8, kMib, AllReduceKind::kTwoShot},
                        Case{4, 128 * kKib, AllReduceKind::kOneShot}, Case{8, 128 * kKib, AllReduceKind::kOneShot},
                        Case{4, 512 * kKib, AllReduceKind::kOneShot}, Case{8, 512 * kKib, AllReduceKind::kTwoShot},
                        Case{2, 16 * kMib, AllReduceKind::kNccl}, Case{8, 16 * kMib, AllReduceKind::kNccl},
                        Case{1, kKib, AllReduceKind::kNccl}, Case{9, kKib, AllReduceKind::kNccl}}) {
    EXPECT_EQ(c.kind, choice(over_nvlink(c.num_ranks), c.num_bytes)) << c.num_ranks << " ranks, " << c.num_bytes;
  }
}

TEST(AllReduceChoice, Leaves_more_than_two_ranks_without_nvlink_and_ranks_without_peers_to_nccl) {
  EXPECT_EQ(AllReduceKind::kOneShot, choice(over_pcie(2), kKib));
  EXPECT_EQ(AllReduceKind::kNccl, choice(over_pcie(4), kKib));
  EXPECT_EQ(AllReduceKind::kNccl, choice({2, false, false, false}, kKib));
  EXPECT_FALSE(peers_serve(over_pcie(4)));
}

TEST(AllReduceChoice, Never_names_nccl_where_it_cannot_be) {
  for (const int num_ranks : {2, 3, 4, 8}) {
    for (const int64_t bytes : {int64_t{2}, kMib, 64 * kMib, 4096 * kMib}) {
      EXPECT_NE(AllReduceKind::kNccl, choice(on_one_gpu(num_ranks), bytes));
      EXPECT_NE(AllReduceKind::kNccl, choice(over_nvlink(num_ranks), bytes, /*captures=*/true));
    }
  }
}

TEST(AllReduceChoice, Sums_in_one_shot_only_what_staging_holds) {
  for (const int num_ranks : {2, 3, 4, 5, 8}) {
    const int64_t most = cuda::most_one_shot_bytes(num_ranks);
    for (const char* wanted : {static_cast<const char*>(nullptr), "oneshot", "1stage"}) {
      EXPECT_EQ(AllReduceKind::kOneShot, choose_all_reduce(on_one_gpu(num_ranks), most, false, wanted));
      EXPECT_EQ(AllReduceKind::kTwoShot, choose_all_reduce(on_one_gpu(num_ranks), most + 1, false, wanted));
    }
  }
}

TEST(AllReduceChoice, Takes_the_environments_wish_and_refuses_what_it_does_not_know) {
  EXPECT_EQ(AllReduceKind::kTwoShot, choose_all_reduce(over_nvlink(2), kKib, false, "2stage"));
  EXPECT_EQ(AllReduceKind::kTwoShot, choose_all_reduce(over_nvlink(2), 64 * kMib, false, "twoshot"));
  EXPECT_EQ(AllReduceKind::kOneShot, choose_all_reduce(over_nvlink(2), kKib, false, ""));
  try {
    choose_all_reduce(over_nvlink(2), kKib, false, "ring");
    FAIL() << "accepted";
  } catch (const Error& error) {
    EXPECT_STREQ("SGLANG_CUSTOM_ALLREDUCE_ALGO is 'ring': expected 1stage, oneshot, 2stage or twoshot", error.what());
    EXPECT_EQ(SGL_INVALID_ARGUMENT, error.status);
  }
}

TEST(AllReduceChoice, Gives_ranks_that_share_a_gpu_few_blocks) {
  EXPECT_EQ(1, peer_blocks(on_one_gpu(4), 0, 512));
  EXPECT_EQ(1, peer_blocks(on_one_gpu(4), 512, 512));
  EXPECT_EQ(2, peer_blocks(over_nvlink(4), 513, 512));
  EXPECT_EQ(cuda::kMostPeerBlocks, peer_blocks(over_nvlink(8), INT64_MAX - 512, 512));
  EXPECT_EQ(cuda::kMostSharedBlocks, peer_blocks(on_one_gpu(8), INT64_MAX - 512, 512));
}

}  // namespace
}  // namespace sgl::test
