#include "measure.hpp"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <vector>

namespace sgl::bench {
namespace {

constexpr int kSamples = 11;
constexpr double kSampleSeconds = 6e-3;
constexpr double kLastLevelCacheBytes = 32 << 20;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

void measure(Probes& probes, const Case& what, const std::function<void(int64_t call)>& body) {
  using Clock = std::chrono::steady_clock;
  int64_t call = 0;
  const auto time_of = [&](int64_t count) {
    const auto start = Clock::now();
    for (int64_t i = 0; i < count; ++i) body(call++);
    return std::chrono::duration<double>(Clock::now() - start).count();
  };
  time_of(1);
  const int64_t count = std::max<int64_t>(1, static_cast<int64_t>(kSampleSeconds / std::max(1e-9, time_of(2) / 2)));

  const bool is_cached = what.working_set_bytes < kLastLevelCacheBytes;
  std::vector<double> seconds, shares;
  double memory_bound = 0, compute_bound = 0;
  for (int sample = 0; sample < kSamples; ++sample) {
    const double bandwidth =
        is_cached ? probes.cached_read_bandwidth(static_cast<size_t>(what.working_set_bytes)) : probes.read_bandwidth();
    const double peak = probes.multiply_add_peak(what.dtype);
    seconds.push_back(time_of(count) / static_cast<double>(count));
    memory_bound = what.num_bytes / bandwidth;
    compute_bound = what.num_flops / peak;
    shares.push_back(std::max(memory_bound, compute_bound) / seconds.back());
  }
  const bool is_memory_bound = memory_bound > compute_bound;
  const double time = median(seconds);
  std::printf("%-16s %-26s %10.1f us %8.1f %s %5.0f %% of %s\n", what.name.c_str(), what.shape.c_str(), time * 1e6,
              (is_memory_bound ? what.num_bytes : what.num_flops) / time / 1e9, is_memory_bound ? "GB/s   " : "GFLOP/s",
              100 * median(shares), is_memory_bound ? (is_cached ? "cache bandwidth" : "memory bandwidth") : "dot peak");
  std::fflush(stdout);
}

void print_heading(int num_threads) {
  std::printf("instruction set %s, %d threads; medians of %d samples, shares of a bound probed beside each sample\n",
              cpu::name_of(cpu::current_isa()), num_threads, kSamples);
}

void check(sgl_status status) {
  if (status == SGL_OK) return;
  std::fprintf(stderr, "%s\n", sgl_last_error());
  std::exit(1);
}

}  // namespace sgl::bench
