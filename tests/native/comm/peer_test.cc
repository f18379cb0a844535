#include <cmath>
#include <cstdlib>
#include <functional>
#include <string>
#include <thread>

#include "reference/element.hpp"
#include "sgl/comm.h"
#include "sgl/graph.h"
#include "support/context.hpp"

// What ranks on GPUs have besides: graphs, and a choice of kernels. The ranks share one GPU.

namespace sgl::test {
namespace {

class Peers : public ::testing::TestWithParam<int> {
 protected:
  void SetUp() override {
    if (!is_on_gpu()) GTEST_SKIP() << "of ranks on GPUs";
  }

  struct Rank {
    sgl_context* context = nullptr;
    sgl_communicator* communicator = nullptr;
    int number = 0;
  };

  /// Each rank on its thread, with a context and a communicator of one group.
  static void on_ranks(int num_ranks, const std::function<void(const Rank&)>& body) {
    sgl_comm_group* group = nullptr;
    const sgl_comm_group_options options{SGL_DEVICE_CUDA, num_ranks, 20000, 1, 0};
    ASSERT_OK(sgl_comm_group_create(&group, &options));
    std::vector<std::thread> threads;
    for (int number = 0; number < num_ranks; ++number) {
      threads.emplace_back([&, number] {
        Rank rank{nullptr, nullptr, number};
        const sgl_context_options context_options{SGL_DEVICE_CUDA, 0, 1, 0};
        EXPECT_OK(sgl_context_create(&rank.context, &context_options));
        EXPECT_OK(sgl_communicator_create(rank.context, &rank.communicator, group, number));
        if (rank.communicator != nullptr) body(rank);
        EXPECT_OK(sgl_context_synchronize(rank.context));
        sgl_communicator_destroy(rank.communicator);
        sgl_context_destroy(rank.context);
      });
    }
    for (std::thread& thread : threads) thread.join();
    sgl_comm_group_destroy(group);
  }

  std::vector<HostTensor> filled(int num_ranks, sgl_dtype dtype, const Shape& shape) {
    std::vector<HostTensor> tensors;
    for (int rank = 0; rank < num_ranks; ++rank) tensors.push_back(HostTensor::normal(random, dtype, shape));
    return tensors;
  }

  static float sum_at(const std::vector<HostTensor>& xs, int64_t i) {
    auto sum = static_cast<float>(xs[0].get(i));
    for (size_t rank = 1; rank < xs.size(); ++rank) sum += static_cast<float>(xs[rank].get(i));
    return sum;
  }

  Random random;
};

INSTANTIATE_TEST_SUITE_P(, Peers, ::testing::Values(2, 3, 4, 8),
                         [](const auto& info) { return std::to_string(info.param) + "_ranks"; });

TEST_P(Peers, Either_kernel_gives_the_same_bits_wherever_tensors_begin) {
  const int p = GetParam();
  std::vector<std::vector<double>> answers;
  constexpr int64_t kStored = 5003, kCount = 5000;
  const std::vector<HostTensor> xs = filled(p, SGL_BF16, {kStored});
  for (const char* wanted : {"oneshot", "twoshot"}) {
    setenv("SGLANG_CUSTOM_ALLREDUCE_ALGO", wanted, 1);
    // Elements between the start of the memory and the tensors: x, y.
    for (const auto& [x_shift, y_shift] : {std::pair{0, 0}, {1, 0}, {0, 1}, {3, 2}}) {
      std::vector<HostTensor> shifted, ys;
      for (int rank = 0; rank < p; ++rank) {
        shifted.emplace_back(SGL_BF16, Shape{kStored});
        for (int64_t i = 0; i < kCount; ++i) shifted[rank].set(x_shift + i, xs[rank].get(i));
        ys.emplace_back(SGL_BF16, Shape{kStored});
      }
      on_ranks(p, [&](const Rank& rank) {
        const auto at = [&](const HostTensor& tensor, int64_t shift) {
          return sgl_tensor{tensor.data<uint16_t>() + shift, SGL_BF16, 1, {kCount}, {1}};
        };
        const sgl_tensor x = at(shifted[rank.number], x_shift), y = at(ys[rank.number], y_shift);
        EXPECT_OK(sgl_all_reduce(rank.context, rank.communicator, &y, &x, nullptr));
      });
      for (int rank = 0; rank < p; ++rank) {
        for (int64_t i = 0; i < kCount; ++i) {
          ASSERT_EQ(reference::round_to(SGL_BF16, sum_at(xs, i)), ys[rank].get(y_shift + i)) << wanted << " at " << i;
        }
      }
    }
  }
  unsetenv("SGLANG_CUSTOM_ALLREDUCE_ALGO");
}

TEST_P(Peers, An_unknown_kernel_is_refused) {
  setenv("SGLANG_CUSTOM_ALLREDUCE_ALGO", "ring", 1);
  sgl_comm_group* group = nullptr;
  const sgl_comm_group_options options{SGL_DEVICE_CUDA, GetParam(), 20000, 1, 0};
  ASSERT_OK(sgl_comm_group_create(&group, &options));
  const Context context;
  sgl_communicator* communicator = nullptr;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "SGLANG_CUSTOM_ALLREDUCE_ALGO is 'ring': expected 1stage, oneshot, 2stage or twoshot",
               sgl_communicator_create(context, &communicator, group, 0));
  sgl_comm_group_destroy(group);
  unsetenv("SGLANG_CUSTOM_ALLREDUCE_ALGO");
}

TEST_P(Peers, A_graph_repeats_sums_gathers_and_norms_with_what_tensors_hold_then) {
  const int p = GetParam();
  constexpr int64_t kSmall = 2051, kLarge = 200003, kRows = 5, kWidth = 96, kRounds = 30;
  std::vector<HostTensor> small = filled(p, SGL_F32, {kSmall}), large = filled(p, SGL_F32, {kLarge}),
                          parts = filled(p, SGL_BF16, {kRows, kWidth});
  const HostTensor weight = HostTensor::normal(random, SGL_BF16, {kWidth});
  std::vector<HostTensor> small_sums, large_sums, all, streams, normed;
  for (int rank = 0; rank < p; ++rank) {
    small_sums.emplace_back(SGL_F32, Shape{kSmall});
    large_sums.emplace_back(SGL_F32, Shape{kLarge});
    all.emplace_back(SGL_BF16, Shape{kRows, p * kWidth});
    streams.emplace_back(SGL_BF16, Shape{kRows, kWidth});
    normed.emplace_back(SGL_BF16, Shape{kRows, kWidth});
    for (int64_t i = 0; i < kRows * kWidth; ++i) streams[rank].set(i, 0);
  }
  on_ranks(p, [&](const Rank& rank) {
    const int r = rank.number;
    int32_t is_supported = 0;
    ASSERT_OK(sgl_communicator_supports_capture(rank.communicator, &is_supported));
    ASSERT_EQ(1, is_supported);
    const auto step = [&] {
      EXPECT_OK(sgl_all_reduce(rank.context, rank.communicator, small_sums[r], small[r], nullptr));
      EXPECT_OK(sgl_all_reduce(rank.context, rank.communicator, large_sums[r], large[r], nullptr));
      EXPECT_OK(sgl_all_gather_columns(rank.context, rank.communicator, all[r], parts[r]));
      EXPECT_OK(sgl_all_reduce_add_rms_norm(rank.context, rank.communicator, normed[r], streams[r], parts[r], weight, 1e-6f));
    };
    ASSERT_OK(sgl_graph_capture_begin(rank.context));
    step();
    sgl_graph* graph = nullptr;
    ASSERT_OK(sgl_graph_capture_end(rank.context, &graph));
    for (int64_t round = 1; round <= kRounds; ++round) {
      // Numbers that bf16 holds and sums exactly.
      for (int64_t i = 0; i < kSmall; ++i) small[r].set(i, r + round + i % 7);
      for (int64_t i = 0; i < kLarge; i += 997) large[r].set(i, r * round + i % 11);
      for (int64_t i = 0; i < kRows * kWidth; ++i) parts[r].set(i, (r + round) % 5);
      EXPECT_OK(sgl_barrier(rank.context, rank.communicator));  // eager calls between replays
      // Replays follow each other without waiting; the residual grows with each.
      for (int repeat = 0; repeat < 2; ++repeat) ASSERT_OK(sgl_graph_launch(rank.context, graph));
      ASSERT_OK(sgl_context_synchronize(rank.context));
      for (int64_t i = 0; i < kSmall; i += 13) {
        ASSERT_EQ(p * (round + i % 7) + p * (p - 1) / 2, small_sums[r].get(i)) << "round " << round << ", rank " << r;
      }
      for (int64_t i = 0; i < kLarge; i += 997) ASSERT_EQ(p * (i % 11) + round * p * (p - 1) / 2, large_sums[r].get(i));
      for (int peer = 0; peer < p; ++peer) ASSERT_EQ((peer + round) % 5, all[r].get(peer * kWidth + 3));
      double residual = 0;
      for (int64_t past = 1; past <= round; ++past) {
        for (int repeat = 0; repeat < 2; ++repeat) {
          for (int peer = 0; peer < p; ++peer) residual += static_cast<double>((peer + past) % 5);
          residual = reference::round_to(SGL_BF16, static_cast<float>(residual));
        }
      }
      ASSERT_EQ(residual, streams[r].get(kWidth + 1));
      // All elements of a row are alike, so its norm is the weight.
      ASSERT_NEAR(weight.get(1), normed[r].get(kWidth + 1), 8e-3 * (std::abs(weight.get(1)) + 1e-3));
    }
    sgl_graph_destroy(graph);
  });
}

TEST_P(Peers, Calls_of_many_sizes_follow_each_other_without_the_host_waiting) {
  const int p = GetParam();
  constexpr int kCalls = 400;
  std::vector<int64_t> sizes;
  for (int call = 0; call < kCalls; ++call) sizes.push_back(random.integer(1, call % 9 == 0 ? 300000 : 3000));
  constexpr int64_t kMost = 300000;
  const std::vector<HostTensor> xs = filled(p, SGL_BF16, {kMost});
  std::vector<std::vector<HostTensor>> ys(p);
  for (int rank = 0; rank < p; ++rank) {
    for (const int64_t size : sizes) ys[rank].emplace_back(SGL_BF16, Shape{size});
  }
  on_ranks(p, [&](const Rank& rank) {
    for (int call = 0; call < kCalls; ++call) {
      sgl_tensor x = xs[rank.number].view();
      x.shape[0] = sizes[call];
      ASSERT_OK(sgl_all_reduce(rank.context, rank.communicator, ys[rank.number][call], &x, nullptr));
    }
  });
  std::vector<double> expected(kMost);
  for (int64_t i = 0; i < kMost; ++i) expected[i] = reference::round_to(SGL_BF16, sum_at(xs, i));
  for (int rank = 0; rank < p; ++rank) {
    for (int call = 0; call < kCalls; ++call) {
      for (int64_t i = 0; i < sizes[call]; ++i) ASSERT_EQ(expected[i], ys[rank][call].get(i)) << "call " << call << " at " << i;
    }
  }
}

/// No rank of a world on GPU 0 gets a communicator, and each is told why.
void expect_refused(const sgl_comm_group_options& options, const char* reason) {
  sgl_comm_group* group = nullptr;
  ASSERT_OK(sgl_comm_group_create(&group, &options));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < options.num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      sgl_context* context = nullptr;
      const sgl_context_options context_options{SGL_DEVICE_CUDA, 0, 1, 0};
      EXPECT_OK(sgl_context_create(&context, &context_options));
      sgl_communicator* communicator = nullptr;
      EXPECT_NE(SGL_OK, sgl_communicator_create(context, &communicator, group, rank));
      EXPECT_NE(std::string::npos, std::string(sgl_last_error()).find(reason)) << sgl_last_error();
      sgl_context_destroy(context);
    });
  }
  for (std::thread& thread : threads) thread.join();
  sgl_comm_group_destroy(group);
}

TEST_P(Peers, Two_on_one_gpu_need_leave) {
  expect_refused({SGL_DEVICE_CUDA, GetParam(), 20000, 0, 0}, "ranks 0 and 1 are both on GPU 0");
}

TEST_P(Peers, Ranks_on_one_gpu_cannot_do_without_them) {
  expect_refused({SGL_DEVICE_CUDA, GetParam(), 20000, 1, 1}, "nothing but peer kernels");
}

}  // namespace
}  // namespace sgl::test
