#include "sgl/comm.h"

#include <atomic>
#include <cmath>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <string>
#include <thread>

#include "reference/element.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

constexpr int kTimeoutMs = 20000;

sgl_device_kind kind() { return is_on_gpu() ? SGL_DEVICE_CUDA : SGL_DEVICE_CPU; }

/// Waits for what the rank has queued: before its tensors are read or go.
void finish(sgl_context* context) { EXPECT_EQ(SGL_OK, sgl_context_synchronize(context)) << sgl_last_error(); }

/// Ranks on threads of their own, each with a context and a communicator; on a GPU they share it.
class Ranks {
 public:
  explicit Ranks(int num_ranks, int timeout_ms = kTimeoutMs)
      : num_ranks_(num_ranks), contexts_(num_ranks), communicators_(num_ranks) {
    const sgl_comm_group_options options{kind(), num_ranks, timeout_ms, 1, 0};
    EXPECT_OK(sgl_comm_group_create(&group_, &options));
    for (int rank = 0; rank < num_ranks; ++rank) {
      const sgl_context_options context_options{kind(), 0, rank == 0 ? 2 : 1, 0};
      EXPECT_OK(sgl_context_create(&contexts_[rank], &context_options));
    }
    run([this](sgl_context* context, sgl_communicator*, int rank) {
      EXPECT_OK(sgl_communicator_create(context, &communicators_[rank], group_, rank));
    });
  }

  ~Ranks() {
    for (sgl_communicator* communicator : communicators_) sgl_communicator_destroy(communicator);
    for (sgl_context* context : contexts_) sgl_context_destroy(context);
    sgl_comm_group_destroy(group_);
  }

  sgl_comm_group* group() const { return group_; }

  using Body = std::function<void(sgl_context*, sgl_communicator*, int rank)>;

  void run(const Body& body) const {
    std::vector<std::thread> threads;
    for (int rank = 0; rank < num_ranks_; ++rank) {
      threads.emplace_back([&, rank] {
        body(contexts_[rank], communicators_[rank], rank);
        sgl_context_synchronize(contexts_[rank]);  // fails after calls that were meant to
      });
    }
    for (std::thread& thread : threads) thread.join();
  }

 private:
  const int num_ranks_;
  sgl_comm_group* group_ = nullptr;
  std::vector<sgl_context*> contexts_;
  std::vector<sgl_communicator*> communicators_;
};

class Comm : public ::testing::TestWithParam<int> {
 protected:
  const int p = GetParam();
  Random random;

  std::vector<HostTensor> one_each(sgl_dtype dtype, const Shape& shape) {
    std::vector<HostTensor> tensors;
    for (int rank = 0; rank < p; ++rank) tensors.push_back(HostTensor::normal(random, dtype, shape));
    return tensors;
  }

  std::vector<HostTensor> poisoned_each(sgl_dtype dtype, const Shape& shape) {
    std::vector<HostTensor> tensors;
    for (int rank = 0; rank < p; ++rank) tensors.emplace_back(dtype, shape);
    return tensors;
  }
};

INSTANTIATE_TEST_SUITE_P(, Comm, ::testing::Values(1, 2, 3, 4, 5, 7, 8),
                         [](const auto& info) { return std::to_string(info.param) + "_ranks"; });

/// What the contract promises to the bit: f32 sums in the order of ranks, the residual last, one rounding.
float sum_at(const std::vector<HostTensor>& xs, const HostTensor* residual, int64_t i) {
  auto sum = static_cast<float>(xs[0].get(i));
  for (size_t rank = 1; rank < xs.size(); ++rank) sum += static_cast<float>(xs[rank].get(i));
  return residual == nullptr ? sum : sum + static_cast<float>(residual->get(i));
}

TEST_P(Comm, All_reduce_sums_in_the_order_of_ranks_to_the_same_bits_everywhere) {
  const Ranks ranks(p);
  struct Types {
    sgl_dtype y, x;
  };
  std::vector<Types> all_types = {{SGL_F32, SGL_F32}, {SGL_BF16, SGL_BF16}, {SGL_BF16, SGL_F32}};
  if (is_on_gpu() && p > 1) all_types.insert(all_types.end(), {{SGL_F16, SGL_F16}, {SGL_F16, SGL_F32}});
  for (const Types types : all_types) {
    // Below and above the sizes that are staged: 32 KiB on the CPU; on a GPU 256 and 512 KiB for more than 2 ranks.
    for (const int64_t n : {1, 17, 129, 4099, 8192, 8193, 100003, 300007}) {
      for (const bool has_residual : {false, true}) {
        const std::vector<HostTensor> xs = one_each(types.x, {n});
        std::vector<HostTensor> ys = poisoned_each(types.y, {n});
        const HostTensor residual = HostTensor::normal(random, types.y, {n});
        ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
          EXPECT_OK(sgl_all_reduce(context, communicator, ys[rank], xs[rank],
                                   has_residual ? static_cast<const sgl_tensor*>(residual) : nullptr));
        });
        std::vector<double> expected(n);
        for (int64_t i = 0; i < n; ++i) {
          expected[i] = reference::round_to(types.y, sum_at(xs, has_residual ? &residual : nullptr, i));
        }
        for (int rank = 0; rank < p; ++rank) EXPECT_EQ(expected, ys[rank].values()) << "n " << n << ", rank " << rank;
      }
    }
  }
}

TEST_P(Comm, All_reduce_works_in_place_and_onto_the_residual) {
  const Ranks ranks(p);
  for (const int64_t n : {33, 50021}) {
    const std::vector<HostTensor> xs = one_each(SGL_F32, {n});
    const HostTensor residual = HostTensor::normal(random, SGL_F32, {n});
    std::vector<HostTensor> in_place, streams;
    for (int rank = 0; rank < p; ++rank) {
      in_place.push_back(xs[rank].clone());
      streams.push_back(residual.clone());
    }
    ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
      EXPECT_OK(sgl_all_reduce(context, communicator, in_place[rank], in_place[rank], nullptr));
      EXPECT_OK(sgl_all_reduce(context, communicator, streams[rank], xs[rank], streams[rank]));
    });
    for (int rank = 0; rank < p; ++rank) {
      for (int64_t i = 0; i < n; ++i) {
        ASSERT_EQ(sum_at(xs, nullptr, i), in_place[rank].get(i));
        ASSERT_EQ(sum_at(xs, &residual, i), streams[rank].get(i));
      }
    }
  }
}

TEST_P(Comm, The_fused_norm_is_the_sum_with_residual_and_its_norm) {
  const Ranks ranks(p);
  constexpr float kEps = 1e-5f;
  struct Types {
    sgl_dtype y, x;
  };
  for (const Types types : {Types{SGL_F32, SGL_F32}, Types{SGL_BF16, SGL_BF16}, Types{SGL_BF16, SGL_F32}}) {
    // Whole units and not, rows of more than one pass of a block, one shot and two.
    for (const Shape& shape : {Shape{1, 8}, Shape{3, 17}, Shape{11, 513}, Shape{2, 4096}, Shape{1, 9000}, Shape{60, 4096}}) {
      const int64_t n = shape[0], w = shape[1];
      const std::vector<HostTensor> xs = one_each(types.x, shape);
      const HostTensor residual = HostTensor::normal(random, types.y, shape), weight = HostTensor::normal(random, types.y, {w});
      std::vector<HostTensor> ys = poisoned_each(types.y, shape), streams;
      for (int rank = 0; rank < p; ++rank) streams.push_back(residual.clone());
      ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
        EXPECT_OK(sgl_all_reduce_add_rms_norm(context, communicator, ys[rank], streams[rank], xs[rank], weight, kEps));
      });
      for (int64_t row = 0; row < n; ++row) {
        double squares = 0;
        for (int64_t i = row * w; i < (row + 1) * w; ++i) {
          const double sum = reference::round_to(types.y, sum_at(xs, &residual, i));
          ASSERT_EQ(sum, streams[0].get(i)) << n << " x " << w << " at " << i;
          squares += sum * sum;
        }
        const double scale = 1 / std::sqrt(squares / static_cast<double>(w) + kEps);
        for (int64_t i = row * w; i < (row + 1) * w; ++i) {
          const double expected = streams[0].get(i) * scale * weight.get(i - row * w);
          ASSERT_NEAR(expected, ys[0].get(i), (types.y == SGL_F32 ? 1e-5 : 8e-3) * (std::abs(expected) + 1e-3)) << n << " x " << w;
        }
      }
      for (int rank = 1; rank < p; ++rank) {
        ASSERT_EQ(streams[0].values(), streams[rank].values());
        ASSERT_EQ(ys[0].values(), ys[rank].values());
      }
    }
  }
}

TEST_P(Comm, Gathers_rows_and_columns) {
  const Ranks ranks(p);
  for (const Shape& shape : {Shape{1, 1}, Shape{3, 17}, Shape{5, 3001}}) {
    const int64_t n = shape[0], w = shape[1];
    const std::vector<HostTensor> xs = one_each(SGL_F32, shape);
    std::vector<HostTensor> strided, below = poisoned_each(SGL_F32, {p * n, w}), beside;
    for (int rank = 0; rank < p; ++rank) {
      strided.emplace_back(SGL_F32, shape, HostTensor::gapped(shape, rank));
      for (int64_t i = 0; i < n * w; ++i) strided[rank].set(i, xs[rank].get(i));
      beside.emplace_back(SGL_F32, Shape{n, p * w}, HostTensor::gapped({n, p * w}, 2));
    }
    ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
      EXPECT_OK(sgl_all_gather_rows(context, communicator, below[rank], xs[rank]));
      EXPECT_OK(sgl_all_gather_columns(context, communicator, beside[rank], strided[rank]));
    });
    for (int rank = 0; rank < p; ++rank) {
      EXPECT_TRUE(beside[rank].gaps_are_intact());
      for (int peer = 0; peer < p; ++peer) {
        for (int64_t row = 0; row < n; ++row) {
          for (int64_t column = 0; column < w; ++column) {
            const double value = xs[peer].get(row * w + column);
            ASSERT_EQ(value, below[rank].get((peer * n + row) * w + column));
            ASSERT_EQ(value, beside[rank].get(row * p * w + peer * w + column));
          }
        }
      }
    }
  }
}

TEST_P(Comm, Reduce_scatter_gives_each_rank_its_rows_of_the_sum) {
  const Ranks ranks(p);
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    const int64_t n = 3, w = 4097;
    const std::vector<HostTensor> xs = one_each(dtype, {p * n, w});
    std::vector<HostTensor> ys = poisoned_each(dtype, {n, w});
    ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
      EXPECT_OK(sgl_reduce_scatter(context, communicator, ys[rank], xs[rank]));
    });
    for (int rank = 0; rank < p; ++rank) {
      for (int64_t i = 0; i < n * w; ++i) {
        ASSERT_EQ(reference::round_to(dtype, sum_at(xs, nullptr, rank * n * w + i)), ys[rank].get(i));
      }
    }
  }
}

TEST_P(Comm, All_to_all_brings_rows_to_their_ranks_in_the_order_of_senders) {
  const Ranks ranks(p);
  for (int round = 0; round < 5; ++round) {
    constexpr int64_t kWidth = 33;
    std::vector<std::vector<int64_t>> counts(p, std::vector<int64_t>(p));  // [from][to], some of them 0
    for (auto& row : counts) {
      for (int64_t& count : row) count = random.integer(0, 6);
    }
    std::vector<HostTensor> xs, ys;
    std::vector<std::vector<int64_t>> receives(p, std::vector<int64_t>(p));
    for (int rank = 0; rank < p; ++rank) {
      int64_t sent = 0, received = 0;
      for (int peer = 0; peer < p; ++peer) {
        sent += counts[rank][peer];
        received += receives[rank][peer] = counts[peer][rank];
      }
      xs.push_back(HostTensor::normal(random, SGL_BF16, {sent, kWidth}));
      ys.emplace_back(SGL_BF16, Shape{received, kWidth});
    }
    ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
      EXPECT_OK(sgl_all_to_all(context, communicator, ys[rank], xs[rank], receives[rank].data(), counts[rank].data()));
    });
    for (int rank = 0; rank < p; ++rank) {
      int64_t at = 0;
      for (int peer = 0; peer < p; ++peer) {
        int64_t first = 0;
        for (int before = 0; before < rank; ++before) first += counts[peer][before];
        for (int64_t i = 0; i < counts[peer][rank] * kWidth; ++i, ++at) {
          ASSERT_EQ(xs[peer].get(first * kWidth + i), ys[rank].get(at));
        }
      }
    }
  }
}

TEST_P(Comm, Broadcast_copies_the_roots_tensor) {
  const Ranks ranks(p);
  for (int root = 0; root < p; ++root) {
    for (const int64_t n : {1, 9000, 20001}) {
      const HostTensor source = HostTensor::normal(random, SGL_F32, {n});
      std::vector<HostTensor> xs = poisoned_each(SGL_F32, {n});
      for (int64_t i = 0; i < n; ++i) xs[root].set(i, source.get(i));
      ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
        EXPECT_OK(sgl_broadcast(context, communicator, xs[rank], root));
      });
      for (const HostTensor& x : xs) EXPECT_EQ(source.values(), x.values());
    }
  }
}

TEST_P(Comm, Tensors_sent_around_a_ring_arrive_in_order) {
  if (p == 1) GTEST_SKIP() << "a rank does not send to itself";
  SKIP_ON_GPU("ranks that share a GPU do not send");
  const Ranks ranks(p);
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
    for (int64_t i = 0; i < 50; ++i) {
      const HostTensor out(SGL_I64, {1 + i % 7}), in(SGL_I64, {1 + i % 7});
      for (int64_t j = 0; j <= i % 7; ++j) out.data<int64_t>()[j] = rank * 1000 + i;
      EXPECT_OK(sgl_send(context, communicator, out, (rank + 1) % p));
      EXPECT_OK(sgl_receive(context, communicator, in, (rank + p - 1) % p));
      for (int64_t j = 0; j <= i % 7; ++j) EXPECT_EQ((rank + p - 1) % p * 1000 + i, in.data<int64_t>()[j]);
    }
  });
}

TEST_P(Comm, Nobody_leaves_a_barrier_before_all_have_come) {
  const Ranks ranks(p);
  std::atomic<int> arrived{0};
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int) {
    for (int round = 1; round <= 100; ++round) {
      arrived.fetch_add(1);
      EXPECT_OK(sgl_barrier(context, communicator));
      finish(context);
      EXPECT_GE(arrived.load(), round * p);
      EXPECT_OK(sgl_barrier(context, communicator));
    }
  });
}

TEST_P(Comm, A_long_mixed_run_keeps_its_order) {
  const Ranks ranks(p);
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
    for (int64_t i = 1; i <= 300; ++i) {
      const int64_t n = i % 3 == 0 ? 9001 : 5;
      HostTensor x(SGL_F32, {1, n}), all(SGL_F32, {p, n});
      for (int64_t j = 0; j < n; ++j) x.set(j, rank + i);
      EXPECT_OK(sgl_all_gather_rows(context, communicator, all, x));
      finish(context);
      for (int peer = 0; peer < p; ++peer) ASSERT_EQ(peer + i, all.get(peer * n + n - 1));
      EXPECT_OK(sgl_all_reduce(context, communicator, x, x, nullptr));
      finish(context);
      ASSERT_EQ(p * i + p * (p - 1) / 2, x.get(n / 2));
    }
  });
}

TEST_P(Comm, Empty_tensors_are_no_work) {
  const Ranks ranks(p);
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int) {
    const HostTensor x(SGL_F32, {0, 4}), y(SGL_F32, {0, 4 * p});
    EXPECT_OK(sgl_all_reduce(context, communicator, x, x, nullptr));
    EXPECT_OK(sgl_all_gather_columns(context, communicator, y, x));
    EXPECT_OK(sgl_broadcast(context, communicator, x, 0));
    finish(context);
  });
}

TEST_P(Comm, Ranks_that_disagree_all_fail_and_go_on_after_a_reset) {
  if (p == 1) GTEST_SKIP() << "one rank cannot disagree";
  const Ranks ranks(p);
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
    const HostTensor x(SGL_F32, {rank == p - 1 ? 5 : 4});
    EXPECT_EQ(SGL_COMM, sgl_all_reduce(context, communicator, x, x, nullptr));
    EXPECT_NE(nullptr, std::strstr(sgl_last_error(), "ranks disagree")) << sgl_last_error();
    EXPECT_EQ(SGL_COMM, sgl_barrier(context, communicator));
  });
  ASSERT_OK(sgl_comm_group_reset(ranks.group()));
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int) {
    HostTensor x(SGL_F32, {4});
    for (int i = 0; i < 4; ++i) x.set(i, 1);
    EXPECT_OK(sgl_all_reduce(context, communicator, x, x, nullptr));
    finish(context);
    EXPECT_EQ(p, x.get(3));
  });
}

TEST_P(Comm, An_abort_wakes_everybody_who_waits) {
  if (p == 1) GTEST_SKIP() << "one rank never waits";
  const Ranks ranks(p);
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
    if (rank == 0) {
      EXPECT_OK(sgl_comm_group_abort(ranks.group(), "rank 0 has no memory"));
      return;
    }
    EXPECT_FAILS(SGL_COMM, "barrier: the group of ranks was aborted: rank 0 has no memory", sgl_barrier(context, communicator));
  });
}

TEST(CommTimeout, A_rank_that_never_comes_is_named_and_frees_the_others) {
  const int timeout_ms = is_on_gpu() ? 2000 : 50;  // ranks on a GPU meet once before, when their kernels are loaded
  const Ranks ranks(3, timeout_ms);
  const std::string expected = "barrier: rank 2 did not come within " + std::to_string(timeout_ms) + " ms";
  std::atomic<int> named{0};
  ranks.run([&](sgl_context* context, sgl_communicator* communicator, int rank) {
    if (rank == 2) return;
    EXPECT_EQ(SGL_COMM, sgl_barrier(context, communicator));
    if (std::strstr(sgl_last_error(), expected.c_str()) != nullptr) named.fetch_add(1);
  });
  EXPECT_EQ(2, named.load());
}

TEST(CommArguments, Are_checked_and_named) {
  SKIP_ON_GPU("one rank alone waits for the other there");
  sgl_comm_group* group = nullptr;
  sgl_comm_group_options options{SGL_DEVICE_CPU, 0, 1000, 0, 0};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "comm_group_create: num_ranks is 0: expected 1 to 64",
               sgl_comm_group_create(&group, &options));
  options.num_ranks = 2;
  options.timeout_ms = 0;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "comm_group_create: timeout_ms is 0: expected at least 1",
               sgl_comm_group_create(&group, &options));
  options.timeout_ms = 1000;
  ASSERT_OK(sgl_comm_group_create(&group, &options));
  const Context context;
  sgl_communicator* communicator = nullptr;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "communicator_create: rank is 2: expected 0 to 1",
               sgl_communicator_create(context, &communicator, group, 2));
  ASSERT_OK(sgl_communicator_create(context, &communicator, group, 1));
  const HostTensor x(SGL_F32, {2, 3}), y(SGL_F32, {2, 5}), ids(SGL_I32, {2, 3});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "all_reduce: y is [2, 3] i32: expected f32 or bf16",
               sgl_all_reduce(context, communicator, ids, ids, nullptr));
  EXPECT_EQ(SGL_INVALID_ARGUMENT, sgl_all_gather_columns(context, communicator, y, x));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "broadcast: root is -1: expected 0 to 1", sgl_broadcast(context, communicator, x, -1));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "send: peer is 1, which is the caller itself", sgl_send(context, communicator, x, 1));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "barrier: communicator is null", sgl_barrier(context, nullptr));
  const int64_t counts[] = {1, -1};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "all_to_all: send_counts[1] is -1: expected at least 0",
               sgl_all_to_all(context, communicator, x, x, counts, counts));
  sgl_communicator_destroy(communicator);
  sgl_comm_group_destroy(group);
  sgl_communicator_destroy(nullptr);
  sgl_comm_group_destroy(nullptr);
}

}  // namespace
}  // namespace sgl::test
