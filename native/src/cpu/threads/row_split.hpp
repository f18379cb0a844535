#pragma once

#include <algorithm>
#include <cstdint>

#include "cpu/threads/thread_pool.hpp"

namespace sgl::cpu {

/// Elements that a cheap row-wise operator passes over in about the time that waking the pool takes; less is done by the
/// caller alone.
inline constexpr int64_t kMinElementsPerWorker = 16384;

/// Splits [0, num_rows) rows of `width` elements over as many workers as are worth waking: body(begin, end).
template <class Body>
void for_each_row(ThreadPool& pool, int64_t num_rows, int64_t width, const Body& body) {
  const int64_t rows_per_piece = std::max<int64_t>(1, kMinElementsPerWorker / std::max<int64_t>(1, width));
  const int64_t even_share = (num_rows + pool.size() - 1) / pool.size();
  const int64_t grain = std::max(rows_per_piece, std::min(even_share, 4 * rows_per_piece));
  pool.for_each(num_rows, grain, [&](int, int64_t begin, int64_t end) { body(begin, end); });
}

}  // namespace sgl::cpu
