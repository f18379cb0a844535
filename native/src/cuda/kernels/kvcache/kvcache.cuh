#pragma once

#include "cuda/ptx/grid_dependency.cuh"
#include "cuda/tile/vec.cuh"

// Pure copies, bound by memory: every byte once in, once out. Rows of head_dim elements are contiguous on both sides, and whole
// pages are; both move in pieces of 16 bytes where alignment allows. Pieces are unsigned integers of their size.

namespace sgl::cuda {

inline constexpr int kKvThreads = 256;

struct KvAppendParams {
  void* k_cache;  // [num_pages, num_kv_heads, page_size, row_pieces]
  void* v_cache;
  const void* k;  // [num_tokens, num_kv_heads, row_pieces]
  const void* v;
  const int32_t* slots;  // [num_tokens]
  int64_t k_stride[2];   // in pieces, like all sizes here
  int64_t v_stride[2];
  int64_t num_slots;
  int32_t num_kv_heads;
  int32_t page_size;
  int32_t row_pieces;
};

/// A block writes a token, blockIdx.y choosing K or V. Slots outside the cache are skipped.
template <class Piece>
__global__ void __launch_bounds__(kKvThreads) kv_append_kernel(const __grid_constant__ KvAppendParams params) {
  const int64_t token = blockIdx.x;
  const bool is_v = blockIdx.y == 1;
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  const int64_t slot = params.slots[token];
  if (slot < 0 || slot >= params.num_slots) return;
  const int64_t page = slot / params.page_size, row_in_page = slot % params.page_size;
  const int64_t(&stride)[2] = is_v ? params.v_stride : params.k_stride;
  const Piece* source = static_cast<const Piece*>(is_v ? params.v : params.k) + token * stride[0];
  Piece* cache = static_cast<Piece*>(is_v ? params.v_cache : params.k_cache);
  for (int i = threadIdx.x; i < params.num_kv_heads * params.row_pieces; i += blockDim.x) {
    const int head = i / params.row_pieces, piece = i % params.row_pieces;
    const int64_t row = (page * params.num_kv_heads + head) * params.page_size + row_in_page;
    cache[row * params.row_pieces + piece] = source[head * stride[1] + piece];
  }
}

struct KvCopyParams {
  void* k_cache;  // [num_pages, page_pieces]
  void* v_cache;
  const int32_t* destinations;  // [num_copies]
  const int32_t* sources;
  int64_t page_pieces;
  int64_t num_pages;
};

/// A block copies a stretch of kKvThreads * kPerThread pieces of page copy blockIdx.y, of K or (odd) V.
template <class Piece, int kPerThread>
__global__ void __launch_bounds__(kKvThreads) kv_copy_kernel(const __grid_constant__ KvCopyParams params) {
  const int64_t copy = blockIdx.y / 2;
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  const int64_t destination = params.destinations[copy], source = params.sources[copy];
  if (destination < 0 || destination >= params.num_pages || source < 0 || source >= params.num_pages) return;
  Piece* cache = static_cast<Piece*>(blockIdx.y % 2 == 1 ? params.v_cache : params.k_cache);
  const int64_t first = int64_t{blockIdx.x} * kKvThreads * kPerThread + threadIdx.x;
  Piece pieces[kPerThread];
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const int64_t piece = first + i * kKvThreads;
    if (piece < params.page_pieces) pieces[i] = cache[source * params.page_pieces + piece];
  }
#pragma unroll
  for (int i = 0; i < kPerThread; ++i) {
    const int64_t piece = first + i * kKvThreads;
    if (piece < params.page_pieces) cache[destination * params.page_pieces + piece] = pieces[i];
  }
}

}  // namespace sgl::cuda
