#include <algorithm>
#include <cmath>

#include "cpu/isa/float_conversion.hpp"
#include "cpu/moe/moe.hpp"

namespace sgl::cpu {
namespace {

float load_logit(const sgl_tensor& logits, int64_t row, int64_t expert) {
  const int64_t index = row * logits.stride[0] + expert;
  return logits.dtype == SGL_F32 ? static_cast<const float*>(logits.data)[index]
                                 : bf16_to_float(static_cast<const uint16_t*>(logits.data)[index]);
}

/// Softmax of a row of logits into `probabilities`.
void softmax(const sgl_tensor& logits, int64_t row, int64_t num_experts, float* probabilities) {
  float largest = -INFINITY;
  for (int64_t e = 0; e < num_experts; ++e) largest = std::max(largest, probabilities[e] = load_logit(logits, row, e));
  float sum = 0.0f;
  for (int64_t e = 0; e < num_experts; ++e) sum += probabilities[e] = std::exp(probabilities[e] - largest);
  const float scale = 1.0f / sum;
  for (int64_t e = 0; e < num_experts; ++e) probabilities[e] *= scale;
}

constexpr float kTaken = -1.0f;  // below every probability

/// Moves the largest of the probabilities not taken yet to `weight` and returns its expert, the lowest of equals. A row of NaNs
/// still gives k different experts.
int32_t take_largest(float* probabilities, int64_t num_experts, float* weight) {
  int64_t best = -1;
  for (int64_t e = 0; e < num_experts; ++e) {
    if (probabilities[e] == kTaken) continue;
    if (best < 0 || probabilities[e] > probabilities[best]) best = e;
  }
  *weight = probabilities[best];
  probabilities[best] = kTaken;
  return static_cast<int32_t>(best);
}

}  // namespace

void moe_route(CpuContext& context, const sgl_tensor& expert_weights, const sgl_tensor& expert_ids,
               const sgl_tensor& router_logits, bool renormalize) {
  const int64_t num_tokens = router_logits.shape[0];
  const int64_t num_experts = router_logits.shape[1];
  const int64_t k = expert_ids.shape[1];
  auto* scratch = reinterpret_cast<float*>(context.scratch.reserve(context.pool.size() * num_experts * sizeof(float)));
  context.pool.for_each(num_tokens, 32, [&](int worker, int64_t begin, int64_t end) {
    float* probabilities = scratch + worker * num_experts;
    for (int64_t token = begin; token < end; ++token) {
      float* weights = static_cast<float*>(expert_weights.data) + token * expert_weights.stride[0];
      int32_t* ids = static_cast<int32_t*>(expert_ids.data) + token * expert_ids.stride[0];
      softmax(router_logits, token, num_experts, probabilities);
      float sum = 0.0f;
      for (int64_t i = 0; i < k; ++i) {
        ids[i] = take_largest(probabilities, num_experts, &weights[i]);
        sum += weights[i];
      }
      if (renormalize) {
        for (int64_t i = 0; i < k; ++i) weights[i] /= sum;
      }
    }
  });
}

}  // namespace sgl::cpu
