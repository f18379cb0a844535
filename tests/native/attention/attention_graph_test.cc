#include "attention/attention_case.hpp"
#include "sgl/graph.h"

namespace sgl::test {
namespace {

/// Records one attention run over the first requests of a batch, then replays it for lengths that grow and shrink, with the
/// plan updated in between, as a server does in decode.
void replay_for_many_lengths(const AttentionShape& shape) {
  SCOPED_TRACE(describe(shape));
  AttentionCase data(shape);
  const std::vector<int32_t> longest = data.kv_length;
  const Context context;
  const Plan plan(context, data.desc);
  const auto update_to = [&](int divisor) {
    for (size_t r = 0; r < longest.size(); ++r) {
      data.kv_length[r] = std::max(data.query_start[r + 1] - data.query_start[r], longest[r] / divisor);
    }
    const sgl_attention_batch step = data.batch();
    ASSERT_EQ(SGL_OK, sgl_attention_plan_update(context, plan, &step)) << sgl_last_error();
  };
  update_to(100);
  sgl_graph* graph = nullptr;
  ASSERT_EQ(SGL_OK, sgl_graph_capture_begin(context)) << sgl_last_error();
  EXPECT_EQ(SGL_OK, sgl_attention_run(context, plan, data.out, data.q, data.k, data.v, nullptr)) << sgl_last_error();
  ASSERT_EQ(SGL_OK, sgl_graph_capture_end(context, &graph)) << sgl_last_error();
  for (const int divisor : {1, 3, 50, 1}) {
    update_to(divisor);
    data.out.poison();
    ASSERT_OK(sgl_graph_launch(context, graph));
    EXPECT_TRUE(is_close(data.out, data.expected(), data.tolerance())) << "lengths divided by " << divisor;
  }
  sgl_graph_destroy(graph);
}

TEST(AttentionGraph, A_captured_run_serves_every_later_batch_of_its_shape) {
  if (!is_on_gpu()) GTEST_SKIP() << "graphs need a GPU";
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    AttentionShape shape;
    shape.dtype = dtype;
    shape.num_q_heads = 8;
    shape.requests = {{1, 5000}, {1, 129}, {1, 17}, {4, 900}, {1, 1}};
    replay_for_many_lengths(shape);
    shape.requests = {{1, 12000}};
    replay_for_many_lengths(shape);
    // More query rows than decode takes as one tile.
    shape.num_q_heads = 40;
    shape.num_kv_heads = 1;
    shape.requests = {{1, 6000}, {3, 700}};
    replay_for_many_lengths(shape);
  }
}

}  // namespace
}  // namespace sgl::test
