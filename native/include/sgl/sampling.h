#ifndef SGL_SAMPLING_H
#define SGL_SAMPLING_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// How one row of logits is sampled.
typedef struct sgl_sampling_row {
  /// 0 means greedy: the largest logit, ties to the lower id.
  float temperature;
  float top_p;
  float min_p;
  float frequency_penalty;
  float presence_penalty;
  float repetition_penalty;
  /// Tokens kept; 0 means all.
  int32_t top_k;
  /// 1: draw by the Gumbel hash of (seed, position, column), independent of the batch; 0: by one uniform of (seed, position).
  int32_t seeded;
  uint64_t seed;
  /// Tokens generated before this one, the position of the draw.
  int64_t position;
} sgl_sampling_row;

/// Sparse edits of the logits, host memory, read during the call. Lists of row r are [start[r], start[r+1]).
typedef struct sgl_sampling_lists {
  /// [num_rows + 1], null when no row has a penalty; ids generated so far with their counts.
  const int32_t* penalty_start;
  const int32_t* penalty_ids;
  const int32_t* penalty_counts;
  /// [num_rows + 1], null when no row has a bias; added to the logit; -infinity forbids.
  const int32_t* bias_start;
  const int32_t* bias_ids;
  const float* bias_values;
} sgl_sampling_lists;

typedef struct sgl_sampling_args {
  /// i32 [num_rows]
  const sgl_tensor* ids;
  /// f32 [num_rows] log-probability of the sampled id after temperature, before top-k, top-p and min-p; null if not wanted.
  const sgl_tensor* logprobs;
  /// f32 [num_rows, vocabulary]; penalties and biases are applied in place.
  const sgl_tensor* logits;
  /// [num_rows], host memory, read during the call.
  const sgl_sampling_row* rows;
  /// Null when no row has penalties or biases.
  const sgl_sampling_lists* lists;
  /// i32 [num_rows, ceil(vocabulary / 32)] bit masks of allowed ids, or null.
  const sgl_tensor* allowed;
} sgl_sampling_args;

/// Order: presence and frequency penalties, repetition penalty, mask, bias, temperature, softmax, top-k and top-p jointly,
/// min-p, draw. NaN logits count as -1e5. A row with no allowed id gets id -1.
SGL_API sgl_status sgl_sample(sgl_context* context, const sgl_sampling_args* args);

/// The greedy draw where ranks have parts of the vocabulary: best i32 [num_rows, 2] = the largest logit of each row of f32 [num_rows, w] and
/// its id, the column plus first_id, in a form that sgl_argmax_merge alone reads. w may be 0.
SGL_API sgl_status sgl_argmax_shard(sgl_context* context, const sgl_tensor* best, const sgl_tensor* logits, int32_t first_id);
/// ids i32 [num_rows] = what sgl_sample with temperature 0 and no edits draws of the whole rows; best is i32 [num_rows, 2 * num_parts],
/// the parts' in any order side by side.
SGL_API sgl_status sgl_argmax_merge(sgl_context* context, const sgl_tensor* ids, const sgl_tensor* best);

typedef struct sgl_logprob_args {
  /// f32 [num_rows] log-probability of targets; -infinity is raised to the smallest finite float.
  const sgl_tensor* target_logprobs;
  /// f32 and i32 [num_rows, k] in falling order, ties to the lower id; both null if not wanted.
  const sgl_tensor* top_logprobs;
  const sgl_tensor* top_ids;
  /// f32 [num_rows, vocabulary]
  const sgl_tensor* logits;
  /// i32 [num_rows]
  const sgl_tensor* targets;
  /// f32 [num_rows] in host memory; a value of 0 counts as 1; null means 1 for all.
  const float* temperatures;
} sgl_logprob_args;

/// log_softmax(logits / temperature) at given targets and at the k largest.
SGL_API sgl_status sgl_logprobs(sgl_context* context, const sgl_logprob_args* args);

#ifdef __cplusplus
}
#endif
#endif
