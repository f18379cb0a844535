#include "cuda/comm/peer_kernels.hpp"

#include <gtest/gtest.h>

#include <atomic>

#include "cuda/runtime/error.hpp"

// One rank's kernel alone: the ABI brings ranks together on the host before it launches, so there it cannot come to this.

namespace sgl::test {
namespace {

using namespace sgl::cuda;

class PeerKernels : public ::testing::Test {
 protected:
  void SetUp() override {
    if (device_count() == 0) GTEST_SKIP() << unavailable_reason();
    context_ = std::make_unique<CudaContext>(0);
    context_->enter();
    void* words = nullptr;
    check(cudaHostAlloc(&words, sizeof(Words), cudaHostAllocPortable), "test");
    words_ = new (words) Words{};
    for (PeerFlags*& flags : flags_) {
      check(cudaMalloc(reinterpret_cast<void**>(&flags), sizeof(PeerFlags)), "test");
      check(cudaMemset(flags, 0, sizeof(PeerFlags)), "test");
    }
  }

  void TearDown() override {
    if (context_ == nullptr) return;
    for (PeerFlags* flags : flags_) cudaFree(flags);
    cudaFreeHost(words_);
  }

  /// A barrier of rank 1 of 2, whose peer does not come.
  void launch_alone(uint64_t timeout_ns) {
    PullParams params{};
    params.meeting.flags[0] = flags_[0];
    params.meeting.flags[1] = flags_[1];
    params.meeting.is_aborted = &words_->is_aborted;
    params.meeting.fault = &words_->fault;
    params.meeting.timeout_ns = timeout_ns;
    params.meeting.rank = 1;
    params.meeting.num_ranks = 2;
    pull(*context_, "test", params, 2);
  }

  struct Words {
    uint32_t is_aborted;
    PeerFault fault;
  };

  std::unique_ptr<CudaContext> context_;
  Words* words_ = nullptr;
  PeerFlags* flags_[2] = {};
};

TEST_F(PeerKernels, A_wait_that_is_too_long_ends_and_names_the_peer) {
  launch_alone(20 * 1000 * 1000);
  ASSERT_EQ(cudaSuccess, cudaStreamSynchronize(context_->stream));
  EXPECT_EQ(1u, words_->fault.is_set);
  EXPECT_EQ(0, words_->fault.peer);
  EXPECT_EQ(1u, words_->is_aborted);
}

TEST_F(PeerKernels, An_abort_by_the_host_ends_a_wait_that_has_begun) {
  constexpr uint64_t kHour = uint64_t{3600} * 1000 * 1000 * 1000;
  launch_alone(kHour);
  EXPECT_EQ(cudaErrorNotReady, cudaStreamQuery(context_->stream));
  std::atomic_ref(words_->is_aborted).store(1);
  ASSERT_EQ(cudaSuccess, cudaStreamSynchronize(context_->stream));
  EXPECT_EQ(0u, words_->fault.is_set);
}

}  // namespace
}  // namespace sgl::test
