// Mixture of experts with the shapes of Qwen3-30B-A3B and Mixtral-like experts. Usage: moe_bench [name filter]

#include <algorithm>
#include <random>
#include <set>
#include <vector>

#include "measure.hpp"

namespace sgl::bench {
namespace {

struct Experts {
  const char* name;
  int32_t num_experts;
  int64_t k;
  int64_t hidden;
  int64_t intermediate;
};

constexpr Experts kExperts[] = {
    {"qwen3-30b-a3b", 128, 8, 2048, 768},
    {"mixtral-small", 8, 2, 2048, 3584},
    {"tiny-qwen3-moe", 8, 2, 128, 96},
};
constexpr int64_t kTokens[] = {1, 4, 16, 64, 512};
constexpr int kRoutings = 8;

/// A step's choices, and how many experts they touch.
struct Routing {
  std::vector<int32_t> ids;
  std::vector<float> weights;
  int64_t num_touched;
};

Routing random_routing(std::mt19937& random, const Experts& experts, int64_t num_tokens) {
  Routing routing;
  std::vector<int32_t> all(experts.num_experts);
  for (int32_t e = 0; e < experts.num_experts; ++e) all[e] = e;
  for (int64_t token = 0; token < num_tokens; ++token) {
    std::shuffle(all.begin(), all.end(), random);
    routing.ids.insert(routing.ids.end(), all.begin(), all.begin() + experts.k);
  }
  routing.weights.assign(routing.ids.size(), 1.0f / static_cast<float>(experts.k));
  routing.num_touched = static_cast<int64_t>(std::set<int32_t>(routing.ids.begin(), routing.ids.end()).size());
  return routing;
}

void run_experts(sgl_context* context, Probes& probes, const Experts& experts) {
  sgl_weight *gate_up, *down;
  const sgl_weight_desc gate_up_desc{experts.num_experts, SGL_BF16, 2 * experts.intermediate, experts.hidden};
  const sgl_weight_desc down_desc{experts.num_experts, SGL_BF16, experts.hidden, experts.intermediate};
  check(sgl_weight_create(context, &gate_up, &gate_up_desc));
  check(sgl_weight_create(context, &down, &down_desc));
  for (int32_t expert = 0; expert < experts.num_experts; ++expert) {
    const sgl_weight_fill_random_args gate_up_args{uint64_t(2 * expert), 0.03f, expert, 0, gate_up_desc.out_features, 0, 0};
    const sgl_weight_fill_random_args down_args{uint64_t(2 * expert + 1), 0.03f, expert, 0, down_desc.out_features, 0, 0};
    check(sgl_weight_fill_random(context, gate_up, &gate_up_args));
    check(sgl_weight_fill_random(context, down, &down_args));
  }
  const double expert_bytes = 2.0 * 3 * static_cast<double>(experts.hidden * experts.intermediate);
  std::vector<uint16_t> x(512 * experts.hidden, 0x3f80), y(512 * experts.hidden);
  std::mt19937 random(1);
  for (const int64_t num_tokens : kTokens) {
    std::vector<Routing> routings;
    double touched = 0;
    for (int i = 0; i < kRoutings; ++i) {
      routings.push_back(random_routing(random, experts, num_tokens));
      touched += static_cast<double>(routings.back().num_touched) / kRoutings;
    }
    const sgl_tensor x_view{x.data(), SGL_BF16, 2, {num_tokens, experts.hidden}, {experts.hidden, 1}};
    const sgl_tensor y_view{y.data(), SGL_BF16, 2, {num_tokens, experts.hidden}, {experts.hidden, 1}};
    Case what{experts.name, "", 0, 0, SGL_BF16, expert_bytes * experts.num_experts};
    what.shape =
        std::to_string(num_tokens) + " x top " + std::to_string(experts.k) + " of " + std::to_string(experts.num_experts);
    what.num_bytes = touched * expert_bytes + 4.0 * static_cast<double>(num_tokens * experts.hidden);
    what.num_flops = 2.0 * 3 * static_cast<double>(num_tokens * experts.k * experts.hidden * experts.intermediate);
    measure(probes, what, [&](int64_t call) {
      Routing& routing = routings[call % kRoutings];
      const sgl_tensor weights{routing.weights.data(), SGL_F32, 2, {num_tokens, experts.k}, {experts.k, 1}};
      const sgl_tensor ids{routing.ids.data(), SGL_I32, 2, {num_tokens, experts.k}, {experts.k, 1}};
      const sgl_moe_args args{&y_view, &x_view, &weights, &ids, gate_up, down, nullptr, nullptr, 0, 0};
      check(sgl_moe_experts(context, &args));
    });
  }
  sgl_weight_destroy(gate_up);
  sgl_weight_destroy(down);
}

void run_route(sgl_context* context, Probes& probes, int64_t num_tokens, int64_t num_experts, int64_t k) {
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  std::vector<float> logits(num_tokens * num_experts), weights(num_tokens * k);
  std::vector<int32_t> ids(num_tokens * k);
  for (float& logit : logits) logit = normal(random);
  const sgl_tensor logits_view{logits.data(), SGL_F32, 2, {num_tokens, num_experts}, {num_experts, 1}};
  const sgl_tensor weights_view{weights.data(), SGL_F32, 2, {num_tokens, k}, {k, 1}};
  const sgl_tensor ids_view{ids.data(), SGL_I32, 2, {num_tokens, k}, {k, 1}};
  Case what{"route", std::to_string(num_tokens) + " x top " + std::to_string(k) + " of " + std::to_string(num_experts),
            0,       0,
            SGL_F32, 0};
  what.num_bytes = static_cast<double>(4 * num_tokens * (num_experts + 2 * k));
  what.working_set_bytes = what.num_bytes;
  measure(probes, what, [&](int64_t) { check(sgl_moe_route(context, &weights_view, &ids_view, &logits_view, 1)); });
}

void run_all(const std::string& filter) {
  sgl_context* context;
  const sgl_context_options options{SGL_DEVICE_CPU, 0, 0, 0};
  check(sgl_context_create(&context, &options));
  int32_t num_threads;
  check(sgl_context_num_threads(context, &num_threads));
  Probes probes(num_threads);
  print_heading(num_threads);
  for (const Experts& experts : kExperts) {
    if (std::string(experts.name).find(filter) != std::string::npos) run_experts(context, probes, experts);
  }
  if (std::string("route").find(filter) != std::string::npos) {
    for (const int64_t num_tokens : {1, 512}) run_route(context, probes, num_tokens, 128, 8);
  }
  sgl_context_destroy(context);
}

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) { sgl::bench::run_all(argc > 1 ? argv[1] : ""); }
