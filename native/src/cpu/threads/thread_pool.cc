#include "cpu/threads/thread_pool.hpp"

#include <algorithm>
#include <atomic>
#include <exception>
#include <thread>
#include <utility>
#include <vector>

#include "abi/error.hpp"
#include "cpu/threads/signal.hpp"

namespace sgl::cpu {
namespace {

/// The door of a region: which region it is, whether it still lets workers in, and how many are inside, in one word.
class alignas(kCacheLine) Gate {
 public:
  /// For a region that no one is in.
  void open(uint32_t region) { word_.store(uint64_t{region} << 32, std::memory_order_release); }

  /// False when `region` is over.
  bool enter(uint32_t region) {
    uint64_t word = word_.load(std::memory_order_acquire);
    do {
      if (word >> 32 != region || (word & kClosed) != 0) return false;
    } while (!word_.compare_exchange_weak(word, word + 1, std::memory_order_acq_rel, std::memory_order_acquire));
    return true;
  }

  /// True for the last worker to leave after the gate was closed.
  bool leave() { return ((word_.fetch_sub(1, std::memory_order_acq_rel) - 1) & kLow) == kClosed; }

  /// True if no worker is inside.
  bool close() { return (word_.fetch_or(kClosed, std::memory_order_acq_rel) & kLow) == 0; }

 private:
  static constexpr uint64_t kLow = 0xffffffff;
  static constexpr uint64_t kClosed = 0x80000000;
  std::atomic<uint64_t> word_{kClosed};
};

}  // namespace

struct ThreadPool::State {
  explicit State(int num_threads) : size(num_threads) {
    try {
      for (int worker = 1; worker < num_threads; ++worker) threads.emplace_back([this, worker] { work(worker); });
    } catch (...) {
      stop();
      throw;
    }
  }

  ~State() { stop(); }

  void stop() {
    stopping.store(true, std::memory_order_relaxed);
    region.add(1, [](uint32_t) { return true; });
    for (std::thread& thread : threads) thread.join();
    threads.clear();
  }

  void work(int worker) {
    for (uint32_t seen = 0;;) {
      seen = region.wait([seen](uint32_t now) { return now != seen; });
      if (stopping.load(std::memory_order_relaxed)) return;
      if (!gate.enter(seen)) continue;
      call(worker);
      const bool is_counted = join == Join::kAll;
      if (gate.leave()) left.add(1, [](uint32_t) { return true; });
      if (is_counted) missing.add(-1u, [](uint32_t count) { return count == 0; });
    }
  }

  void call(int worker) {
    try {
      body(closure, worker);
    } catch (...) {
      if (!failed.exchange(true, std::memory_order_relaxed)) failure = std::current_exception();
    }
  }

  /// Opens a region, does the caller's part and waits for the workers that the region needs.
  void run() {
    const uint32_t left_before = left.load();
    missing.store(static_cast<uint32_t>(size - 1));
    gate.open(region.load() + 1);
    region.add(1, [](uint32_t) { return true; });
    call(0);
    if (join == Join::kAll) {
      missing.wait([](uint32_t count) { return count == 0; });
    } else if (!gate.close()) {
      left.wait([left_before](uint32_t now) { return now != left_before; });
    }
  }

  const int size;
  // Written by the caller before it opens the gate, read by workers inside.
  Erased body = nullptr;
  const void* closure = nullptr;
  Join join = Join::kAll;
  std::exception_ptr failure;
  std::atomic<bool> failed{false};
  std::atomic<bool> busy{false};
  std::atomic<bool> stopping{false};

  Signal region;   // regions opened so far
  Signal missing;  // workers that have yet to finish a region of all
  Signal left;     // closed regions whose last worker has left
  Gate gate;
  alignas(kCacheLine) std::atomic<int64_t> cursor{0};

  std::vector<std::thread> threads;
};

ThreadPool::ThreadPool(int num_threads) {
  if (num_threads < 1 || num_threads > 1024) {
    fail(SGL_INVALID_ARGUMENT, "num_threads is %d: expected 1 to 1024", num_threads);
  }
  state_ = std::make_unique<State>(num_threads);
}

ThreadPool::~ThreadPool() = default;

int ThreadPool::size() const { return state_->size; }

void ThreadPool::run_erased(Erased body, const void* closure, Join join) {
  State& state = *state_;
  if (state.busy.exchange(true, std::memory_order_acquire)) {
    fail(SGL_INTERNAL, "thread pool: a region is running already; regions do not nest and a context has one caller at a time");
  }
  state.body = body;
  state.closure = closure;
  state.join = join;
  if (state.size > 1) {
    state.run();
  } else {
    state.call(0);
  }
  std::exception_ptr failure;
  if (state.failed.load(std::memory_order_relaxed)) {
    failure = std::exchange(state.failure, nullptr);
    state.failed.store(false, std::memory_order_relaxed);
  }
  state.busy.store(false, std::memory_order_release);
  if (failure) std::rethrow_exception(failure);
}

void ThreadPool::reset_cursor() { state_->cursor.store(0, std::memory_order_relaxed); }

int64_t ThreadPool::claim(int64_t grain) { return state_->cursor.fetch_add(grain, std::memory_order_relaxed); }

bool ThreadPool::claim_share(int64_t count, int64_t grain, int64_t& begin, int64_t& end) {
  begin = state_->cursor.load(std::memory_order_relaxed);
  do {
    if (begin >= count) return false;
    end = std::min(count, begin + std::max(grain, (count - begin) / (2 * state_->size)));
  } while (!state_->cursor.compare_exchange_weak(begin, end, std::memory_order_relaxed));
  return true;
}

}  // namespace sgl::cpu
