// Time of the all-reduce against size, number of ranks and implementation, each rank a thread. GB/s are bytes of one rank's
// tensor over the time; "moved" adds what every rank reads and writes, to compare with the memory's bandwidth.
//
// usage: comm_bench [cpu|cuda] [most ranks]
// cpu: ranks of one worker each, which share memory. cuda: one GPU a rank while there are as many, else all on one, replayed
// from a graph by the kernel that SGLANG_CUSTOM_ALLREDUCE_ALGO names, and called one by one.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <thread>
#include <vector>

#include "cpu/threads/thread_pool.hpp"
#include "measure.hpp"
#include "sgl/sgl.h"

namespace {

using Clock = std::chrono::steady_clock;
using sgl::bench::check;

struct Setup {
  sgl_device_kind kind;
  int num_ranks;
  bool shares_device;
  bool has_graph;
};

/// Median microseconds of one all-reduce of `count` elements, as rank 0 sees it.
double microseconds_of_all_reduce(const Setup& setup, sgl_dtype dtype, int64_t count) {
  const int64_t element = dtype == SGL_F32 ? 4 : 2, bytes = count * element;
  const int samples = 15;
  int calls = static_cast<int>(std::clamp<int64_t>((int64_t{64} << 20) / (bytes * setup.num_ranks + 4096), 4, 4000));
  if (setup.kind == SGL_DEVICE_CUDA) calls = std::min(calls, 50);
  sgl_comm_group* group = nullptr;
  const sgl_comm_group_options options{setup.kind, setup.num_ranks, 60000, setup.shares_device ? 1 : 0, 0};
  check(sgl_comm_group_create(&group, &options));
  std::vector<double> times;
  std::vector<std::thread> threads;
  for (int rank = 0; rank < setup.num_ranks; ++rank) {
    threads.emplace_back([&, rank] {
      sgl_context* context = nullptr;
      const int device = setup.kind == SGL_DEVICE_CPU || setup.shares_device ? 0 : rank;
      const sgl_context_options context_options{setup.kind, device, 1, 0};
      check(sgl_context_create(&context, &context_options));
      sgl_communicator* communicator = nullptr;
      check(sgl_communicator_create(context, &communicator, group, rank));
      void *x_data = nullptr, *y_data = nullptr;
      check(sgl_memory_allocate(context, &x_data, bytes));
      check(sgl_memory_allocate(context, &y_data, bytes));
      check(sgl_memory_set(context, x_data, 0, bytes));
      check(sgl_memory_set(context, y_data, 0, bytes));
      const sgl_tensor x{x_data, dtype, 1, {count}, {1}}, y{y_data, dtype, 1, {count}, {1}};
      const auto call_all = [&] {
        for (int call = 0; call < calls; ++call) check(sgl_all_reduce(context, communicator, &y, &x, nullptr));
      };
      sgl_graph* graph = nullptr;
      if (setup.has_graph) {
        check(sgl_graph_capture_begin(context));
        call_all();
        check(sgl_graph_capture_end(context, &graph));
      }
      for (int sample = -2; sample < samples; ++sample) {
        check(sgl_barrier(context, communicator));
        check(sgl_context_synchronize(context));
        const auto start = Clock::now();
        if (graph != nullptr) {
          check(sgl_graph_launch(context, graph));
        } else {
          call_all();
        }
        check(sgl_context_synchronize(context));
        const double each = std::chrono::duration<double, std::micro>(Clock::now() - start).count() / calls;
        if (rank == 0 && sample >= 0) times.push_back(each);
      }
      sgl_graph_destroy(graph);
      check(sgl_barrier(context, communicator));
      check(sgl_context_synchronize(context));
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

void print_sizes(const char* name, const Setup& setup, sgl_dtype dtype, int64_t most_bytes) {
  for (int64_t bytes = 1 << 10; bytes <= most_bytes; bytes *= 4) {
    const double time = microseconds_of_all_reduce(setup, dtype, bytes / (dtype == SGL_F32 ? 4 : 2));
    std::printf("%-16s %6d %6s %12lld %12.2f %10.2f %12.2f\n", name, setup.num_ranks, dtype == SGL_F32 ? "f32" : "bf16",
                static_cast<long long>(bytes), time, bytes / time / 1e3, 2.0 * setup.num_ranks * bytes / time / 1e3);
    std::fflush(stdout);
  }
}

void print_head() {
  std::printf("%-16s %6s %6s %12s %12s %10s %12s\n", "implementation", "ranks", "type", "bytes", "time (us)", "GB/s",
              "moved GB/s");
}

void bench_cpu(int most_ranks) {
  const int cores = sgl::cpu::num_physical_cores();
  std::printf("shared-memory all-reduce, %d physical cores; more ranks than cores share them\n", cores);
  print_head();
  for (int num_ranks = 2; num_ranks <= (most_ranks > 0 ? most_ranks : std::max(2, std::min(cores, 16))); num_ranks *= 2) {
    for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
      print_sizes("shared memory", {SGL_DEVICE_CPU, num_ranks, false, false}, dtype, 64 << 20);
    }
  }
}

void bench_cuda(int most_ranks) {
  constexpr const char* kAlgorithm = "SGLANG_CUSTOM_ALLREDUCE_ALGO";
  int32_t num_gpus = 0;
  check(sgl_device_count(&num_gpus, SGL_DEVICE_CUDA));
  for (int num_ranks = 1; num_ranks <= (most_ranks > 0 ? most_ranks : 8); num_ranks *= 2) {
    const bool shares = num_ranks > num_gpus;
    std::printf("%d ranks, %s\n", num_ranks, shares ? "all on one GPU: its memory is every link" : "a GPU each");
    print_head();
    if (num_ranks > 1) {
      for (const char* algorithm : {"oneshot", "twoshot"}) {
        setenv(kAlgorithm, algorithm, 1);
        print_sizes(algorithm, {SGL_DEVICE_CUDA, num_ranks, shares, true}, SGL_BF16,
                    std::strcmp(algorithm, "twoshot") == 0 ? 64 << 20 : num_ranks == 2 ? 4 << 20 : 256 << 10);
      }
      unsetenv(kAlgorithm);
    }
    // By size: peers, from 8 MiB on NCCL.
    print_sizes(num_ranks == 1 ? "nccl" : "chosen, eager", {SGL_DEVICE_CUDA, num_ranks, shares, false}, SGL_BF16, 64 << 20);
  }
}

}  // namespace

int main(int argc, char** argv) {
  const bool is_cuda = argc > 1 && std::strcmp(argv[1], "cuda") == 0;
  const int most_ranks = argc > 2 ? std::atoi(argv[2]) : 0;
  if (is_cuda) {
    bench_cuda(most_ranks);
  } else {
    bench_cpu(most_ranks);
  }
}
