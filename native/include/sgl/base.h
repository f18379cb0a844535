#ifndef SGL_BASE_H
#define SGL_BASE_H

#include <stdint.h>

#if defined(__GNUC__)
#define SGL_API __attribute__((visibility("default")))
#else
#define SGL_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/// Result of every call that can fail. The message of the last failure on the calling thread is `sgl_last_error()`.
typedef enum sgl_status {
  SGL_OK = 0,
  SGL_INVALID_ARGUMENT = 1,
  SGL_UNSUPPORTED = 2,
  SGL_OUT_OF_MEMORY = 3,
  SGL_CUDA = 4,
  /// The CUDA context is lost: every later call on that device fails too.
  SGL_CUDA_FATAL = 5,
  SGL_COMM = 6,
  SGL_CANCELLED = 7,
  SGL_INTERNAL = 8
} sgl_status;

typedef enum sgl_dtype {
  SGL_F32 = 0,
  SGL_BF16 = 1,
  SGL_F16 = 2,
  SGL_I32 = 3,
  SGL_I64 = 4,
  SGL_U8 = 5,
  SGL_F8_E4M3 = 6,
  SGL_F8_E5M2 = 7
} sgl_dtype;

/// A view of device memory: passed by pointer, read during the call, never kept. Strides are in elements; dimensions
/// past `rank` are ignored. Whoever made the memory owns it and keeps it alive until the work using it has finished.
typedef struct sgl_tensor {
  void* data;
  sgl_dtype dtype;
  int32_t rank;
  int64_t shape[4];
  int64_t stride[4];
} sgl_tensor;

/// One row of the layout table: `field` is empty and `offset` is 0 in the row that gives a struct's size.
typedef struct sgl_layout_entry {
  const char* type;
  const char* field;
  uint32_t offset;
  uint32_t size;
} sgl_layout_entry;

/// Message of the last failed call on this thread, UTF-8, valid until the next failing call on it. Never null.
SGL_API const char* sgl_last_error(void);

/// Version of the library, e.g. "0.1.0". Static storage.
SGL_API const char* sgl_version(void);

/// Hash of all declarations in these headers, compared by the bindings at load.
SGL_API uint64_t sgl_abi_hash(void);

/// Sizes and offsets of every struct as this library was compiled. Static storage.
SGL_API const sgl_layout_entry* sgl_abi_layout(int32_t* count);

#ifdef __cplusplus
}
#endif
#endif
