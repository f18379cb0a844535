#include "sgl/graph.h"

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

sgl_status sgl_graph_launch(sgl_context* context, sgl_graph* graph) {
  constexpr const char* op = "graph_launch";
  return guard(op, [&] { backend_of(op, context).graph_launch(require(op, "graph", graph)); });
}

void sgl_graph_destroy(sgl_graph* graph) { delete graph; }
