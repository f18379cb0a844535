// Time of the shared-memory all-reduce against size and number of ranks, each rank a thread with one worker. GB/s are bytes of
// one rank's tensor over the time; "moved" adds what every rank reads and writes, to compare with the machine's memory
// bandwidth.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

#include "cpu/threads/thread_pool.hpp"
#include "measure.hpp"
#include "sgl/sgl.h"

namespace {

using Clock = std::chrono::steady_clock;
using sgl::bench::check;

/// Median microseconds of one all-reduce of `count` elements, as rank 0 sees it.
double microseconds_of_all_reduce(int num_ranks, sgl_dtype dtype, int64_t count) {
  const int64_t element = dtype == SGL_F32 ? 4 : 2, bytes = count * element;
  const int samples = 15,
            calls = static_cast<int>(std::clamp<int64_t>((int64_t{64} << 20) / (bytes * num_ranks + 4096), 4, 4000));
  sgl_comm_group* group = nullptr;
  const sgl_comm_group_options options{SGL_DEVICE_CPU, num_ranks, 60000, 0};
  check(sgl_comm_group_create(&group, &options));
  std::vector<double> times;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      sgl_context* context = nullptr;
      const sgl_context_options context_options{SGL_DEVICE_CPU, 0, 1, 0};
      check(sgl_context_create(&context, &context_options));
      sgl_communicator* communicator = nullptr;
      check(sgl_communicator_create(context, &communicator, group, rank));
      void *x_data = nullptr, *y_data = nullptr;
      check(sgl_memory_allocate(context, &x_data, bytes));
      check(sgl_memory_allocate(context, &y_data, bytes));
      check(sgl_memory_set(context, x_data, 0, bytes));
      check(sgl_memory_set(context, y_data, 0, bytes));
      const sgl_tensor x{x_data, dtype, 1, {count}, {1}}, y{y_data, dtype, 1, {count}, {1}};
      for (int sample = -2; sample < samples; ++sample) {
        check(sgl_barrier(context, communicator));
        const auto start = Clock::now();
        for (int call = 0; call < calls; ++call) check(sgl_all_reduce(context, communicator, &y, &x, nullptr));
        const double each = std::chrono::duration<double, std::micro>(Clock::now() - start).count() / calls;
        if (rank == 0 && sample >= 0) times.push_back(each);
      }
      sgl_memory_free(context, x_data);
      sgl_memory_free(context, y_data);
      sgl_communicator_destroy(communicator);
      sgl_context_destroy(context);
    });
  }
  for (std::thread& thread : threads) thread.join();
  sgl_comm_group_destroy(group);
  std::nth_element(times.begin(), times.begin() + times.size() / 2, times.end());
  return times[times.size() / 2];
}

}  // namespace

int main() {
  const int cores = sgl::cpu::num_physical_cores();
  std::printf("shared-memory all-reduce, %d physical cores; more ranks than cores share them\n", cores);
  std::printf("%6s %6s %12s %12s %10s %12s\n", "ranks", "type", "bytes", "time (us)", "GB/s", "moved GB/s");
  for (int num_ranks = 2; num_ranks <= std::max(2, std::min(cores, 16)); num_ranks *= 2) {
    for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
      for (int64_t bytes = 1 << 10; bytes <= 64 << 20; bytes *= 4) {
        const double time = microseconds_of_all_reduce(num_ranks, dtype, bytes / (dtype == SGL_F32 ? 4 : 2));
        std::printf("%6d %6s %12lld %12.2f %10.2f %12.2f\n", num_ranks, dtype == SGL_F32 ? "f32" : "bf16",
                    static_cast<long long>(bytes), time, bytes / time / 1e3, 2.0 * num_ranks * bytes / time / 1e3);
      }
    }
  }
}
