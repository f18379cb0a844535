#include <cmath>
#include <set>

#include "reference/moe.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

using MoeRoute = CpuTest;

struct Routed {
  HostTensor weights;
  HostTensor ids;
};

Routed route(sgl_context* context, const HostTensor& logits, int64_t k, bool renormalize) {
  const int64_t num_tokens = logits.shape()[0];
  Routed routed{HostTensor(SGL_F32, {num_tokens, k}, HostTensor::gapped({num_tokens, k}, 1)),
                HostTensor(SGL_I32, {num_tokens, k}, HostTensor::gapped({num_tokens, k}, 2))};
  EXPECT_OK(sgl_moe_route(context, routed.weights, routed.ids, logits, renormalize));
  return routed;
}

TEST_F(MoeRoute, Matches_the_reference) {
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    for (const int64_t num_experts : {1, 3, 8, 129}) {
      for (const int64_t k : {1, 2, 8}) {
        if (k > num_experts) continue;
        for (const int64_t num_tokens : {1, 17, 129}) {
          for (const bool renormalize : {false, true}) {
            HostTensor logits(dtype, {num_tokens, num_experts}, HostTensor::gapped({num_tokens, num_experts}, 3));
            logits.fill_normal(random, 2);
            const Routed actual = route(context, logits, k, renormalize);
            const reference::Routes expected = reference::moe_route(logits.view(), k, renormalize);
            EXPECT_EQ(expected.ids, actual.ids.id_values()) << num_experts << " experts, k " << k;
            EXPECT_TRUE(actual.ids.gaps_are_intact());
            EXPECT_TRUE(is_close(actual.weights, expected.weights, {1e-7, 1e-5}));
          }
        }
      }
    }
  }
}

TEST_F(MoeRoute, Ties_go_to_the_lower_expert) {
  HostTensor logits(SGL_F32, {2, 6});
  const double values[] = {1, 3, 3, 0, 3, 1, /**/ 5, 5, 5, 5, 5, 5};
  for (int i = 0; i < 12; ++i) logits.set(i, values[i]);
  const Routed routed = route(context, logits, 4, true);
  EXPECT_EQ((std::vector<int32_t>{1, 2, 4, 0, 0, 1, 2, 3}), routed.ids.id_values());
  for (int i = 4; i < 8; ++i) EXPECT_NEAR(0.25, routed.weights.get(i), 1e-6);
}

TEST_F(MoeRoute, Large_logits_do_not_overflow) {
  HostTensor logits(SGL_F32, {1, 3});
  logits.set(0, 1e30);
  logits.set(1, -1e30);
  logits.set(2, 1e30);
  const Routed routed = route(context, logits, 3, false);
  EXPECT_EQ((std::vector<int32_t>{0, 2, 1}), routed.ids.id_values());
  EXPECT_EQ((std::vector<double>{0.5, 0.5, 0}), routed.weights.values());
}

TEST_F(MoeRoute, A_row_of_nan_still_names_different_experts) {
  HostTensor logits(SGL_F32, {1, 5});
  for (int i = 0; i < 5; ++i) logits.set(i, std::nan(""));
  const std::vector<int32_t> ids = route(context, logits, 3, true).ids.id_values();
  EXPECT_EQ(3u, std::set<int32_t>(ids.begin(), ids.end()).size());
  for (const int32_t id : ids) EXPECT_TRUE(id >= 0 && id < 5) << id;
}

}  // namespace
}  // namespace sgl::test
