#pragma once

#include <vector>

#include "sgl/sampling.h"

namespace sgl::reference {

/// A row after penalties, mask and bias, and the distribution that its draw is from.
struct SampledRow {
  /// Edited logits; NaN replaced.
  std::vector<double> logits;
  /// log_softmax after temperature, before filters.
  std::vector<double> logprobs;
  /// Ids that the filters leave, rising; empty if none is allowed.
  std::vector<int32_t> kept;
  /// Of kept ids, summing to 1.
  std::vector<double> probabilities;
  /// The greedy or seeded choice; -1 if none is allowed or the draw is unseeded.
  int32_t id;
};

/// What sgl_sample does with row `row` of logits that it has not edited yet.
SampledRow sample(const sgl_sampling_args& args, int64_t row);

/// log_softmax(logits / temperature) with NaN as -1e5; -infinity stays.
std::vector<double> log_softmax(const std::vector<double>& logits, double temperature);

/// Ids by falling value, ties to the lower id.
std::vector<int32_t> order_of(const std::vector<double>& values);

}  // namespace sgl::reference
