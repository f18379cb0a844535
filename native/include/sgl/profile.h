#ifndef SGL_PROFILE_H
#define SGL_PROFILE_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// What a profiler needs to know of a GPU, in the terms of the CUDA runtime.
typedef struct sgl_device_properties {
  int64_t total_memory_bytes;
  int64_t shared_bytes_per_block;
  int64_t shared_bytes_per_block_optin;
  int64_t shared_bytes_per_processor;
  /// Shared memory that the system takes of every block.
  int64_t reserved_shared_bytes_per_block;
  int64_t memory_bytes_per_second;
  int32_t ordinal;
  int32_t compute_major;
  int32_t compute_minor;
  int32_t num_processors;
  int32_t threads_per_block;
  int32_t threads_per_processor;
  int32_t blocks_per_processor;
  int32_t registers_per_block;
  int32_t registers_per_processor;
  int32_t warp_size;
  /// As the CUDA runtime numbers versions, e.g. 12080.
  int32_t runtime_version;
  int32_t driver_version;
  char name[128];
} sgl_device_properties;

/// SGL_UNSUPPORTED on the CPU.
SGL_API sgl_status sgl_context_get_properties(sgl_context* context, sgl_device_properties* properties);

/// cudaProfilerStart and cudaProfilerStop, the marks of an external profiler's capture range, called on the calling thread with
/// the context's device current. SGL_UNSUPPORTED on the CPU.
SGL_API sgl_status sgl_profiler_start(sgl_context* context);
SGL_API sgl_status sgl_profiler_stop(sgl_context* context);

// NVTX: ranges for whichever tool has put its library into NVTX_INJECTION64_PATH. Works without a GPU.

/// 1 when a tool listens. The first call reads NVTX_INJECTION64_PATH and loads the tool's library; thread safe.
SGL_API int32_t sgl_nvtx_is_active(void);
/// Opens a range of the default domain on the calling thread. `text` is UTF-8, copied by the tool; `argb` 0 is no colour. Does
/// nothing when no tool listens.
SGL_API void sgl_nvtx_push(const char* text, uint32_t argb);
/// Closes the innermost range of the calling thread.
SGL_API void sgl_nvtx_pop(void);

// Device activity through CUPTI, which is opened at run time. Its records stay in native buffers until they are read.

typedef enum sgl_activity_kind {
  SGL_ACTIVITY_KERNEL = 0,
  SGL_ACTIVITY_COPY = 1,
  SGL_ACTIVITY_SET = 2,
  SGL_ACTIVITY_RUNTIME = 3,
  SGL_ACTIVITY_DRIVER = 4,
  SGL_ACTIVITY_SYNC = 5,
  SGL_ACTIVITY_OVERHEAD = 6
} sgl_activity_kind;

/// One finished activity. Times are nanoseconds of CLOCK_MONOTONIC. Fields that a kind does not have are 0.
typedef struct sgl_activity {
  int64_t start_ns;
  int64_t end_ns;
  /// Bytes of a copy or a set.
  int64_t num_bytes;
  /// Not 0 for work of a graph.
  uint64_t graph_node;
  sgl_activity_kind kind;
  /// For `sgl_device_trace_name`: of a kernel, demangled; of a call, without its version; of the rest as written
  /// into traces, e.g. "Memcpy HtoD (Pinned -> Device)".
  int32_t name;
  /// Pairs a call with its work; all work of one graph launch shares it.
  uint32_t correlation;
  uint32_t thread;
  uint32_t device;
  uint32_t context;
  /// -1 for the whole device.
  int32_t stream;
  uint32_t graph;
  int32_t grid[3];
  int32_t block[3];
  uint32_t registers_per_thread;
  uint32_t static_shared_bytes;
  uint32_t dynamic_shared_bytes;
  /// Callback number of a call, type of a synchronisation.
  uint32_t detail;
  uint32_t channel;
  int32_t channel_type;
} sgl_activity;

/// What is missing between the start and the stop of a trace, as far as it is known.
typedef struct sgl_device_trace_loss {
  /// Records that found no buffer.
  int64_t dropped_records;
  /// Records of a kind or layout that this library does not know.
  int64_t unknown_records;
} sgl_device_trace_loss;

typedef struct sgl_device_trace_options {
  /// Path of libcupti; null looks beside the loaded CUDA driver's toolkit and in the usual places, and in SGL_CUPTI_LIBRARY
  /// first.
  const char* library;
  /// Of one buffer, at least 1024; 0 is 4 MiB.
  int64_t buffer_bytes;
  /// Of all buffers that wait to be read; 0 is 512 MiB. Records beyond it are dropped and counted.
  int64_t max_bytes;
} sgl_device_trace_options;

/// The process's connection to CUPTI: at most one is open. From the first start on CUPTI is attached to the process and stays:
/// the driver then launches graphs node by node, and every call costs more. All functions are thread safe; `read` and `name` are
/// for one reader at a time.
typedef struct sgl_device_trace sgl_device_trace;

/// SGL_UNSUPPORTED, with the reason for the user, where CUPTI is missing or an external profiler (Nsight) is attached to the
/// process. Reads the environment; attaches nothing.
SGL_API sgl_status sgl_device_trace_open(sgl_device_trace** trace, const sgl_device_trace_options* options);
/// Ends the connection's use; buffers are freed.
SGL_API void sgl_device_trace_close(sgl_device_trace* trace);
/// The first start attaches CUPTI, which takes some 10 to 40 ms, to be done while no graph is under way on a device of the
/// process. Graphs that were captured before are traced as well.
SGL_API sgl_status sgl_device_trace_start(sgl_device_trace* trace);
/// Stops recording and hands over every buffer. Work still running on a device is lost: synchronise first.
SGL_API sgl_status sgl_device_trace_stop(sgl_device_trace* trace);
/// Hands over the buffers that are complete; for a long trace, every few milliseconds.
SGL_API sgl_status sgl_device_trace_flush(sgl_device_trace* trace);
/// Takes the oldest records that were handed over; `count` is 0 when there are none.
SGL_API sgl_status sgl_device_trace_read(sgl_device_trace* trace, sgl_activity* records, int32_t capacity, int32_t* count);
/// UTF-8, valid until the trace is closed; null for a number that no record had.
SGL_API const char* sgl_device_trace_name(sgl_device_trace* trace, int32_t name);
/// Since the last start.
SGL_API sgl_status sgl_device_trace_get_loss(sgl_device_trace* trace, sgl_device_trace_loss* loss);
/// CUPTI's version, e.g. 22; and whether its stamps come from our clock (1) or were shifted to it (0), known once it has started.
SGL_API sgl_status sgl_device_trace_get_version(sgl_device_trace* trace, int32_t* version, int32_t* has_own_clock);

#ifdef __cplusplus
}
#endif
#endif
