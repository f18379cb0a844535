#include "reference/kvcache.hpp"

#include <cstring>

#include "reference/element.hpp"

namespace sgl::reference {

namespace {

/// Bits, not values: a copy keeps the payload of a NaN.
void copy_element(const sgl_tensor& to, int64_t to_index, const sgl_tensor& from, int64_t from_index) {
  const size_t size = to.dtype == SGL_BF16 ? 2 : 4;
  std::memcpy(static_cast<char*>(to.data) + to_index * size, static_cast<const char*>(from.data) + from_index * size, size);
}

int64_t cache_index(const sgl_tensor& cache, int64_t page, int64_t head, int64_t row, int64_t d) {
  return ((page * cache.shape[1] + head) * cache.shape[2] + row) * cache.shape[3] + d;
}

}  // namespace

void kv_append(const sgl_tensor& cache, const sgl_tensor& x, const sgl_tensor& slots) {
  for (int64_t token = 0; token < x.shape[0]; ++token) {
    const int64_t slot = load_id(slots, {token});
    for (int64_t head = 0; head < x.shape[1]; ++head) {
      for (int64_t d = 0; d < x.shape[2]; ++d) {
        copy_element(cache, cache_index(cache, slot / cache.shape[2], head, slot % cache.shape[2], d), x,
                     token * x.stride[0] + head * x.stride[1] + d);
      }
    }
  }
}

void kv_copy(const sgl_tensor& cache, const sgl_tensor& destination_pages, const sgl_tensor& source_pages) {
  for (int64_t i = 0; i < destination_pages.shape[0]; ++i) {
    const int64_t to = load_id(destination_pages, {i});
    const int64_t from = load_id(source_pages, {i});
    for (int64_t head = 0; head < cache.shape[1]; ++head) {
      for (int64_t row = 0; row < cache.shape[2]; ++row) {
        for (int64_t d = 0; d < cache.shape[3]; ++d) {
          copy_element(cache, cache_index(cache, to, head, row, d), cache, cache_index(cache, from, head, row, d));
        }
      }
    }
  }
}

}  // namespace sgl::reference
