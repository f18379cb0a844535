#ifndef SGL_DEVICE_H
#define SGL_DEVICE_H

#include "sgl/base.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum sgl_device_kind { SGL_DEVICE_CPU = 0, SGL_DEVICE_CUDA = 1 } sgl_device_kind;

typedef struct sgl_device_info {
  sgl_device_kind kind;
  int32_t ordinal;
  /// Compute capability of a GPU; 0 on the CPU.
  int32_t compute_major;
  int32_t compute_minor;
  /// Streaming multiprocessors of a GPU; physical cores usable by this process on the CPU.
  int32_t num_processors;
  /// 1 where graph capture is available.
  int32_t supports_graphs;
  uint64_t total_memory_bytes;
  uint64_t free_memory_bytes;
  /// NUL-terminated, e.g. "NVIDIA H100 80GB HBM3" or "AMD EPYC".
  char name[128];
  /// NUL-terminated instruction set in use: "avx512_bf16", "avx512", "avx2", "generic"; "sm_90" on a GPU.
  char isa[32];
} sgl_device_info;

typedef struct sgl_context_options {
  sgl_device_kind kind;
  int32_t ordinal;
  /// CPU: worker threads of this context including the calling one; 0 means one per physical core. GPU: ignored.
  int32_t num_threads;
  int32_t reserved;
} sgl_context_options;

/// One device (or one share of the CPU) with one stream. Created, used and destroyed by one thread at a time; work is
/// asynchronous on a GPU and complete on return on the CPU.
typedef struct sgl_context sgl_context;

/// A point in a context's stream. Belongs to the context that made it.
typedef struct sgl_event sgl_event;

/// Number of devices of a kind; 0, not an error, where the backend or its driver is absent.
SGL_API sgl_status sgl_device_count(int32_t* count, sgl_device_kind kind);

/// Why `sgl_device_count` of that kind is 0, for the user: "libsgl_cuda.so is not beside libsgl.so". Empty if it is not.
SGL_API const char* sgl_device_unavailable_reason(sgl_device_kind kind);

SGL_API sgl_status sgl_device_get_info(sgl_device_info* info, sgl_device_kind kind, int32_t ordinal);

SGL_API sgl_status sgl_context_create(sgl_context** context, const sgl_context_options* options);
SGL_API void sgl_context_destroy(sgl_context* context);
/// Waits until all work queued on the context has finished.
SGL_API sgl_status sgl_context_synchronize(sgl_context* context);
/// Worker threads of a CPU context including the calling one; 1 on a GPU.
SGL_API sgl_status sgl_context_num_threads(sgl_context* context, int32_t* num_threads);

/// Device memory, aligned to 256 bytes, contents undefined. SGL_OUT_OF_MEMORY says how much was asked and how much is free.
SGL_API sgl_status sgl_memory_allocate(sgl_context* context, void** data, uint64_t num_bytes);
SGL_API void sgl_memory_free(sgl_context* context, void* data);
/// Host memory that copies to the device run asynchronously from (page-locked on a GPU). Usable from any thread.
SGL_API sgl_status sgl_host_allocate(sgl_context* context, void** data, uint64_t num_bytes);
SGL_API void sgl_host_free(sgl_context* context, void* data);

/// Copies between any two of device and host memory, ordered in the context's stream.
SGL_API sgl_status sgl_memory_copy(sgl_context* context, void* destination, const void* source, uint64_t num_bytes);
SGL_API sgl_status sgl_memory_set(sgl_context* context, void* destination, int32_t byte_value, uint64_t num_bytes);

SGL_API sgl_status sgl_event_create(sgl_context* context, sgl_event** event);
SGL_API void sgl_event_destroy(sgl_event* event);
SGL_API sgl_status sgl_event_record(sgl_context* context, sgl_event* event);
/// Waits on the host until the event has happened; returns at once for an event never recorded.
SGL_API sgl_status sgl_event_synchronize(sgl_event* event);
/// Sets `is_complete` to 1 when the recorded work has finished, else to 0. Never waits.
SGL_API sgl_status sgl_event_query(sgl_event* event, int32_t* is_complete);
/// Time between two recorded events, in microseconds. Both must have completed.
SGL_API sgl_status sgl_event_elapsed(double* microseconds, sgl_event* start, sgl_event* stop);

#ifdef __cplusplus
}
#endif
#endif
