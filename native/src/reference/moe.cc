#include "reference/moe.hpp"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "reference/element.hpp"
#include "reference/linear.hpp"

namespace sgl::reference {

Routes moe_route(const sgl_tensor& router_logits, int64_t k, bool renormalize) {
  const int64_t num_tokens = router_logits.shape[0], num_experts = router_logits.shape[1];
  Routes routes;
  for (int64_t token = 0; token < num_tokens; ++token) {
    std::vector<double> probabilities(num_experts);
    double sum = 0;
    for (int64_t e = 0; e < num_experts; ++e) sum += probabilities[e] = std::exp(load(router_logits, {token, e}));
    std::vector<int32_t> order(num_experts);
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](int32_t a, int32_t b) { return probabilities[a] > probabilities[b]; });
    double chosen = 0;
    for (int64_t i = 0; i < k; ++i) chosen += probabilities[order[i]];
    for (int64_t i = 0; i < k; ++i) {
      routes.ids.push_back(order[i]);
      routes.weights.push_back(probabilities[order[i]] / (renormalize ? chosen : sum));
    }
  }
  return routes;
}

std::vector<double> moe_experts(const sgl_tensor& x, const sgl_tensor& expert_weights, const sgl_tensor& expert_ids,
                                const sgl_tensor& gate_up, const sgl_tensor& down, int32_t first_expert) {
  const int64_t num_tokens = x.shape[0], hidden = x.shape[1], k = expert_ids.shape[1];
  const int64_t num_experts = gate_up.shape[0], intermediate = down.shape[2];
  const std::vector<double> inputs = dense_values(x), gate_up_values = dense_values(gate_up), down_values = dense_values(down);
  std::vector<double> results(num_tokens * hidden, 0.0);
  for (int64_t token = 0; token < num_tokens; ++token) {
    for (int64_t choice = 0; choice < k; ++choice) {
      const int64_t expert = int64_t{load_id(expert_ids, {token, choice})} - first_expert;
      if (expert < 0 || expert >= num_experts) continue;
      const double* rows = &gate_up_values[expert * 2 * intermediate * hidden];
      std::vector<double> activated(intermediate);
      for (int64_t i = 0; i < intermediate; ++i) {
        double gate = 0, up = 0;
        for (int64_t h = 0; h < hidden; ++h) {
          gate += inputs[token * hidden + h] * rows[i * hidden + h];
          up += inputs[token * hidden + h] * rows[(intermediate + i) * hidden + h];
        }
        activated[i] = silu(gate) * up;
      }
      for (int64_t h = 0; h < hidden; ++h) {
        double sum = 0;
        for (int64_t i = 0; i < intermediate; ++i) sum += activated[i] * down_values[(expert * hidden + h) * intermediate + i];
        results[token * hidden + h] += load(expert_weights, {token, choice}) * sum;
      }
    }
  }
  return results;
}

}  // namespace sgl::reference
