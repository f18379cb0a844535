#include <cmath>
#include <ostream>
#include <sstream>

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
  const sgl_moe_args args{y, x, choices.weights, choices.ids, experts.gate_up, experts.down, nullptr, nullptr, first_expert, 0};
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
    const sgl_moe_args args{y, x, choices.weights, choices.ids, gate_up, down, nullptr, nullptr, 0, 0};
    ASSERT_OK(sgl_moe_experts(single, &args));
    EXPECT_EQ(whole.values(), y.values());
  }
}

TEST_F(MoeExperts, A_residual_is_added_also_where_it_is_the_result) {
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    for (const Dims dims : {Dims{4, 64, 32}, Dims{5, 65, 7}, Dims{8, 264, 200}}) {
      const Experts experts(context, random, dtype, dims);
      for (const int64_t num_tokens : {1, 2, 33}) {
        for (const bool is_result : {false, true}) {
          const Shape shape{num_tokens, dims.hidden};
          const HostTensor x = HostTensor::normal(random, dtype, shape);
          const Choices choices(random, num_tokens, 3, dims.num_experts);
          HostTensor residual(dtype, shape, HostTensor::gapped(shape, 5)), apart(dtype, shape, HostTensor::gapped(shape, 2));
          residual.fill_normal(random);
          std::vector<double> expected = expected_of(x, choices, experts);
          for (size_t i = 0; i < expected.size(); ++i) expected[i] += residual.get(i);
          const HostTensor& y = is_result ? residual : apart;
          const sgl_moe_args args{y, x, choices.weights, choices.ids, experts.gate_up, experts.down, residual, nullptr, 0, 0};
          ASSERT_OK(sgl_moe_experts(context, &args));
          EXPECT_TRUE(is_close(y, expected, tolerance_of(dtype))) << dims << ", " << num_tokens << " tokens";
        }
      }
    }
  }
}

TEST_F(MoeExperts, Logits_are_routed_first) {
  struct Case {
    Dims dims;
    int64_t num_routed, k;
    int32_t first_expert;
  };
  for (const sgl_dtype dtype : {SGL_F32, SGL_BF16}) {
    for (const Case c :
         {Case{{4, 64, 32}, 4, 3, 0}, Case{{5, 65, 7}, 5, 2, 0}, Case{{128, 136, 264}, 128, 8, 0}, Case{{6, 72, 136}, 13, 5, 4},
          Case{{3, 256, 1160}, 3, 1, 0}, Case{{2, 64, 1288}, 2, 2, 0}, Case{{40, 64, 64}, 40, 33, 0},
          Case{{16, 128, 200}, 1025, 16, 600}, Case{{16, 128, 200}, 300, 12, 7}}) {
      const Experts experts(context, random, dtype, c.dims);
      for (const sgl_dtype logits_dtype : {SGL_F32, SGL_BF16}) {
        for (const int64_t num_tokens : {1, 2, 37, 150}) {
          if (num_tokens * c.k * c.dims.hidden * c.dims.intermediate > 20'000'000) continue;  // the reference takes its time
          const bool renormalize = num_tokens != 2;
          const Shape shape{num_tokens, c.dims.hidden};
          const HostTensor x = HostTensor::normal(random, dtype, shape), residual = HostTensor::normal(random, dtype, shape);
          const HostTensor y(dtype, shape);
          HostTensor logits(logits_dtype, {num_tokens, c.num_routed}, HostTensor::gapped({num_tokens, c.num_routed}, 3));
          logits.fill_normal(random, 2);
          Choices choices(random, num_tokens, c.k, c.num_routed), routed(random, num_tokens, c.k, c.num_routed);
          ASSERT_OK(sgl_moe_route(context, routed.weights, routed.ids, logits, renormalize));
          std::vector<double> expected = expected_of(x, routed, experts, c.first_expert);
          for (size_t i = 0; i < expected.size(); ++i) expected[i] += residual.get(i);
          const sgl_moe_args args{y,        x,      choices.weights, choices.ids, experts.gate_up, experts.down,
                                  residual, logits, c.first_expert,  renormalize};
          ASSERT_OK(sgl_moe_experts(context, &args));
          const auto what = [&] {
            std::ostringstream out;
            out << c.dims << " of " << c.num_routed << ", k " << c.k << ", " << num_tokens << " tokens";
            return out.str();
          };
          EXPECT_EQ(routed.ids.id_values(), choices.ids.id_values()) << what();
          EXPECT_TRUE(choices.ids.gaps_are_intact());
          EXPECT_TRUE(is_close(choices.weights, routed.weights.values(), {1e-7, 1e-5})) << what();
          EXPECT_TRUE(is_close(y, expected, tolerance_of(dtype))) << what();
        }
      }
    }
  }
}

TEST_F(MoeExperts, One_token_of_more_columns_than_run_at_once) {
  for (const int64_t hidden : {1024, 2056}) {
    const Experts experts(context, random, SGL_BF16, {8, hidden, 808});
    const HostTensor x = HostTensor::normal(random, SGL_BF16, {1, hidden}), y(SGL_BF16, {1, hidden});
    const Choices choices(random, 1, 6, 8);
    ASSERT_OK(run(context, y, x, choices, experts));
    EXPECT_TRUE(is_close(y, expected_of(x, choices, experts), tolerance_of(SGL_BF16))) << "hidden " << hidden;
  }
}

TEST_F(MoeExperts, Ties_go_to_the_lower_expert_and_a_row_of_nan_names_different_ones) {
  const Experts experts(context, random, SGL_BF16, {6, 64, 64});
  const HostTensor x = HostTensor::normal(random, SGL_BF16, {1, 64}), y(SGL_BF16, {1, 64});
  Choices choices(random, 1, 4, 6);
  HostTensor logits(SGL_F32, {1, 6});
  const sgl_moe_args args{y, x, choices.weights, choices.ids, experts.gate_up, experts.down, nullptr, logits, 0, 1};
  const double values[] = {1, 3, 3, 0, 3, 1};
  for (int i = 0; i < 6; ++i) logits.set(i, values[i]);
  ASSERT_OK(sgl_moe_experts(context, &args));
  EXPECT_EQ((std::vector<int32_t>{1, 2, 4, 0}), choices.ids.id_values());
  for (int i = 0; i < 6; ++i) logits.set(i, std::nan(""));
  ASSERT_OK(sgl_moe_experts(context, &args));
  EXPECT_EQ((std::vector<int32_t>{0, 1, 2, 3}), choices.ids.id_values());
}

TEST_F(MoeExperts, No_tokens_are_no_work) {
  const Experts experts(context, random, SGL_F32, {2, 40, 32});
  const HostTensor x(SGL_F32, {0, 40}), y(SGL_F32, {0, 40});
  const Choices choices(random, 0, 2, 2);
  EXPECT_OK(run(context, y, x, choices, experts));
}

}  // namespace
}  // namespace sgl::test
