#ifndef SGL_EMBEDDING_H
#define SGL_EMBEDDING_H

#include "sgl/device.h"
#include "sgl/gemm.h"

#ifdef __cplusplus
extern "C" {
#endif

/// y [num_tokens, in_features] = rows `ids` (i32 [num_tokens]) of a one-group weight [vocabulary, in_features], so that tied
/// embeddings are stored once. An id outside [0, vocabulary) is SGL_INVALID_ARGUMENT on the CPU and row 0 on a GPU.
SGL_API sgl_status sgl_embedding(sgl_context* context, const sgl_tensor* y, const sgl_weight* weight, const sgl_tensor* ids);

/// As sgl_embedding with the rows [first_id, first_id + out_features) of the vocabulary, one rank's share: an id outside them
/// gives a row of zeros, so that the sum over ranks is the embedding.
SGL_API sgl_status sgl_embedding_shard(sgl_context* context, const sgl_tensor* y, const sgl_weight* weight,
                                       const sgl_tensor* ids, int32_t first_id);

/// ids[i] = sources[i] if that is >= 0, else last_ids[-sources[i] - 1]: input ids of a step whose predecessor's tokens never
/// visited the host. All i32; ids and sources are [num_tokens], last_ids is [num_slots].
SGL_API sgl_status sgl_token_resolve(sgl_context* context, const sgl_tensor* ids, const sgl_tensor* sources,
                                     const sgl_tensor* last_ids);

/// last_ids[slots[i]] = ids[i]. All i32; ids and slots are [num_rows]; a negative slot is skipped.
SGL_API sgl_status sgl_token_scatter(sgl_context* context, const sgl_tensor* last_ids, const sgl_tensor* slots,
                                     const sgl_tensor* ids);

/// y [num_rows, n] = x[rows[i], :], of any type; rows is i32 [num_rows]. Picks the tokens whose logits are wanted.
SGL_API sgl_status sgl_gather_rows(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* rows);

/// y[i] = sum over j of x[rows[i, j]], plus residual[i] where that is given: in f32 in the order of j, the residual last, rounded once.
/// y and residual are [num_rows, n] of f32 or bf16, x [num_source_rows, n] of their type or f32, rows i32 [num_rows, w], dense; a
/// negative one adds nothing, and on a GPU one past the end neither. y may be residual. Puts together what other ranks have
/// computed of a rank's tokens.
SGL_API sgl_status sgl_gather_sum(sgl_context* context, const sgl_tensor* y, const sgl_tensor* x, const sgl_tensor* rows,
                                  const sgl_tensor* residual);

#ifdef __cplusplus
}
#endif
#endif
