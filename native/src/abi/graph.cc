#include "sgl/graph.h"

#include <algorithm>

#include "abi/guard.hpp"

using namespace sgl;

sgl_status sgl_graph_capture_begin(sgl_context* context) {
  constexpr const char* op = "graph_capture_begin";
  return guard(op, [&] { backend_of(op, context).graph_capture_begin(); });
}

sgl_status sgl_graph_capture_end(sgl_context* context, sgl_graph** graph) {
  constexpr const char* op = "graph_capture_end";
  return guard(op, [&] {
    require(op, "graph", graph) = nullptr;
    *graph = backend_of(op, context).graph_capture_end().release();
  });
}

sgl_status sgl_graph_capture_num_nodes(sgl_context* context, int32_t* num_nodes) {
  constexpr const char* op = "graph_capture_num_nodes";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    require(op, "num_nodes", num_nodes) = backend.graph_capture_num_nodes();
  });
}

sgl_status sgl_graph_get_nodes(sgl_graph* graph, sgl_graph_node_kind* kinds, int32_t* count, int32_t capacity) {
  constexpr const char* op = "graph_get_nodes";
  return guard(op, [&] {
    const std::vector<sgl_graph_node_kind>& nodes = require(op, "graph", graph).nodes;
    require(op, "count", count) = static_cast<int32_t>(nodes.size());
    if (capacity > 0) std::copy_n(nodes.begin(), std::min<size_t>(capacity, nodes.size()), &require(op, "kinds", kinds));
  });
}

sgl_status sgl_graph_launch(sgl_context* context, sgl_graph* graph) {
  constexpr const char* op = "graph_launch";
  return guard(op, [&] { backend_of(op, context).graph_launch(require(op, "graph", graph)); });
}

void sgl_graph_destroy(sgl_graph* graph) { delete graph; }
