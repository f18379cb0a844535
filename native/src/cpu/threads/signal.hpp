#pragma once

#include <linux/futex.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include <atomic>
#include <climits>
#include <cstddef>
#include <cstdint>

namespace sgl::cpu {

inline constexpr size_t kCacheLine = 64;

// About 50 microseconds: longer than the gap between two operators of a step, shorter than anyone notices on a power meter.
inline constexpr int kSpins = 2000;

/// Tells the core that this is a spin.
inline void pause() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

/// A counter that threads wait on: first spinning, then on the futex. Both sides are sequentially consistent, so that either
/// the waiter sees the new value or the one that changes it sees the sleeper.
class alignas(kCacheLine) Signal {
 public:
  uint32_t load() const { return value_.load(std::memory_order_acquire); }
  void store(uint32_t value) { value_.store(value, std::memory_order_relaxed); }

  /// Adds and wakes whoever sleeps if `wakes(new value)`.
  template <class Wakes>
  void add(uint32_t amount, const Wakes& wakes) {
    const uint32_t now = value_.fetch_add(amount, std::memory_order_seq_cst) + amount;
    if (wakes(now) && sleepers_.load(std::memory_order_seq_cst) != 0) {
      syscall(SYS_futex, &value_, FUTEX_WAKE_PRIVATE, INT_MAX, nullptr, nullptr, 0);
    }
  }

  /// Returns the first value seen that satisfies `done`.
  template <class Done>
  uint32_t wait(const Done& done) {
    uint32_t value = 0;
    wait(
        done, kSpins, nullptr, [] { return false; }, value);
    return value;
  }

  /// Waits until `done(value)`, or until `gives_up()`, which is asked every 20 ms; returns whether it is done.
  template <class Done, class GivesUp>
  bool wait(const Done& done, int spins, const GivesUp& gives_up) {
    constexpr timespec kPatience{0, 20'000'000};
    uint32_t value;
    return wait(done, spins, &kPatience, gives_up, value);
  }

 private:
  template <class Done, class GivesUp>
  bool wait(const Done& done, int spins, const timespec* patience, const GivesUp& gives_up, uint32_t& value) {
    for (int spin = 0; spin < spins; ++spin) {
      value = load();
      if (done(value)) return true;
      pause();
    }
    sleepers_.fetch_add(1, std::memory_order_seq_cst);
    bool is_done;
    while (!(is_done = done(value = value_.load(std::memory_order_seq_cst))) && !gives_up()) {
      syscall(SYS_futex, &value_, FUTEX_WAIT_PRIVATE, value, patience, nullptr, 0);
    }
    sleepers_.fetch_sub(1, std::memory_order_relaxed);
    return is_done;
  }

  std::atomic<uint32_t> value_{0};
  std::atomic<uint32_t> sleepers_{0};
};

static_assert(sizeof(std::atomic<uint32_t>) == sizeof(uint32_t), "the futex is the atomic's own word");

}  // namespace sgl::cpu
