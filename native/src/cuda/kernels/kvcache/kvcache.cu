#include <algorithm>

#include "cuda/kernels/kvcache/kvcache.cuh"
#include "cuda/kernels/kvcache/kvcache.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

constexpr int kCopiesPerThread = 4;
/// Pairs of K and V copies in one launch.
constexpr int64_t kMaxCopies = kMaxGridY / 2;

/// Calls `run` with a null pointer of the largest unsigned type of which rows are whole, aligned pieces.
template <class Run>
void with_piece(int64_t row_bytes, std::initializer_list<const sgl_tensor*> tensors, const Run& run) {
  const auto allow = [&](int64_t num_bytes) {
    if (row_bytes % num_bytes != 0) return false;
    return std::all_of(tensors.begin(), tensors.end(), [&](const sgl_tensor* t) { return rows_are_aligned(*t, num_bytes); });
  };
  if (allow(16)) return run(static_cast<uint4*>(nullptr));
  if (allow(4)) return run(static_cast<uint32_t*>(nullptr));
  run(static_cast<uint16_t*>(nullptr));
}

}  // namespace

void kv_append(CudaContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& k,
               const sgl_tensor& v, const sgl_tensor& slots) {
  const int64_t row_bytes = k.shape[2] * element_bytes(k.dtype);
  with_piece(row_bytes, {&k_cache, &v_cache, &k, &v}, [&]<class Piece>(Piece*) {
    constexpr auto kPieceBytes = static_cast<int64_t>(sizeof(Piece));
    KvAppendParams params{};
    params.k_cache = k_cache.data;
    params.v_cache = v_cache.data;
    params.k = k.data;
    params.v = v.data;
    params.slots = static_cast<const int32_t*>(slots.data);
    for (int axis = 0; axis < 2; ++axis) {
      params.k_stride[axis] = k.stride[axis] * element_bytes(k.dtype) / kPieceBytes;
      params.v_stride[axis] = v.stride[axis] * element_bytes(v.dtype) / kPieceBytes;
    }
    params.num_slots = k_cache.shape[0] * k_cache.shape[2];
    params.num_kv_heads = static_cast<int32_t>(k_cache.shape[1]);
    params.page_size = static_cast<int32_t>(k_cache.shape[2]);
    params.row_pieces = static_cast<int32_t>(row_bytes / kPieceBytes);
    LaunchConfig config;
    config.grid = dim3(static_cast<unsigned>(k.shape[0]), 2);
    const int64_t num_pieces = int64_t{params.num_kv_heads} * params.row_pieces;
    config.block = static_cast<unsigned>(std::min<int64_t>(kKvThreads, (num_pieces + 31) / 32 * 32));
    config.overlaps_predecessor = true;
    launch(context, "kv_append", kv_append_kernel<Piece>, config, params);
  });
}

void kv_copy(CudaContext& context, const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor& destination_pages,
             const sgl_tensor& source_pages) {
  const int64_t page_bytes = k_cache.shape[1] * k_cache.shape[2] * k_cache.shape[3] * element_bytes(k_cache.dtype);
  const int64_t num_copies = destination_pages.shape[0];
  with_piece(page_bytes, {&k_cache, &v_cache}, [&]<class Piece>(Piece*) {
    KvCopyParams params{};
    params.k_cache = k_cache.data;
    params.v_cache = v_cache.data;
    params.page_pieces = page_bytes / static_cast<int64_t>(sizeof(Piece));
    params.num_pages = k_cache.shape[0];
    for (int64_t first = 0; first < num_copies; first += kMaxCopies) {
      params.destinations = static_cast<const int32_t*>(destination_pages.data) + first;
      params.sources = static_cast<const int32_t*>(source_pages.data) + first;
      LaunchConfig config;
      config.grid = dim3(blocks_for(params.page_pieces, kKvThreads * kCopiesPerThread),
                         static_cast<unsigned>(2 * std::min(kMaxCopies, num_copies - first)));
      config.block = kKvThreads;
      config.overlaps_predecessor = true;
      launch(context, "kv_copy", kv_copy_kernel<Piece, kCopiesPerThread>, config, params);
    }
  });
}

}  // namespace sgl::cuda
