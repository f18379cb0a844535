// Sampling and log-probabilities, bound by reading the logits once. Usage: sampling_bench [name filter]

#include <algorithm>
#include <cmath>
#include <cstring>
#include <random>
#include <vector>

#include "measure.hpp"

namespace sgl::bench {
namespace {

constexpr int64_t kVocabularies[] = {4096, 32000, 128256};
constexpr int64_t kRows[] = {1, 8, 32};
/// Logits come fresh from lm_head, so those of a small batch are in a cache.
constexpr double kRotatedBytes = 8 << 20;

struct Kind {
  const char* name;
  float temperature;
  int32_t top_k;
  float top_p;
  int32_t seeded;
};
constexpr Kind kKinds[] = {{"greedy", 0, 0, 1, 0},
                           {"temperature", 1, 0, 1, 0},
                           {"seeded", 1, 0, 1, 1},
                           {"top_k50.top_p0.9", 0.8f, 50, 0.9f, 0},
                           {"top_p0.95", 1, 0, 0.95f, 0}};

/// [num_rows, vocabulary]: a background of noise and, in each row, a head of some hundred likely ids, as a model gives.
std::vector<float> make_logits(int64_t num_rows, int64_t vocabulary) {
  std::mt19937 random(3);
  std::normal_distribution<float> normal;
  std::vector<float> logits(static_cast<size_t>(num_rows * vocabulary));
  for (float& logit : logits) logit = 2 * normal(random);
  for (int64_t r = 0; r < num_rows; ++r) {
    for (int rank = 1; rank <= 200; ++rank) {
      const int64_t id = std::uniform_int_distribution<int64_t>(0, vocabulary - 1)(random);
      logits[static_cast<size_t>(r * vocabulary + id)] = 20 - 1.5f * std::log(static_cast<float>(rank));
    }
  }
  return logits;
}

void run(sgl_context* context, Probes& probes, int64_t num_rows, int64_t vocabulary, const char* filter) {
  const int64_t count = num_rows * vocabulary;
  const double bytes = 4.0 * static_cast<double>(count);
  const int64_t num_copies = std::max<int64_t>(1, static_cast<int64_t>(kRotatedBytes / bytes));
  std::vector<float> logits;
  const std::vector<float> one = make_logits(num_rows, vocabulary);
  for (int64_t i = 0; i < num_copies; ++i) logits.insert(logits.end(), one.begin(), one.end());
  std::vector<int32_t> ids(static_cast<size_t>(num_rows)), top_ids(static_cast<size_t>(20 * num_rows));
  std::vector<float> logprobs(static_cast<size_t>(num_rows)), top_logprobs(static_cast<size_t>(20 * num_rows));
  std::vector<sgl_sampling_row> rows(static_cast<size_t>(num_rows));
  const sgl_tensor ids_view{ids.data(), SGL_I32, 1, {num_rows}, {1}};
  const sgl_tensor logprobs_view{logprobs.data(), SGL_F32, 1, {num_rows}, {1}};
  const sgl_tensor top_ids_view{top_ids.data(), SGL_I32, 2, {num_rows, 20}, {20, 1}};
  const sgl_tensor top_logprobs_view{top_logprobs.data(), SGL_F32, 2, {num_rows, 20}, {20, 1}};
  const auto copy = [&](int64_t call) {
    return sgl_tensor{logits.data() + call % num_copies * count, SGL_F32, 2, {num_rows, vocabulary}, {vocabulary, 1}};
  };
  const auto measure_as = [&](const char* name, const auto& body) {
    const Case what{name,    std::to_string(num_rows) + " x " + std::to_string(vocabulary),
                    bytes,   0,
                    SGL_F32, bytes * static_cast<double>(num_copies)};
    measure(probes, what, body);
  };

  for (const Kind& kind : kKinds) {
    if (std::strstr(kind.name, filter) == nullptr) continue;
    measure_as(kind.name, [&](int64_t call) {
      for (int64_t r = 0; r < num_rows; ++r) {
        rows[static_cast<size_t>(r)] = {kind.temperature,         kind.top_p, 0, 0, 0, 1, kind.top_k, kind.seeded,
                                        static_cast<uint64_t>(r), call};
      }
      const sgl_tensor view = copy(call);
      const sgl_sampling_args args{&ids_view, nullptr, &view, rows.data(), nullptr, nullptr};
      check(sgl_sample(context, &args));
    });
  }
  if (std::strstr("logprobs.top20", filter) == nullptr) return;
  measure_as("logprobs.top20", [&](int64_t call) {
    const sgl_tensor view = copy(call);
    const sgl_logprob_args args{&logprobs_view, &top_logprobs_view, &top_ids_view, &view, &ids_view, nullptr};
    check(sgl_logprobs(context, &args));
  });
}

void run_all(const char* filter) {
  sgl_context* context;
  const sgl_context_options options{SGL_DEVICE_CPU, 0, 0, 0};
  check(sgl_context_create(&context, &options));
  int32_t num_threads;
  check(sgl_context_num_threads(context, &num_threads));
  {
    Probes probes(num_threads);
    print_heading(num_threads);
    for (const int64_t vocabulary : kVocabularies) {
      for (const int64_t num_rows : kRows) run(context, probes, num_rows, vocabulary, filter);
    }
  }
  sgl_context_destroy(context);
}

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) {
  sgl::bench::run_all(argc > 1 ? argv[1] : "");
  return 0;
}
