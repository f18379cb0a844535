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

  struct State;
  std::unique_ptr<State> state_;
};

/// Physical cores in this process's affinity mask and CPU quota; at least 1.
int num_physical_cores();

}  // namespace sgl::cpu
