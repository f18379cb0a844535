#include <cmath>
#include <limits>

#include "reference/sampling.hpp"
#include "support/context.hpp"
#include "support/host_tensor.hpp"

namespace sgl::test {
namespace {

constexpr double kLowest = std::numeric_limits<float>::lowest();

class Logprobs : public CpuTest {
 protected:
  /// Runs with targets spread over the vocabulary, and compares all outputs with the reference.
  void run_and_compare(const HostTensor& logits, int64_t k, const std::vector<float>& temperatures) {
    const int64_t num_rows = logits.shape()[0], vocabulary = logits.shape()[1];
    std::vector<int32_t> targets;
    for (int64_t r = 0; r < num_rows; ++r) targets.push_back(static_cast<int32_t>(random.integer(0, vocabulary - 1)));
    const HostTensor target_ids = HostTensor::ids(targets);
    HostTensor target_logprobs(SGL_F32, {num_rows});
    HostTensor top_logprobs(SGL_F32, {num_rows, k}), top_ids(SGL_I32, {num_rows, k});
    const sgl_logprob_args args{target_logprobs, top_logprobs, top_ids,
                                logits,          target_ids,   temperatures.empty() ? nullptr : temperatures.data()};
    ASSERT_OK(sgl_logprobs(context, &args));
    for (int64_t r = 0; r < num_rows; ++r) {
      std::vector<double> row;
      for (int64_t id = 0; id < vocabulary; ++id) {
        const double logit = logits.get(r * vocabulary + id);
        row.push_back(std::isnan(logit) ? -1e5 : logit);
      }
      const double temperature = temperatures.empty() || temperatures[r] == 0 ? 1.0 : temperatures[r];
      const std::vector<double> expected = reference::log_softmax(row, temperature);
      const auto check = [&](double actual, int32_t id) {
        if (std::isinf(expected[id])) {
          ASSERT_EQ(actual, kLowest);
        } else {
          ASSERT_NEAR(actual, expected[id], 1e-5 + 2e-6 * std::fabs(expected[id])) << "row " << r << ", id " << id;
        }
      };
      check(target_logprobs.get(r), targets[r]);
      const std::vector<int32_t> order = reference::order_of(row);
      for (int64_t i = 0; i < k; ++i) {
        ASSERT_EQ(top_ids.get(r * k + i), order[i]) << "row " << r << ", rank " << i;
        check(top_logprobs.get(r * k + i), order[i]);
      }
    }
  }
};

TEST_F(Logprobs, Match_the_reference) {
  for (const int64_t vocabulary : {1, 17, 129, 4099, 33000}) {
    for (const int64_t k : {int64_t{1}, int64_t{5}, int64_t{20}, int64_t{700}}) {
      if (k > vocabulary) continue;
      SCOPED_TRACE("vocabulary " + std::to_string(vocabulary) + ", k " + std::to_string(k));
      const HostTensor logits = HostTensor::normal(random, SGL_F32, {5, vocabulary}, 4);
      run_and_compare(logits, k, {});
      run_and_compare(logits, k, {0, 1, 0.5f, 2, 0.1f});
    }
  }
}

TEST_F(Logprobs, Ties_go_to_the_lower_id) {
  HostTensor logits(SGL_F32, {2, 5000});
  for (int64_t i = 0; i < logits.num_elements(); ++i) logits.set(i, static_cast<double>(i % 3));
  run_and_compare(logits, 40, {});
}

TEST_F(Logprobs, Forbidden_ids_have_the_smallest_finite_float_and_come_last) {
  HostTensor logits = HostTensor::normal(random, SGL_F32, {3, 300}, 2);
  for (int64_t id = 0; id < 300; ++id) {
    if (id % 60 != 7) logits.set(id, -INFINITY);  // five are left of row 0
    logits.set(300 + id, -INFINITY);              // none of row 1
  }
  logits.set(600 + 9, NAN);
  HostTensor top_logprobs(SGL_F32, {3, 8}), top_ids(SGL_I32, {3, 8}), target_logprobs(SGL_F32, {3});
  const HostTensor targets = HostTensor::ids({0, 5, 9});
  const sgl_logprob_args args{target_logprobs, top_logprobs, top_ids, logits, targets, nullptr};
  ASSERT_OK(sgl_logprobs(context, &args));
  EXPECT_EQ(target_logprobs.get(0), kLowest);
  EXPECT_EQ(target_logprobs.get(1), kLowest);
  EXPECT_NEAR(target_logprobs.get(2), -1e5, 10);
  for (int64_t i = 0; i < 8; ++i) {
    EXPECT_EQ(static_cast<int>(top_ids.get(i)) % 60 == 7, i < 5) << i;
    EXPECT_EQ(top_logprobs.get(i) == kLowest, i >= 5) << i;
    EXPECT_EQ(top_ids.get(8 + i), i);
    EXPECT_EQ(top_logprobs.get(8 + i), kLowest);
  }
  EXPECT_EQ(top_ids.get(5), 0);
}

TEST_F(Logprobs, The_largest_may_be_left_out) {
  const HostTensor logits = HostTensor::normal(random, SGL_F32, {1, 4097}, 2);
  HostTensor target_logprobs(SGL_F32, {1});
  const HostTensor targets = HostTensor::ids({4096});
  const sgl_logprob_args args{target_logprobs, nullptr, nullptr, logits, targets, nullptr};
  ASSERT_OK(sgl_logprobs(context, &args));
  EXPECT_NEAR(target_logprobs.get(0), reference::log_softmax(logits.values(), 1)[4096], 1e-5);
}

}  // namespace
}  // namespace sgl::test
