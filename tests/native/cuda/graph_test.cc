#include "sgl/graph.h"

#include <cmath>
#include <cstring>

#include "reference/linear.hpp"
#include "reference/norm.hpp"
#include "support/closeness.hpp"
#include "support/context.hpp"

namespace sgl::test {
namespace {

using Graph = CpuTest;

/// A recorded graph for the length of a scope.
class Recording {
 public:
  template <class Work>
  Recording(sgl_context* context, const Work& work) {
    EXPECT_EQ(SGL_OK, sgl_graph_capture_begin(context)) << sgl_last_error();
    work();
    EXPECT_EQ(SGL_OK, sgl_graph_capture_end(context, &graph_)) << sgl_last_error();
  }
  ~Recording() { sgl_graph_destroy(graph_); }
  Recording(const Recording&) = delete;
  Recording& operator=(const Recording&) = delete;

  operator sgl_graph*() const { return graph_; }

 private:
  sgl_graph* graph_ = nullptr;
};

// NOTE: calls inside a capture are checked with EXPECT_EQ, since EXPECT_OK waits for the stream.

TEST_F(Graph, A_replay_reads_what_the_memory_holds_then) {
  const HostTensor x(SGL_BF16, {4, 256}), normed(SGL_BF16, {4, 256}), y(SGL_F32, {4, 96});
  const auto norm_weight = HostTensor::uniform(random, SGL_BF16, {256}, 0.5, 1.5);
  const auto rows = HostTensor::normal(random, SGL_BF16, {96, 256}, 1.0 / 16);
  const Weight weight(context, SGL_BF16, rows);
  const sgl_linear_args args{y, normed, weight, nullptr, nullptr, SGL_EPILOGUE_NONE, 0, nullptr, nullptr, 0, 0};
  const Recording graph(context, [&] {
    EXPECT_EQ(SGL_OK, sgl_rms_norm(context, normed, x, norm_weight, 1e-5f)) << sgl_last_error();
    EXPECT_EQ(SGL_OK, sgl_linear(context, &args)) << sgl_last_error();
  });
  for (int replay = 0; replay < 3; ++replay) {
    const_cast<HostTensor&>(x).fill_normal(random);
    const_cast<HostTensor&>(y).poison();
    ASSERT_OK(sgl_graph_launch(context, graph));
    ASSERT_TRUE(is_close(normed, reference::rms_norm(x.view(), norm_weight.view(), 1e-5), rounding_of(SGL_BF16)));
    const auto expected = reference::linear(normed.view(), rows.view(), SGL_BF16, nullptr, nullptr, SGL_EPILOGUE_NONE);
    ASSERT_TRUE(is_close(y, expected, {1e-4, 1e-4})) << "replay " << replay;
  }
}

TEST_F(Graph, Scratch_that_grows_after_a_capture_leaves_the_graph_its_own) {
  // A gated product by the library goes through scratch memory.
  const auto rows = HostTensor::normal(random, SGL_BF16, {64, 64}, 0.125);
  const Weight weight(context, SGL_BF16, rows);
  const auto x = HostTensor::normal(random, SGL_BF16, {40, 64});
  const HostTensor y(SGL_BF16, {40, 32});
  const sgl_linear_args args{y, x, weight, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL, 0, nullptr, nullptr, 0, 0};
  ASSERT_OK(sgl_linear(context, &args));
  const Recording graph(context, [&] { EXPECT_EQ(SGL_OK, sgl_linear(context, &args)) << sgl_last_error(); });

  const auto wide_x = HostTensor::normal(random, SGL_BF16, {60000, 64});
  const HostTensor wide_y(SGL_BF16, {60000, 32});
  const sgl_linear_args wide{wide_y, wide_x, weight, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL, 0, nullptr, nullptr, 0, 0};
  ASSERT_OK(sgl_linear(context, &wide));

  const_cast<HostTensor&>(y).poison();
  ASSERT_OK(sgl_graph_launch(context, graph));
  const auto expected = reference::linear(x.view(), rows.view(), SGL_BF16, nullptr, nullptr, SGL_EPILOGUE_SILU_MUL);
  EXPECT_TRUE(is_close(y, expected, {1e-3, 1e-2}));
}

TEST_F(Graph, Host_arguments_keep_the_values_of_the_capture) {
  HostTensor logits(SGL_F32, {1, 300}), ids(SGL_I32, {1});
  logits.fill_normal(random, 2);
  logits.set(7, 50);
  logits.set(9, 40);
  sgl_sampling_row row{0, 1, 0, 0, 0, 1, 0, 0, 0, 0};
  std::vector<int32_t> start{0, 1}, bias_ids{7};
  std::vector<float> bias_values{-INFINITY};
  sgl_sampling_lists lists{nullptr, nullptr, nullptr, start.data(), bias_ids.data(), bias_values.data()};
  const sgl_sampling_args args{ids, nullptr, logits, &row, &lists, nullptr};
  const Recording graph(context, [&] { EXPECT_EQ(SGL_OK, sgl_sample(context, &args)) << sgl_last_error(); });
  bias_ids[0] = 9;
  for (int replay = 0; replay < 2; ++replay) {
    logits.set(7, 50);
    ids.poison();
    ASSERT_OK(sgl_graph_launch(context, graph));
    EXPECT_EQ(9, ids.get(0));
  }
}

TEST_F(Graph, Waiting_and_loading_during_a_capture_are_refused) {
  const auto rows = HostTensor::normal(random, SGL_BF16, {16, 16});
  const Weight weight(context, SGL_BF16, rows);
  const Recording graph(context, [&] {
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, "context_synchronize: not allowed during a capture", sgl_context_synchronize(context));
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, "weight_load: not allowed during a capture",
                 sgl_weight_load(context, weight, rows, 0, 0));
    EXPECT_FAILS(SGL_INVALID_ARGUMENT, "graph_capture_begin: a capture has begun already; end it first",
                 sgl_graph_capture_begin(context));
  });
  EXPECT_OK(sgl_graph_launch(context, graph));
  sgl_graph* none = nullptr;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "graph_capture_end: no capture has begun", sgl_graph_capture_end(context, &none));
}

}  // namespace
}  // namespace sgl::test
