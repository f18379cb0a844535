#ifndef SGL_SGL_H
#define SGL_SGL_H

#include <stdint.h>

#define SGL_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

/// One line, not the members'.
typedef enum sgl_kind { SGL_KIND_CPU = 0, SGL_KIND_CUDA = 1 } sgl_kind;

typedef enum sgl_code {
  /// Below zero & <odd>.
  SGL_CODE_NOT_READY = -2,
  SGL_F8_E4M3 = 0x10,
  SGL_IMPLICIT
} sgl_code;

/// Owned by `sgl_thing_create`'s caller.
/// A second line with a \backslash.
typedef struct sgl_thing sgl_thing;

typedef struct sgl_inner {
  uint8_t flag;
  int16_t half;
} sgl_inner;

/// Every kind of field.
typedef struct sgl_outer {
  char name[5];
  sgl_kind kind;
  sgl_inner inner;
  // Not a documentation comment.
  double value;
  /// [num_items]
  const int32_t* items;
  const sgl_thing* thing;
  void* data;
  const char* text;
  uint16_t odd[3];
  float scale;
} sgl_outer;

/// Never null.
SGL_API const char* sgl_text(void);

SGL_API sgl_code sgl_thing_create(sgl_thing** thing, const sgl_outer* outer, sgl_kind kind);
SGL_API void sgl_thing_destroy(sgl_thing* thing);

/// Far too long for one line.
SGL_API sgl_code sgl_thing_run(sgl_thing* thing, void** out, const void* in, int64_t num_bytes, uint8_t byte_value,
                               float params, const sgl_thing* other, double* elapsed_microseconds);

#ifdef __cplusplus
}
#endif
#endif
