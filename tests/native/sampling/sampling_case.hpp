#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "reference/sampling.hpp"
#include "support/context.hpp"
#include "support/host_tensor.hpp"

namespace sgl::test {

inline sgl_sampling_row greedy() { return {0, 1, 0, 0, 0, 1, 0, 0, 0, 0}; }

inline sgl_sampling_row at_temperature(float temperature, uint64_t seed = 0, int64_t position = 0) {
  sgl_sampling_row row = greedy();
  row.temperature = temperature;
  row.seed = seed;
  row.position = position;
  return row;
}

inline std::string describe(const sgl_sampling_row& row) {
  return "temperature " + std::to_string(row.temperature) + ", top_k " + std::to_string(row.top_k) + ", top_p " +
         std::to_string(row.top_p) + ", min_p " + std::to_string(row.min_p) + ", seed " + std::to_string(row.seed) +
         ", position " + std::to_string(row.position) + (row.seeded ? ", seeded" : "");
}

/// Everything that sgl_sample reads and writes.
struct SamplingCase {
  SamplingCase(Random& random, int64_t num_rows, int64_t vocabulary, double spread = 3)
      : logits(HostTensor(SGL_F32, {num_rows, vocabulary}, HostTensor::gapped({num_rows, vocabulary}, 5))),
        allowed(SGL_I32, {num_rows, (vocabulary + 31) / 32}),
        ids(SGL_I32, {num_rows}),
        logprobs(SGL_F32, {num_rows}),
        rows(static_cast<size_t>(num_rows), greedy()) {
    logits.fill_normal(random, spread);
    for (int64_t i = 0; i < allowed.num_elements(); ++i) allowed.data<int32_t>()[i] = -1;
  }

  sgl_sampling_args args() {
    return {ids,
            logprobs,
            logits,
            rows.data(),
            has_lists ? &lists : nullptr,
            is_masked ? static_cast<const sgl_tensor*>(allowed) : nullptr};
  }
  void forbid(int64_t row, int64_t id) {
    allowed.data<uint32_t>()[row * allowed.shape()[1] + id / 32] &= ~(1u << (id % 32));
    is_masked = true;
  }
  void set_logits(int64_t row, const std::vector<double>& values) {
    for (size_t id = 0; id < values.size(); ++id) {
      logits.set(row * logits.shape()[1] + static_cast<int64_t>(id), values[id]);
    }
  }
  double logit(int64_t row, int64_t id) const { return logits.get(row * logits.shape()[1] + id); }

  void sample(sgl_context* context) {
    ids.poison();
    logprobs.poison();
    const sgl_sampling_args given = args();
    ASSERT_OK(sgl_sample(context, &given));
    ASSERT_TRUE(logits.gaps_are_intact());
  }

  HostTensor logits;
  HostTensor allowed;
  HostTensor ids;
  HostTensor logprobs;
  std::vector<sgl_sampling_row> rows;
  sgl_sampling_lists lists{};
  bool has_lists = false;
  bool is_masked = false;
};

}  // namespace sgl::test
