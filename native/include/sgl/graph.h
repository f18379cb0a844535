#ifndef SGL_GRAPH_H
#define SGL_GRAPH_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An executable recording of work. Belongs to its context and is destroyed before it.
typedef struct sgl_graph sgl_graph;

typedef enum sgl_graph_node_kind {
  SGL_GRAPH_NODE_KERNEL = 0,
  SGL_GRAPH_NODE_COPY = 1,
  SGL_GRAPH_NODE_SET = 2,
  SGL_GRAPH_NODE_OTHER = 3
} sgl_graph_node_kind;

/// Starts recording the work queued on the context instead of running it. SGL_UNSUPPORTED where
/// `sgl_device_info.supports_graphs` is 0.
SGL_API sgl_status sgl_graph_capture_begin(sgl_context* context);
SGL_API sgl_status sgl_graph_capture_end(sgl_context* context, sgl_graph** graph);
/// Nodes that the capture under way has recorded so far: what is recorded between two questions has the numbers between them.
SGL_API sgl_status sgl_graph_capture_num_nodes(sgl_context* context, int32_t* num_nodes);
/// Kinds of the nodes in the order they were recorded; `count` is how many there are, of which `capacity` are written.
SGL_API sgl_status sgl_graph_get_nodes(sgl_graph* graph, sgl_graph_node_kind* kinds, int32_t* count, int32_t capacity);
SGL_API sgl_status sgl_graph_launch(sgl_context* context, sgl_graph* graph);
SGL_API void sgl_graph_destroy(sgl_graph* graph);

#ifdef __cplusplus
}
#endif
#endif
