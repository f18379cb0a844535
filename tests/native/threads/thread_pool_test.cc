#include "cpu/threads/thread_pool.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <numeric>
#include <stdexcept>
#include <thread>
#include <vector>

#include "abi/error.hpp"
#include "cpu/threads/row_split.hpp"

namespace sgl::cpu {
namespace {

TEST(ThreadPool, Runs_the_body_once_on_every_worker) {
  for (const int size : {1, 2, 3, 8}) {
    ThreadPool pool(size);
    EXPECT_EQ(pool.size(), size);
    for (int region = 0; region < 100; ++region) {
      std::vector<int> calls(size, 0);
      pool.run([&](int worker) { ++calls.at(worker); });
      EXPECT_EQ(calls, std::vector<int>(size, 1));
    }
  }
}

TEST(ThreadPool, The_caller_is_worker_0) {
  ThreadPool pool(2);
  std::thread::id ids[2];
  pool.run([&](int worker) { ids[worker] = std::this_thread::get_id(); });
  EXPECT_EQ(ids[0], std::this_thread::get_id());
  EXPECT_NE(ids[1], ids[0]);
}

TEST(ThreadPool, For_each_covers_every_index_once) {
  ThreadPool pool(3);
  for (const int64_t count : {0, 1, 2, 17, 129, 1000}) {
    for (const int64_t grain : {1, 7, 128, 5000}) {
      std::vector<std::atomic<int>> visits(count);
      std::atomic<bool> is_grain_kept{true};
      pool.for_each(count, grain, [&](int worker, int64_t begin, int64_t end) {
        if (worker < 0 || worker >= 3 || end - begin > grain || begin >= end) is_grain_kept = false;
        for (int64_t i = begin; i < end; ++i) ++visits[i];
      });
      EXPECT_TRUE(is_grain_kept);
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(visits[i], 1) << i << " of " << count << " by " << grain;
    }
  }
}

TEST(ThreadPool, For_each_shrinking_covers_every_index_once_in_runs_that_shorten_down_to_the_grain) {
  ThreadPool pool(3);
  for (const int64_t count : {0, 1, 2, 17, 129, 1000}) {
    for (const int64_t grain : {1, 7, 128, 5000}) {
      std::vector<std::atomic<int>> visits(count);
      std::atomic<bool> is_kept{true};
      pool.for_each_shrinking(count, grain, [&](int worker, int64_t begin, int64_t end) {
        const int64_t share = std::max(grain, (count - begin) / 6);  // half of what each of three workers would get
        if (worker < 0 || worker >= 3 || end != std::min(count, begin + share)) is_kept = false;
        for (int64_t i = begin; i < end; ++i) ++visits[i];
      });
      EXPECT_TRUE(is_kept) << count << " by " << grain;
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(visits[i], 1) << i << " of " << count << " by " << grain;
    }
  }
}

TEST(ThreadPool, For_each_ahead_covers_every_index_once_and_next_says_what_its_worker_gets) {
  ThreadPool pool(3);
  for (const bool on_caller_alone : {false, true}) {
    for (const int64_t count : {0, 1, 2, 17, 129, 1000}) {
      std::vector<std::atomic<int>> visits(count);
      std::vector<int64_t> announced(3, -2);  // of each worker; -2: it did not ask
      std::atomic<bool> is_kept{true};
      pool.for_each_ahead(count, on_caller_alone, [&](int worker, int64_t index, ThreadPool::Next& next) {
        if (on_caller_alone && worker != 0) is_kept = false;
        if (announced[worker] != -2 && announced[worker] != index) is_kept = false;
        ++visits[index];
        announced[worker] = index % 3 == 0 ? -2 : next();
        if (announced[worker] != -2 && next() != announced[worker]) is_kept = false;
      });
      EXPECT_TRUE(is_kept) << count;
      for (int64_t i = 0; i < count; ++i) ASSERT_EQ(visits[i], 1) << i << " of " << count;
      for (const int64_t last : announced) EXPECT_LT(last, 0) << "an announced index was never handed out";
    }
  }
}

TEST(ThreadPool, Mixed_regions_with_workers_awake_and_asleep_lose_and_repeat_nothing) {
  ThreadPool pool(4);
  for (int region = 0; region < 3000; ++region) {
    if (region % 100 == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
    if (region % 3 == 0) {
      int calls[4] = {};
      pool.run([&](int worker) { ++calls[worker]; });
      for (const int count : calls) ASSERT_EQ(count, 1) << "region " << region;
    } else {
      const int64_t count = region % 97;
      std::vector<int> visits(static_cast<size_t>(count), 0);
      pool.for_each(count, 1 + region % 5, [&](int, int64_t begin, int64_t end) {
        for (int64_t i = begin; i < end; ++i) ++visits[static_cast<size_t>(i)];
      });
      ASSERT_EQ(visits, std::vector<int>(static_cast<size_t>(count), 1)) << "region " << region;
    }
  }
}

TEST(ThreadPool, For_each_rethrows_an_exception_and_stays_usable) {
  ThreadPool pool(3);
  EXPECT_THROW(pool.for_each(100, 1,
                             [](int, int64_t begin, int64_t) {
                               if (begin == 57) throw std::runtime_error("piece 57");
                             }),
               std::runtime_error);
  std::atomic<int64_t> sum{0};
  pool.for_each(100, 1, [&](int, int64_t begin, int64_t) { sum += begin; });
  EXPECT_EQ(sum, 4950);
}

TEST(ThreadPool, Sees_what_the_caller_wrote_and_shows_what_workers_wrote) {
  ThreadPool pool(4);
  std::vector<int64_t> values(4, 0);
  for (int64_t region = 1; region <= 2000; ++region) {
    values.assign(4, region);  // plain memory: the thread sanitizer checks the ordering
    pool.run([&](int worker) { values[worker] += worker; });
    ASSERT_EQ(std::accumulate(values.begin(), values.end(), int64_t{0}), 4 * region + 6);
  }
}

TEST(ThreadPool, Wakes_workers_that_have_gone_to_sleep) {
  ThreadPool pool(3);
  for (int region = 0; region < 5; ++region) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    std::atomic<int> calls{0};
    pool.run([&](int) { ++calls; });
    EXPECT_EQ(calls, 3);
  }
}

TEST(ThreadPool, Waits_for_a_slow_worker) {
  ThreadPool pool(2);
  std::atomic<bool> is_done{false};
  pool.run([&](int worker) {
    if (worker == 0) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    is_done = true;
  });
  EXPECT_TRUE(is_done);
}

TEST(ThreadPool, Rethrows_an_exception_of_any_worker_and_stays_usable) {
  ThreadPool pool(3);
  for (int thrower = 0; thrower < 3; ++thrower) {
    try {
      pool.run([&](int worker) {
        if (worker == thrower) throw std::runtime_error("worker " + std::to_string(worker));
      });
      ADD_FAILURE() << "nothing thrown";
    } catch (const std::runtime_error& error) {
      EXPECT_EQ(error.what(), "worker " + std::to_string(thrower));
    }
    std::atomic<int> calls{0};
    pool.run([&](int) { ++calls; });
    EXPECT_EQ(calls, 3);
  }
}

TEST(ThreadPool, One_of_many_exceptions_reaches_the_caller) {
  ThreadPool pool(4);
  EXPECT_THROW(pool.run([](int) { throw Error(SGL_INTERNAL, "all"); }), Error);
  std::atomic<int> calls{0};
  pool.run([&](int) { ++calls; });
  EXPECT_EQ(calls, 4);
}

TEST(ThreadPool, A_region_inside_a_region_is_an_error) {
  for (const int size : {1, 2}) {
    ThreadPool pool(size);
    try {
      pool.run([&](int) { pool.run([](int) {}); });
      ADD_FAILURE() << "nothing thrown";
    } catch (const Error& error) {
      EXPECT_EQ(error.status, SGL_INTERNAL);
      EXPECT_STREQ(error.what(),
                   "thread pool: a region is running already; regions do not nest and a context has one caller at a time");
    }
    pool.run([](int) {});
  }
}

TEST(ThreadPool, Pools_do_not_disturb_each_other) {
  ThreadPool outer(2);
  std::vector<std::unique_ptr<ThreadPool>> inner;
  for (int i = 0; i < 2; ++i) inner.push_back(std::make_unique<ThreadPool>(2));
  std::atomic<int> calls{0};
  for (int region = 0; region < 50; ++region) {
    outer.run([&](int worker) { inner[worker]->run([&](int) { ++calls; }); });
  }
  EXPECT_EQ(calls, 200);
}

TEST(ThreadPool, Is_destroyed_cleanly_used_or_not) {
  for (int i = 0; i < 50; ++i) {
    ThreadPool pool(4);
    if (i % 2 == 0) pool.run([](int) {});
  }
}

TEST(ThreadPool, Can_be_called_from_one_thread_after_another) {
  ThreadPool pool(2);
  std::atomic<int> calls{0};
  for (int i = 0; i < 5; ++i) std::thread([&] { pool.run([&](int) { ++calls; }); }).join();
  EXPECT_EQ(calls, 10);
}

TEST(ThreadPool, Refuses_a_size_that_makes_no_sense) {
  EXPECT_THROW(ThreadPool(0), Error);
  EXPECT_THROW(ThreadPool(1025), Error);
}

TEST(RowSplit, Little_work_stays_with_the_caller) {
  ThreadPool pool(2);
  int pieces = 0;
  for_each_row(pool, 4, 2048, [&](int64_t begin, int64_t end) {
    EXPECT_EQ(begin, 0);
    EXPECT_EQ(end, 4);
    ++pieces;
  });
  EXPECT_EQ(pieces, 1);
}

TEST(RowSplit, Much_work_is_shared_and_covered_once) {
  ThreadPool pool(2);
  for (const int64_t width : {0, 1, 129, 4096, 200000}) {
    std::vector<std::atomic<int>> visits(129);
    for_each_row(pool, 129, width, [&](int64_t begin, int64_t end) {
      for (int64_t row = begin; row < end; ++row) ++visits[row];
    });
    for (const auto& count : visits) ASSERT_EQ(count, 1);
  }
}

}  // namespace
}  // namespace sgl::cpu
