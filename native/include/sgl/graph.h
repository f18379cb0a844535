#ifndef SGL_GRAPH_H
#define SGL_GRAPH_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// An executable recording of work. Belongs to its context and is destroyed before it.
typedef struct sgl_graph sgl_graph;

/// Starts recording the work queued on the context instead of running it. SGL_UNSUPPORTED where
/// `sgl_device_info.supports_graphs` is 0.
SGL_API sgl_status sgl_graph_capture_begin(sgl_context* context);
SGL_API sgl_status sgl_graph_capture_end(sgl_context* context, sgl_graph** graph);
SGL_API sgl_status sgl_graph_launch(sgl_context* context, sgl_graph* graph);
SGL_API void sgl_graph_destroy(sgl_graph* graph);

#ifdef __cplusplus
}
#endif
#endif
