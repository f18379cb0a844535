#include "cpu/sampling/token_filter.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include "cpu/sampling/sort_key.hpp"

namespace sgl::cpu {

namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();

/// Ids looked at one by one; a distribution with a longer head than this is counted in bins first.
constexpr int64_t kMaxListed = 256;

/// How far the walk down the order may go.
struct Limits {
  int64_t num_ids;
  double mass;  // relative to the largest weight; the element that passes it is the last
};

/// Where a walk stands.
struct Walk {
  int64_t num_kept = 0;
  double mass = 0;
  Cut cut{kInfinity, -1};  // nothing kept yet
  bool is_over = false;

  /// Keeps what the limits allow of `keys`, the next ones in order; returns how many.
  int64_t advance(const RowScan& scan, const Limits& limits, const uint64_t* keys, int64_t num_keys) {
    for (int64_t i = 0; i < num_keys; ++i) {
      if (num_kept > 0 && (num_kept >= limits.num_ids || mass > limits.mass)) {
        is_over = true;
        return i;
      }
      ++num_kept;
      mass += scan.weight_of(logit_of(keys[i]));
      cut = {logit_of(keys[i]), id_of(keys[i])};
    }
    return num_keys;
  }
};

/// Counts the row's logits in bins.
void count_bins(RowScan& scan) {
  const RowMemory& memory = scan.memory();
  std::fill_n(memory.bin_counts, kNumBins, 0);
  std::fill_n(memory.bin_weights, kNumBins, 0.0);
  for (int chunk = 0; chunk < scan.num_chunks(); ++chunk) {
    scan.kernels().count(scan.span(chunk), scan.weighting(), memory.bin_counts, memory.bin_weights);
  }
}

/// The walk over all ids, of which whole bins are passed at once. Needs `count_bins`.
Walk walk_bins(RowScan& scan, const Limits& limits) {
  const RowMemory& memory = scan.memory();
  Walk walk;
  for (int bin = 0; bin < kNumBins; ++bin) {
    const int64_t count = memory.bin_counts[bin];
    if (count == 0) continue;
    if (walk.num_kept + count <= limits.num_ids && walk.mass + memory.bin_weights[bin] <= limits.mass) {
      walk.num_kept += count;
      walk.mass += memory.bin_weights[bin];
      continue;
    }
    int64_t num_keys = 0;
    for (int chunk = 0; chunk < scan.num_chunks(); ++chunk) {
      num_keys += scan.kernels().collect_bin(scan.span(chunk), scan.weighting(), bin, memory.keys + num_keys);
    }
    std::sort(memory.keys, memory.keys + num_keys);
    // Should the limits allow none of them, the cut is just above the first.
    walk.cut = {logit_of(memory.keys[0]), -1};
    walk.advance(scan, limits, memory.keys, num_keys);
    // NOTE: bins add up weights in another order than the walk does, so a limit of mass may be met an element later than the
    // bin promised. That is within rounding, and the elements of the next bin are lighter.
    walk.is_over = true;
    return walk;
  }
  walk.cut = Cut{};
  return walk;
}

/// The least logit that min-p keeps.
float min_p_floor(const RowScan& scan, double min_p) {
  const double floor = static_cast<double>(scan.max()) + scan.temperature() * std::log(min_p);
  auto rounded = static_cast<float>(floor);
  if (static_cast<double>(rounded) < floor) rounded = std::nextafter(rounded, kInfinity);
  return std::max(std::numeric_limits<float>::lowest(), std::min(rounded, scan.max()));
}

bool is_stricter(const Cut& a, const Cut& b) { return a.value != b.value ? a.value > b.value : a.last_id < b.last_id; }

}  // namespace

Kept filter(RowScan& scan, const sgl_sampling_row& row) {
  const int64_t vocabulary = scan.vocabulary();
  const bool limits_rank = row.top_k > 0 && row.top_k < vocabulary;
  const bool limits_mass = row.top_p < 1;
  const bool has_min_p = row.min_p > 0;
  Kept kept;
  if (!limits_rank && !limits_mass && !has_min_p) {
    kept.is_all = true;
    return kept;
  }
  const Cut floor = has_min_p ? Cut{min_p_floor(scan, static_cast<double>(row.min_p)), INT32_MAX} : Cut{};
  kept.cut = floor;
  if (!limits_rank && !limits_mass) return kept;

  const int64_t top_k = limits_rank ? row.top_k : vocabulary;
  const bool counts_top_k_only = has_min_p && limits_rank && limits_mass;
  Limits limits{top_k, limits_mass ? static_cast<double>(row.top_p) * scan.total() : std::numeric_limits<double>::infinity()};

  const int64_t num_wanted = std::min({top_k, kMaxListed, scan.num_maxima()});
  const int64_t num_keys = scan.largest(num_wanted);
  const uint64_t* keys = scan.memory().keys;
  const bool lists_all = num_keys < num_wanted;  // others are forbidden
  const bool lists_top_k = lists_all || num_keys >= top_k;
  if (counts_top_k_only && lists_top_k) {
    Walk top;
    top.advance(scan, {top_k, std::numeric_limits<double>::infinity()}, keys, num_keys);
    limits.mass = static_cast<double>(row.top_p) * top.mass;
  }
  if (!counts_top_k_only || lists_top_k) {
    Walk walk;
    const int64_t num_walked = walk.advance(scan, limits, keys, num_keys);
    const bool reaches_floor = has_min_p && num_keys > 0 && logit_of(keys[num_keys - 1]) < floor.value;
    if (walk.is_over || lists_all || walk.num_kept >= top_k || walk.mass > limits.mass || reaches_floor) {
      kept.num_listed = num_walked;
      while (kept.num_listed > 1 && logit_of(keys[kept.num_listed - 1]) < floor.value) --kept.num_listed;
      kept.cut = is_stricter(walk.cut, floor) ? walk.cut : floor;
      return kept;
    }
  }
  count_bins(scan);
  if (counts_top_k_only && !lists_top_k) {
    const Walk top = walk_bins(scan, {top_k, std::numeric_limits<double>::infinity()});
    limits.mass = static_cast<double>(row.top_p) * top.mass;
  }
  const Walk walk = walk_bins(scan, limits);
  kept.cut = is_stricter(walk.cut, floor) ? walk.cut : floor;
  return kept;
}

}  // namespace sgl::cpu
