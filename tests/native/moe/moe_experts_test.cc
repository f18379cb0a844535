#include <cmath>
#include <ostream>

#include "reference/moe.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

using MoeExperts = CpuTest;

struct Dims {
  int64_t num_experts;
  int64_t hidden;
  int64_t intermediate;

  friend std::ostream& operator<<(std::ostream& out, const Dims& d) {
    return out << d.num_experts << " experts of " << d.hidden << " x " << d.intermediate;
  }
};

/// The experts of one rank, with random weights that keep activations at unit scale.
struct Experts {
  Experts(sgl_context* context, Random& random, sgl_dtype dtype, const Dims& dims)
      : gate_up_rows(HostTensor::normal(random, dtype, {dims.num_experts, 2 * dims.intermediate, dims.hidden},
                                        1 / std::sqrt(static_cast<double>(dims.hidden)))),
        down_rows(HostTensor::normal(random, dtype, {dims.num_experts, dims.hidden, dims.intermediate},
                                     1 / std::sqrt(static_cast<double>(dims.intermediate)))),
        gate_up(context, dtype, gate_up_rows),
        down(context, dtype, down_rows) {}

  HostTensor gate_up_rows;
  HostTensor down_rows;
  Weight gate_up;
  Weight down;
};

/// A token's k different experts out of [0, num_experts), and weights that sum to one.
struct Choices {
  Choices(Random& random, int64_t num_tokens, int64_t k, int64_t num_experts)
      : weights(SGL_F32, {num_tokens, k}), ids(SGL_I32, {num_tokens, k}, HostTensor::gapped({num_tokens, k}, 1)) {
    for (int64_t token = 0; token < num_tokens; ++token) {
      const int64_t first = random.integer(0, num_experts - 1);
      const int64_t stride = random.integer(1, num_experts);
      for (int64_t i = 0; i < k; ++i) {
        ids.set(token * k + i, static_cast<double>((first + (num_experts % stride == 0 ? i : i * stride)) % num_experts));
        weights.set(token * k + i, random.uniform(0.1, 1.0));
      }
    }
  }

  HostTensor weights;
  HostTensor ids;
};

sgl_status run(sgl_context* context, const HostTensor& y, const HostTensor& x, const Choices& choices, const Experts& experts,
               int32_t first_expert = 0) {
  const sgl_moe_args args{y, x, choices.weights, choices.ids, experts.gate_up, experts.down, first_expert, 0};
  return sgl_moe_experts(context, &args);
}

std::vector<double> expected_of(const HostTensor& x, const Choices& choices, const Experts& experts, int32_t first_expert = 0) {
  return reference::moe_experts(x.view(), choices.weights.view(), choices.ids.view(), experts.gate_up_rows.view(),
                                experts.down_rows.view(), first_expert);
}

/// bf16 rounds the activated rows too, each by up to 2^-9 of itself; their errors average out over the sum.
Tolerance tolerance_of(sgl_dtype dtype) {
  return dtype == SGL_BF16 ? Tolerance{2e-2, 1e-2, 0.9999} : Tolerance{1e-5, 2e-5, 0.999999};
}

TEST_F(MoeExperts, Match_the_reference) {
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    for (const Dims dims : {Dims{4, 64, 32}, Dims{5, 65, 7}, Dims{3, 1, 1}, Dims{8, 130, 96}, Dims{16, 33, 50},
                            Dims{4, 136, 72}, Dims{3, 264, 200}}) {
      const Experts experts(context, random, dtype, dims);
      for (const int64_t num_tokens : {1, 2, 17, 129}) {
        for (const int64_t k : {1, 3}) {
          const Shape shape{num_tokens, dims.hidden};
          HostTensor x(dtype, shape, HostTensor::gapped(shape, 3)), y(dtype, shape, HostTensor::gapped(shape, 2));
          x.fill_normal(random);
          const Choices choices(random, num_tokens, k, dims.num_experts);
          ASSERT_OK(run(context, y, x, choices, experts));
          EXPECT_TRUE(is_close(y, expected_of(x, choices, experts), tolerance_of(dtype)))
              << dims << ", " << num_tokens << " tokens, k " << k;
        }
      }
    }
  }
}

TEST_F(MoeExperts, Experts_of_other_ranks_add_nothing) {
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    const Experts experts(context, random, dtype, {4, 64, 32});
    const HostTensor x = HostTensor::normal(random, dtype, {21, 64});
    const Choices choices(random, 21, 3, 12);
    for (const int32_t first_expert : {0, 4, 8, 50}) {
      const HostTensor y(dtype, {21, 64});
      ASSERT_OK(run(context, y, x, choices, experts, first_expert));
      EXPECT_TRUE(is_close(y, expected_of(x, choices, experts, first_expert), tolerance_of(dtype))) << first_expert;
    }
  }
}

TEST_F(MoeExperts, A_token_without_an_expert_here_is_zero) {
  const Experts experts(context, random, SGL_F32, {2, 40, 32});
  const HostTensor x = HostTensor::normal(random, SGL_F32, {1, 40});
  Choices choices(random, 1, 2, 2);
  choices.ids.set(0, -1);
  choices.ids.set(1, 2);
  const HostTensor y(SGL_F32, {1, 40});
  ASSERT_OK(run(context, y, x, choices, experts));
  EXPECT_EQ(std::vector<double>(40, 0.0), y.values());
}

TEST_F(MoeExperts, All_tokens_may_choose_one_expert) {
  const Experts experts(context, random, SGL_BF16, {6, 96, 64});
  const HostTensor x = HostTensor::normal(random, SGL_BF16, {70, 96});
  Choices choices(random, 70, 1, 6);
  for (int i = 0; i < 70; ++i) choices.ids.set(i, 5);
  const HostTensor y(SGL_BF16, {70, 96});
  ASSERT_OK(run(context, y, x, choices, experts));
  EXPECT_TRUE(is_close(y, expected_of(x, choices, experts), tolerance_of(SGL_BF16)));
}

TEST_F(MoeExperts, An_expert_may_be_chosen_twice) {
  const Experts experts(context, random, SGL_F32, {2, 40, 32});
  const HostTensor x = HostTensor::normal(random, SGL_F32, {3, 40});
  Choices choices(random, 3, 2, 2);
  for (int i = 0; i < 6; ++i) choices.ids.set(i, 1);
  const HostTensor y(SGL_F32, {3, 40});
  ASSERT_OK(run(context, y, x, choices, experts));
  EXPECT_TRUE(is_close(y, expected_of(x, choices, experts), tolerance_of(SGL_F32)));
}

TEST_F(MoeExperts, More_pairs_than_one_pass_holds) {
  const Experts experts(context, random, SGL_F32, {3, 16, 32});
  const HostTensor x = HostTensor::normal(random, SGL_F32, {4200, 16});
  const Choices choices(random, 4200, 2, 3);
  const HostTensor y(SGL_F32, {4200, 16});
  ASSERT_OK(run(context, y, x, choices, experts));
  EXPECT_TRUE(is_close(y, expected_of(x, choices, experts), tolerance_of(SGL_F32)));
}

TEST_F(MoeExperts, A_token_does_not_depend_on_its_batch_or_on_the_number_of_threads) {
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    constexpr int64_t kTokens = 33, kHidden = 70, kChoices = 3;
    const Experts experts(context, random, dtype, {4, kHidden, 64});
    const HostTensor x = HostTensor::normal(random, dtype, {kTokens, kHidden});
    const Choices choices(random, kTokens, kChoices, 4);
    const HostTensor whole(dtype, {kTokens, kHidden});
    ASSERT_OK(run(context, whole, x, choices, experts));
    for (int64_t token = 0; token < kTokens; ++token) {
      HostTensor one_x(dtype, {1, kHidden});
      const HostTensor one(dtype, {1, kHidden});
      Choices one_choice(random, 1, kChoices, 4);
      for (int64_t i = 0; i < kHidden; ++i) one_x.set(i, x.get(token * kHidden + i));
      for (int64_t i = 0; i < kChoices; ++i) {
        one_choice.ids.set(i, choices.ids.get(token * kChoices + i));
        one_choice.weights.set(i, choices.weights.get(token * kChoices + i));
      }
      ASSERT_OK(run(context, one, one_x, one_choice, experts));
      for (int64_t i = 0; i < kHidden; ++i) ASSERT_EQ(whole.get(token * kHidden + i), one.get(i)) << token << ", " << i;
    }
    const Context single(1);
    const Weight gate_up(single, dtype, experts.gate_up_rows), down(single, dtype, experts.down_rows);
    const HostTensor y(dtype, {kTokens, kHidden});
    const sgl_moe_args args{y, x, choices.weights, choices.ids, gate_up, down, 0, 0};
    ASSERT_OK(sgl_moe_experts(single, &args));
    EXPECT_EQ(whole.values(), y.values());
  }
}

TEST_F(MoeExperts, No_tokens_are_no_work) {
  const Experts experts(context, random, SGL_F32, {2, 40, 32});
  const HostTensor x(SGL_F32, {0, 40}), y(SGL_F32, {0, 40});
  const Choices choices(random, 0, 2, 2);
  EXPECT_OK(run(context, y, x, choices, experts));
}

}  // namespace
}  // namespace sgl::test
