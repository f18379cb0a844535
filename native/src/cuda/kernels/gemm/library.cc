#include "cuda/kernels/gemm/library.hpp"

#include <algorithm>
#include <bit>

#include "cuda/runtime/context.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

/// What NVIDIA recommends for Hopper.
constexpr size_t kWorkspaceBytes = size_t{32} << 20;

constexpr const char* kOp = "linear";

cudaDataType_t type_of(sgl_dtype dtype) { return dtype == SGL_F32 ? CUDA_R_32F : CUDA_R_16BF; }

/// The largest of the numbers of rows that share an algorithm with `num_rows`: four steps from a power of two to the next.
int64_t class_of_rows(int64_t num_rows) {
  if (num_rows <= 16) return num_rows;
  const int64_t step = static_cast<int64_t>(std::bit_floor(static_cast<uint64_t>(num_rows)) / 4);
  return (num_rows + step - 1) / step * step;
}

/// 16, or the smaller power of two that an address or a row's length in bytes is a multiple of.
int64_t alignment_of(const void* data, int64_t stride, sgl_dtype dtype) {
  const uint64_t bits = reinterpret_cast<uintptr_t>(data) | static_cast<uint64_t>(stride * element_bytes(dtype)) | 16;
  return static_cast<int64_t>(bits & (~bits + 1));
}

/// cuBLASLt is column-major: it computes d^T = weight x^T, where d^T is d as it lies in memory.
struct Descriptors {
  explicit Descriptors(const LibraryProduct& p, int64_t num_rows) {
    check(cublasLtMatmulDescInit(&operation, CUBLAS_COMPUTE_32F, CUDA_R_32F), kOp);
    const cublasOperation_t transposed = CUBLAS_OP_T;
    check(cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_TRANSA, &transposed, sizeof transposed), kOp);
    if (p.bias != nullptr) {
      const cublasLtEpilogue_t epilogue = CUBLASLT_EPILOGUE_BIAS;
      check(cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_EPILOGUE, &epilogue, sizeof epilogue), kOp);
      check(cublasLtMatmulDescSetAttribute(&operation, CUBLASLT_MATMUL_DESC_BIAS_POINTER, &p.bias, sizeof p.bias), kOp);
    }
    const cudaDataType_t operand = type_of(p.dtype), result = type_of(p.d_dtype);
    check(cublasLtMatrixLayoutInit(&weight, operand, p.in_features, p.out_features, p.in_features), kOp);
    check(cublasLtMatrixLayoutInit(&x, operand, p.in_features, num_rows, p.x_stride), kOp);
    check(cublasLtMatrixLayoutInit(&c, result, p.out_features, num_rows, p.c != nullptr ? p.c_stride : p.d_stride), kOp);
    check(cublasLtMatrixLayoutInit(&d, result, p.out_features, num_rows, p.d_stride), kOp);
  }

  cublasLtMatmulDescOpaque_t operation;
  cublasLtMatrixLayoutOpaque_t weight, x, c, d;
};

/// Sets one attribute of the search for an algorithm.
template <class T>
void set(cublasLtMatmulPreference_t preference, cublasLtMatmulPreferenceAttributes_t attribute, T value) {
  check(cublasLtMatmulPreferenceSetAttribute(preference, attribute, &value, sizeof value), kOp);
}

}  // namespace

Library::Library() {
  check(cublasLtCreate(&handle_), "context_create");
  check(cudaMalloc(reinterpret_cast<void**>(&workspace_), kWorkspaceBytes), "context_create");
}

Library::~Library() {
  cudaFree(workspace_);
  cublasLtDestroy(handle_);
}

bool Library::multiply(const CudaContext& context, const LibraryProduct& p) {
  const int64_t row_class = class_of_rows(p.num_rows);
  const int64_t x_alignment = alignment_of(p.x, p.x_stride, p.dtype);
  const int64_t weight_alignment = alignment_of(p.weight, p.in_features, p.dtype);
  const int64_t d_alignment = alignment_of(p.d, p.d_stride, p.d_dtype);
  const int64_t c_alignment = p.c != nullptr ? alignment_of(p.c, p.c_stride, p.d_dtype) : d_alignment;
  const Key key = {row_class,
                   p.out_features,
                   p.in_features,
                   p.dtype,
                   p.d_dtype,
                   (p.c != nullptr ? 1 : 0) | (p.bias != nullptr ? 2 : 0),
                   x_alignment << 8 | weight_alignment,
                   d_alignment,
                   c_alignment};
  auto found = choices_.find(key);
  if (found == choices_.end()) {
    // Searched at the class's most rows, so that the workspace is enough for all of them.
    Descriptors searched(p, row_class);
    cublasLtMatmulPreferenceOpaque_t preference;
    check(cublasLtMatmulPreferenceInit(&preference), kOp);
    set(&preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, kWorkspaceBytes);
    // Parts of a split product are summed in f32, never in the result's type.
    set(&preference, CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE));
    set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, static_cast<uint32_t>(weight_alignment));
    set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, static_cast<uint32_t>(x_alignment));
    set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, static_cast<uint32_t>(c_alignment));
    set(&preference, CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, static_cast<uint32_t>(d_alignment));
    cublasLtMatmulHeuristicResult_t result{};
    int num_results = 0;
    const cublasStatus_t status =
        cublasLtMatmulAlgoGetHeuristic(handle_, &searched.operation, &searched.weight, &searched.x, &searched.c, &searched.d,
                                       &preference, 1, &result, &num_results);
    if (status != CUBLAS_STATUS_NOT_SUPPORTED) check(status, kOp);
    Choice choice;
    choice.exists = status == CUBLAS_STATUS_SUCCESS && num_results > 0;
    choice.algorithm = result.algo;
    found = choices_.emplace(key, choice).first;
  }
  if (!found->second.exists) return false;
  Descriptors used(p, p.num_rows);
  const float alpha = 1, beta = p.c != nullptr ? 1 : 0;
  check(
      cublasLtMatmul(handle_, &used.operation, &alpha, p.weight, &used.weight, p.x, &used.x, &beta, p.c != nullptr ? p.c : p.d,
                     &used.c, p.d, &used.d, &found->second.algorithm, workspace_, kWorkspaceBytes, context.stream),
      kOp);
  return true;
}

}  // namespace sgl::cuda
