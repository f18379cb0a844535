#include "cpu/kvcache/kvcache.hpp"

#include <cstring>

#include "abi/error.hpp"

// Pure copies, bound by memory: every row of head_dim elements is contiguous on both sides, and so is a whole page.

namespace sgl::cpu {

namespace {

/// Bytes that one worker takes at a time: small against a step's K and V, large against the cost of handing out work.
constexpr int64_t kGrainBytes = 64 * 1024;

int64_t size_of(sgl_dtype dtype) {
  switch (dtype) {
    case SGL_F32:
    case SGL_I32:
      return 4;
    case SGL_BF16:
    case SGL_F16:
      return 2;
    case SGL_I64:
      return 8;
    default:
      return 1;
  }
}

int64_t grain_for(int64_t item_bytes) { return item_bytes >= kGrainBytes ? 1 : kGrainBytes / item_bytes; }

/// A cache seen as bytes: [num_pages, num_kv_heads, page_size, row].
struct Cache {
  explicit Cache(const sgl_tensor& cache)
      : data(static_cast<char*>(cache.data)),
        num_heads(cache.shape[1]),
        page_size(cache.shape[2]),
        row_bytes(cache.shape[3] * size_of(cache.dtype)),
        page_bytes(num_heads * page_size * row_bytes) {}

  char* row(int64_t slot, int64_t head) const {
    return data + slot / page_size * page_bytes + (head * page_size + slot % page_size) * row_bytes;
  }

  char* data;
  int64_t num_heads;
  int64_t page_size;
  int64_t row_bytes;
  int64_t page_bytes;
};

}  // namespace

void kv_append(CpuContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k,
               const sgl_tensor& v, const sgl_tensor& slots) {
  const Cache k_pages(k_cache);
  const Cache v_pages(v_cache);
  const int64_t num_tokens = k.shape[0];
  const int64_t num_slots = k_cache.shape[0] * k_pages.page_size;
  const int64_t element_bytes = size_of(k.dtype);
  const auto* k_rows = static_cast<const char*>(k.data);
  const auto* v_rows = static_cast<const char*>(v.data);
  const auto* slot_of = static_cast<const int32_t*>(slots.data);
  const int64_t slot_stride = slots.stride[0];

  const auto write = [&](int64_t token, int64_t slot) {
    for (int64_t head = 0; head < k_pages.num_heads; ++head) {
      std::memcpy(k_pages.row(slot, head), k_rows + (token * k.stride[0] + head * k.stride[1]) * element_bytes,
                  static_cast<size_t>(k_pages.row_bytes));
      std::memcpy(v_pages.row(slot, head), v_rows + (token * v.stride[0] + head * v.stride[1]) * element_bytes,
                  static_cast<size_t>(v_pages.row_bytes));
    }
  };

  for (int64_t token = 0; token < num_tokens; ++token) {
    const int64_t slot = slot_of[token * slot_stride];
    if (slot < 0 || slot >= num_slots) {
      fail(SGL_INVALID_ARGUMENT, "kv_append: slots[%lld] is %lld, but the cache has slots 0 to %lld (%lld pages of %lld)",
           static_cast<long long>(token), static_cast<long long>(slot), static_cast<long long>(num_slots - 1),
           static_cast<long long>(k_cache.shape[0]), static_cast<long long>(k_pages.page_size));
    }
  }
  const int64_t grain = grain_for(2 * k_pages.num_heads * k_pages.row_bytes);
  context.pool.for_each(num_tokens, grain, [&](int, int64_t begin, int64_t end) {
    for (int64_t token = begin; token < end; ++token) {
      const int64_t slot = slot_of[token * slot_stride];
      // Padded tokens share slots of page 0, so one thread writes them, below.
      if (slot >= k_pages.page_size) write(token, slot);
    }
  });
  for (int64_t token = 0; token < num_tokens; ++token) {
    const int64_t slot = slot_of[token * slot_stride];
    if (slot < k_pages.page_size) write(token, slot);
  }
}

void kv_copy(CpuContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
             const sgl_tensor& source_pages) {
  const Cache k_pages(k_cache);
  const Cache v_pages(v_cache);
  const int64_t num_copies = destination_pages.shape[0];
  const int64_t num_pages = k_cache.shape[0];
  const auto* destinations = static_cast<const int32_t*>(destination_pages.data);
  const auto* sources = static_cast<const int32_t*>(source_pages.data);
  const int64_t destination_stride = destination_pages.stride[0];
  const int64_t source_stride = source_pages.stride[0];

  for (int64_t i = 0; i < num_copies; ++i) {
    const int64_t destination = destinations[i * destination_stride];
    const int64_t source = sources[i * source_stride];
    if (destination < 0 || destination >= num_pages || source < 0 || source >= num_pages) {
      fail(SGL_INVALID_ARGUMENT, "kv_copy: copy %lld is from page %lld to page %lld, but the cache has pages 0 to %lld",
           static_cast<long long>(i), static_cast<long long>(source), static_cast<long long>(destination),
           static_cast<long long>(num_pages - 1));
    }
  }
  context.pool.for_each(2 * num_copies, grain_for(k_pages.page_bytes), [&](int, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      const Cache& cache = item % 2 == 0 ? k_pages : v_pages;
      const int64_t destination = destinations[item / 2 * destination_stride];
      const int64_t source = sources[item / 2 * source_stride];
      std::memcpy(cache.data + destination * cache.page_bytes, cache.data + source * cache.page_bytes,
                  static_cast<size_t>(cache.page_bytes));
    }
  });
}

}  // namespace sgl::cpu
