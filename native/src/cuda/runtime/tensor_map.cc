#include "cuda/runtime/tensor_map.hpp"

#include <cudaTypedefs.h>
#include <cuda_runtime_api.h>

#include "abi/error.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

/// From the driver at run time, so that nothing links with it.
PFN_cuTensorMapEncodeTiled_v12000 encoder() {
  static const PFN_cuTensorMapEncodeTiled_v12000 found = [] {
    void* function = nullptr;
    cudaDriverEntryPointQueryResult result{};
#if CUDART_VERSION >= 12050
    check(cudaGetDriverEntryPointByVersion("cuTensorMapEncodeTiled", &function, 12000, cudaEnableDefault, &result),
          "tensor_map");
#else
    check(cudaGetDriverEntryPoint("cuTensorMapEncodeTiled", &function, cudaEnableDefault, &result), "tensor_map");
#endif
    if (result != cudaDriverEntryPointSuccess) fail(SGL_CUDA, "the NVIDIA driver has no cuTensorMapEncodeTiled; it needs 12.0");
    return reinterpret_cast<PFN_cuTensorMapEncodeTiled_v12000>(function);
  }();
  return found;
}

CUtensorMap encode(const void* data, int num_axes, const cuuint64_t* sizes, const cuuint64_t* stride_bytes,
                   const cuuint32_t* box) {
  CUtensorMap map{};
  constexpr cuuint32_t kElementStrides[4] = {1, 1, 1, 1};
  const CUresult result =
      encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, static_cast<cuuint32_t>(num_axes), const_cast<void*>(data), sizes,
                stride_bytes, box, kElementStrides, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    fail(SGL_INTERNAL, "cuTensorMapEncodeTiled: error %d for %d axes of %llu x %llu elements, %llu bytes apart",
         static_cast<int>(result), num_axes, static_cast<unsigned long long>(sizes[0]),
         static_cast<unsigned long long>(sizes[1]), static_cast<unsigned long long>(stride_bytes[0]));
  }
  return map;
}

}  // namespace

CUtensorMap encode_matrix(const void* data, int64_t num_rows, int64_t num_columns, int64_t stride, int box_rows) {
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(num_columns), static_cast<cuuint64_t>(num_rows)};
  const cuuint64_t stride_bytes[] = {static_cast<cuuint64_t>(stride) * 2};
  const cuuint32_t box[] = {64, static_cast<cuuint32_t>(box_rows)};
  return encode(data, 2, sizes, stride_bytes, box);
}

CUtensorMap encode_rows_by_eight(const void* data, int64_t num_rows, int64_t num_columns, int box_rows) {
  const auto columns = static_cast<cuuint64_t>(num_columns);
  const cuuint64_t sizes[] = {64, 8, columns / 64, static_cast<cuuint64_t>(num_rows) / 8};
  const cuuint64_t stride_bytes[] = {columns * 2, 128, columns * 16};
  const cuuint32_t box[] = {64, 8, static_cast<cuuint32_t>(num_columns / 64), static_cast<cuuint32_t>(box_rows / 8)};
  return encode(data, 4, sizes, stride_bytes, box);
}

CUtensorMap encode_heads(const sgl_tensor& rows, int box_heads) {
  const cuuint64_t sizes[] = {static_cast<cuuint64_t>(rows.shape[2]), static_cast<cuuint64_t>(rows.shape[1]),
                              static_cast<cuuint64_t>(rows.shape[0])};
  const cuuint64_t stride_bytes[] = {static_cast<cuuint64_t>(rows.stride[1]) * 2, static_cast<cuuint64_t>(rows.stride[0]) * 2};
  const cuuint32_t box[] = {64, static_cast<cuuint32_t>(box_heads), static_cast<cuuint32_t>(8 / box_heads)};
  return encode(rows.data, 3, sizes, stride_bytes, box);
}

CUtensorMap encode_halves(const void* data, int64_t half_rows, int64_t num_columns, int box_rows) {
  const auto columns = static_cast<cuuint64_t>(num_columns), half = static_cast<cuuint64_t>(half_rows);
  const cuuint64_t sizes[] = {columns, 8, 2, half / 8};
  const cuuint64_t stride_bytes[] = {columns * 2, half * columns * 2, 8 * columns * 2};
  const cuuint32_t box[] = {64, 8, 2, static_cast<cuuint32_t>(box_rows / 16)};
  return encode(data, 4, sizes, stride_bytes, box);
}

}  // namespace sgl::cuda
