#pragma once

#include <cstdint>
#include <memory>

namespace sgl::cpu {

/// Worker threads of one context; the thread that calls `run` is worker 0. Between regions workers spin briefly, then wait
/// on a futex, so an idle engine costs nothing. One caller at a time; regions do not nest.
class ThreadPool {
 public:
  explicit ThreadPool(int num_threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  int size() const;

  /// Calls body(worker) on every worker, 0 <= worker < size(), and returns when all have returned. The first exception is
  /// rethrown on the caller.
  template <class Body>
  void run(const Body& body) {
    run_erased(&call<Body>, &body, Join::kAll);
  }

  /// Splits [0, count) into pieces of at most `grain`, handed out as workers become free: body(worker, begin, end). A worker
  /// that is not there yet when the pieces run out is not waited for, so a sleeping or descheduled one costs no time.
  template <class Body>
  void for_each(int64_t count, int64_t grain, const Body& body) {
    if (count <= grain) {
      if (count > 0) body(0, int64_t{0}, count);
      return;
    }
    const auto claim_all = [&](int worker) {
      for (int64_t begin; (begin = claim(grain)) < count;) body(worker, begin, begin + grain < count ? begin + grain : count);
    };
    reset_cursor();
    run_erased(&call<decltype(claim_all)>, &claim_all, Join::kWhoComes);
  }

  /// The same in runs that shorten: each is a share of what is left, and at least `grain`. Neighbours mostly stay together, and
  /// all workers end at about the same time.
  template <class Body>
  void for_each_shrinking(int64_t count, int64_t grain, const Body& body) {
    if (count <= grain) {
      if (count > 0) body(0, int64_t{0}, count);
      return;
    }
    const auto claim_all = [&](int worker) {
      for (int64_t begin = 0, end; claim_share(count, grain, begin, end);) body(worker, begin, end);
    };
    reset_cursor();
    run_erased(&call<decltype(claim_all)>, &claim_all, Join::kWhoComes);
  }

  /// What a worker is given after the index it has. Asking is optional; who asks late leaves more to the other workers.
  class Next {
   public:
    /// -1 when no index is left.
    int64_t operator()() {
      if (!is_claimed_) index_ = pool_ != nullptr ? pool_->claim(1) : index_ + 1;
      is_claimed_ = true;
      return index_ < count_ ? index_ : -1;
    }

   private:
    friend class ThreadPool;
    Next(ThreadPool* pool, int64_t count) : pool_(pool), count_(count) {}
    int64_t take() {
      const int64_t index = (*this)();
      is_claimed_ = false;
      return index;
    }

    ThreadPool* pool_;  // null: the caller does all
    int64_t count_;
    int64_t index_ = -1;
    bool is_claimed_ = false;
  };

  /// Hands out [0, count) one by one, on the caller alone or on all workers: body(worker, index, next). For bodies that bring
  /// what they are given next into the cache. Workers that come late are not waited for, as in `for_each`.
  template <class Body>
  void for_each_ahead(int64_t count, bool on_caller_alone, const Body& body) {
    const bool is_alone = on_caller_alone || count <= 1;
    const auto take_all = [&](int worker) {
      Next next(is_alone ? nullptr : this, count);
      for (int64_t index; (index = next.take()) >= 0;) body(worker, index, next);
    };
    if (is_alone) {
      take_all(0);
      return;
    }
    reset_cursor();
    run_erased(&call<decltype(take_all)>, &take_all, Join::kWhoComes);
  }

 private:
  using Erased = void (*)(const void* closure, int worker);
  /// Which workers a region needs: all, or those that come before the caller has finished its own part.
  enum class Join { kAll, kWhoComes };

  template <class Body>
  static void call(const void* closure, int worker) {
    (*static_cast<const Body*>(closure))(worker);
  }
  void run_erased(Erased body, const void* closure, Join join);
  void reset_cursor();
  int64_t claim(int64_t grain);
  /// Half of what each worker would get of the rest. False when nothing is left.
  bool claim_share(int64_t count, int64_t grain, int64_t& begin, int64_t& end);

  struct State;
  std::unique_ptr<State> state_;
};

/// Physical cores in this process's affinity mask and CPU quota; at least 1.
int num_physical_cores();

}  // namespace sgl::cpu
