// What opening and closing a region of the thread pool costs: with workers that still spin, and with workers that sleep.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <thread>
#include <vector>

#include "cpu/threads/thread_pool.hpp"

namespace {

using Clock = std::chrono::steady_clock;

double median_of(std::vector<double>& samples) {
  std::nth_element(samples.begin(), samples.begin() + samples.size() / 2, samples.end());
  return samples[samples.size() / 2];
}

/// Median time of one empty region, each opened after `pause`.
double microseconds_of_region(sgl::cpu::ThreadPool& pool, std::chrono::microseconds pause, int count) {
  std::vector<double> samples;
  for (int i = 0; i < count; ++i) {
    if (pause.count() > 0) std::this_thread::sleep_for(pause);
    const auto start = Clock::now();
    pool.run([](int) {});
    samples.push_back(std::chrono::duration<double, std::micro>(Clock::now() - start).count());
  }
  return median_of(samples);
}

}  // namespace

int main() {
  std::printf("%8s %22s %22s\n", "threads", "region, hot (us)", "region, asleep (us)");
  for (int size = 1; size <= sgl::cpu::num_physical_cores(); size = size == 1 ? 2 : size * 2) {
    sgl::cpu::ThreadPool pool(size);
    microseconds_of_region(pool, std::chrono::microseconds(0), 1000);
    const double hot = microseconds_of_region(pool, std::chrono::microseconds(0), 100000);
    const double asleep = microseconds_of_region(pool, std::chrono::microseconds(2000), 500);
    std::printf("%8d %22.2f %22.2f\n", size, hot, asleep);
  }
}
