#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "cuda/kernels/attention/attention_params.hpp"
#include "sgl/attention.h"

namespace sgl::cuda {

/// Blocks that are resident at once, the workers, and what they take at a time.
struct AttentionWorkers {
  int num_decode_workers;
  int num_prefill_workers;
  int prefill_rows;
  int num_sm90_workers;         // 0 without that kernel
  int num_decode_sm90_workers;  // likewise
};

/// How a step's work is divided. Requests of up to kDecodeRows query rows per KV head are decode, others prefill, so which
/// kernels run, and with how many blocks, depends on the number of queries alone: a captured graph serves any lengths of keys.
struct AttentionSplit {
  std::vector<DecodeRequest> decode_requests;
  std::vector<DecodeStretch> stretches;  // one for each worker that has work
  std::vector<PrefillTile> prefill_tiles;
  /// Whether the stretches are for Hopper's own decode kernel.
  bool is_for_decode_sm90;
  int32_t num_units;
  /// Of all KV heads together.
  int32_t num_prefill_partials;
  int32_t num_prefill_merges;
  /// Memory of the division itself.
  std::vector<int64_t> worker_done;
};

/// Split prefill tiles are at least this long, which pays for writing and adding up the parts.
inline constexpr int kMinSplitKeys = 512;

/// Decode requests from which on Hopper's own kernel takes them: from here on it is known to be faster. It leaves an SM's
/// first-level cache little room, which products of up to 8 rows, some of whose blocks start beside it, live by.
inline constexpr size_t kMinDecodeSm90Requests = 32;

/// Pure. `split` keeps its memory from step to step.
void split_attention(AttentionSplit& split, const sgl_attention_desc& desc, const sgl_attention_batch& batch,
                     const AttentionWorkers& workers);

/// Bounds of any step's `num_prefill_partials` and `num_prefill_merges`.
int max_prefill_partials(const AttentionWorkers& workers);
int max_prefill_merges(const AttentionWorkers& workers);

}  // namespace sgl::cuda
