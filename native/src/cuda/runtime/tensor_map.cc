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

}  // namespace

CUtensorMap encode_matrix(const void* data, int64_t num_rows, int64_t num_columns, int64_t stride, int box_rows) {
  CUtensorMap map{};
  const cuuint64_t sizes[2] = {static_cast<cuuint64_t>(num_columns), static_cast<cuuint64_t>(num_rows)};
  const cuuint64_t stride_bytes[1] = {static_cast<cuuint64_t>(stride) * 2};
  const cuuint32_t box[2] = {64, static_cast<cuuint32_t>(box_rows)};
  const cuuint32_t element_strides[2] = {1, 1};
  const CUresult result = encoder()(&map, CU_TENSOR_MAP_DATA_TYPE_BFLOAT16, 2, const_cast<void*>(data), sizes, stride_bytes,
                                    box, element_strides, CU_TENSOR_MAP_INTERLEAVE_NONE, CU_TENSOR_MAP_SWIZZLE_128B,
                                    CU_TENSOR_MAP_L2_PROMOTION_L2_256B, CU_TENSOR_MAP_FLOAT_OOB_FILL_NONE);
  if (result != CUDA_SUCCESS) {
    fail(SGL_INTERNAL, "cuTensorMapEncodeTiled: error %d for [%lld, %lld] with rows of %lld elements", static_cast<int>(result),
         static_cast<long long>(num_rows), static_cast<long long>(num_columns), static_cast<long long>(stride));
  }
  return map;
}

}  // namespace sgl::cuda
