#ifndef SGL_GEMM_H
#define SGL_GEMM_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Matrices [num_groups, out_features, in_features] in the backend's packed layout. Owned by the caller, belongs to its
/// context. Filled once with `sgl_weight_load`, then read-only and usable by every operator of the context.
typedef struct sgl_weight sgl_weight;

typedef struct sgl_weight_desc {
  /// Experts of a grouped weight; 1 for a plain one.
  int32_t num_groups;
  /// Storage: SGL_BF16 or SGL_F32. Activations of a product must have the same type.
  sgl_dtype dtype;
  int64_t out_features;
  int64_t in_features;
} sgl_weight_desc;

/// Allocates; every element is zero until loaded.
SGL_API sgl_status sgl_weight_create(sgl_context* context, sgl_weight** weight, const sgl_weight_desc* desc);
SGL_API void sgl_weight_destroy(sgl_weight* weight);
SGL_API sgl_status sgl_weight_get_desc(const sgl_weight* weight, sgl_weight_desc* desc);
SGL_API sgl_status sgl_weight_num_bytes(const sgl_weight* weight, uint64_t* num_bytes);

/// Packs `rows` [n, in_features] (host memory; bf16, f16 or f32, converted; row stride free, last dimension dense) into rows
/// [row_offset, row_offset + n) of one group. Complete on return, so the source may be unmapped.
SGL_API sgl_status sgl_weight_load(sgl_context* context, sgl_weight* weight, const sgl_tensor* rows, int32_t group,
                                   int64_t row_offset);

typedef struct sgl_weight_fill_random_args {
  uint64_t seed;
  /// Values are uniform in [-scale, scale].
  float scale;
  /// Which rows are filled: [row_offset, row_offset + num_rows) of this group, all their columns.
  int32_t group;
  int64_t row_offset;
  int64_t num_rows;
  /// Where the first of them lies in the endless random matrix that `seed` names, so that slices of it agree with the whole.
  int64_t first_row;
  int64_t first_column;
} sgl_weight_fill_random_args;

/// Fills rows of the weight with a block of a random matrix, whose values are a pure function of (seed, row, column).
SGL_API sgl_status sgl_weight_fill_random(sgl_context* context, sgl_weight* weight, const sgl_weight_fill_random_args* args);

typedef enum sgl_epilogue {
  SGL_EPILOGUE_NONE = 0,
  /// y[m, n/2] = silu(gate) * up, where the weight's first n/2 rows make gate and the rest make up.
  SGL_EPILOGUE_SILU_MUL = 1
} sgl_epilogue;

typedef struct sgl_linear_args {
  /// [num_rows, out_features] in the activation type or f32; half as wide with SGL_EPILOGUE_SILU_MUL.
  const sgl_tensor* y;
  /// [num_rows, in_features]; the last dimension dense.
  const sgl_tensor* x;
  const sgl_weight* weight;
  /// [out_features] in the activation type, or null.
  const sgl_tensor* bias;
  /// Added to the result before it is rounded, [num_rows, out_features]; null for none; may alias y.
  const sgl_tensor* residual;
  sgl_epilogue epilogue;
  /// Of the norm.
  float eps;
  /// [in_features] in the activation type: rows of x are normalised first, as by `sgl_rms_norm`; null for none.
  const sgl_tensor* norm;
  /// With a norm, [num_rows, in_features] in the activation type: norm(x) afterwards where `keeps_normed`, else undefined.
  const sgl_tensor* normed;
  int32_t keeps_normed;
  int32_t reserved;
} sgl_linear_args;

/// y = epilogue(norm(x) * weight^T + bias) + residual, accumulated in f32. `weight` must have one group. num_rows may be 0.
/// With a norm either norm(x) is rounded to the activation type, or x times the norm's weight is and the rest is in f32.
SGL_API sgl_status sgl_linear(sgl_context* context, const sgl_linear_args* args);

#ifdef __cplusplus
}
#endif
#endif
