// Sampling of Llama 3's vocabulary, beside the time to read the logits once at the bandwidth of a copy. Usage:
// cuda_sampling_bench

#include <cstdio>
#include <random>
#include <vector>

#include "cuda/kernels/sampling/sampling.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/timing.hpp"

namespace sgl::bench {
namespace {

constexpr int64_t kVocabulary = 128256;
constexpr int64_t kRows[] = {1, 8, 64, 256};

struct Way {
  const char* name;
  float temperature;
  int32_t top_k;
  float top_p;
  int32_t seeded;
};
constexpr Way kWays[] = {{"greedy", 0, 0, 1, 0},
                         {"temperature", 1, 0, 1, 0},
                         {"seeded", 1, 0, 1, 1},
                         {"top_p", 1, 0, 0.9f, 0},
                         {"top_k_top_p", 1, 50, 0.9f, 0}};

void run_all() {
  cuda::CudaContext context(0);
  const double bandwidth = copy_bandwidth(context);
  std::printf("vocabulary %lld; copy of 1 GiB: %.0f GB/s read plus written\n", static_cast<long long>(kVocabulary),
              bandwidth / 1e9);
  std::mt19937 random(1);
  std::normal_distribution<float> normal(0, 3);
  for (const int64_t rows : kRows) {
    std::vector<float> numbers(rows * kVocabulary);
    for (float& number : numbers) number = normal(random);
    const DeviceBuffer logits(numbers.size() * 4), ids(rows * 4);
    cuda::check(cudaMemcpy(logits.data(), numbers.data(), numbers.size() * 4, cudaMemcpyHostToDevice), "logits");
    const sgl_tensor logits_view{logits.data(), SGL_F32, 2, {rows, kVocabulary}, {kVocabulary, 1}};
    const sgl_tensor ids_view{ids.data(), SGL_I32, 1, {rows}, {1}};
    for (const Way& way : kWays) {
      std::vector<sgl_sampling_row> how(rows);
      for (int64_t r = 0; r < rows; ++r) {
        how[r] = {way.temperature, way.top_p, 0, 0, 0, 1, way.top_k, way.seeded, static_cast<uint64_t>(r), r};
      }
      const sgl_sampling_args args{&ids_view, nullptr, &logits_view, how.data(), nullptr, nullptr};
      Timed timed(context, 10, [&](int) { cuda::sample(context, args); });
      const double us = medians({&timed})[0];
      std::printf("%-12s %4lld rows %9.1f us, %5.1f times one read of the logits\n", way.name, static_cast<long long>(rows), us,
                  us * 1e-6 * bandwidth / (static_cast<double>(rows) * kVocabulary * 4));
      std::fflush(stdout);
    }
  }
}

}  // namespace
}  // namespace sgl::bench

int main() { return sgl::bench::exit_code_of(sgl::bench::run_all); }
