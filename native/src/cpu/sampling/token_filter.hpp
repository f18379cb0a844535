#pragma once

#include "cpu/sampling/row_scan.hpp"
#include "sgl/sampling.h"

namespace sgl::cpu {

/// The ids that top-k, top-p and min-p leave. All three keep a prefix of the ids in falling order of logits, so its last
/// element says everything.
struct Kept {
  /// No filter at all.
  bool is_all = false;
  Cut cut;
  /// Where the kept ids are few: their number, as sort keys in order in the row's memory; else -1.
  int64_t num_listed = -1;
};

/// Element i in falling order, ties by id, is kept while i < top_k and the mass before it is at most top_p; with min-p, that
/// mass is counted in the top k alone, and the rest must weigh at least min_p of the largest. The largest always stays.
/// Needs the row's weights.
Kept filter(RowScan& scan, const sgl_sampling_row& row);

}  // namespace sgl::cpu
