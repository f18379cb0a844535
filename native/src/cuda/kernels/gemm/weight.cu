#include <algorithm>
#include <cstring>

#include "abi/error.hpp"
#include "cuda/kernels/gemm/weight.cuh"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/kernels/quant/convert.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {

DeviceWeight::DeviceWeight(int ordinal, const sgl_weight_desc& shape) : ordinal(ordinal) {
  desc = shape;
  const cudaError_t error = cudaMalloc(reinterpret_cast<void**>(&data), num_bytes());
  if (error == cudaErrorMemoryAllocation) {
    cudaGetLastError();
    size_t free_bytes = 0, total_bytes = 0;
    check(cudaMemGetInfo(&free_bytes, &total_bytes), "weight_create");
    fail(SGL_OUT_OF_MEMORY, "weight_create: no memory for %d x [%lld, %lld] %s: %llu bytes were asked for, %zu are free",
         desc.num_groups, static_cast<long long>(desc.out_features), static_cast<long long>(desc.in_features),
         desc.dtype == SGL_F32 ? "f32" : "bf16", static_cast<unsigned long long>(num_bytes()), free_bytes);
  }
  check(error, "weight_create");
}

DeviceWeight::~DeviceWeight() {
  cudaSetDevice(ordinal);
  cudaFree(data);
}

uint64_t DeviceWeight::num_bytes() const {
  return static_cast<uint64_t>(desc.num_groups) * desc.out_features * desc.in_features * element_bytes(desc.dtype);
}

std::unique_ptr<sgl_weight> create_weight(CudaContext& context, const sgl_weight_desc& desc) {
  auto weight = std::make_unique<DeviceWeight>(context.device.ordinal, desc);
  check(cudaMemsetAsync(weight->data, 0, weight->num_bytes(), context.stream), "weight_create");
  return weight;
}

namespace {

constexpr int64_t kChunkBytes = 4 << 20;

void copy_rows(std::byte* to, const std::byte* from, int64_t num_rows, int64_t row_bytes, int64_t stride_bytes) {
  if (stride_bytes == row_bytes) {
    std::memcpy(to, from, num_rows * row_bytes);
    return;
  }
  for (int64_t row = 0; row < num_rows; ++row) std::memcpy(to + row * row_bytes, from + row * stride_bytes, row_bytes);
}

}  // namespace

void load_weight(CudaContext& context, sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset) {
  if (context.is_capturing) fail(SGL_INVALID_ARGUMENT, "weight_load: not allowed during a capture");
  const sgl_weight_desc& desc = weight.desc;
  const int64_t in_features = desc.in_features, source_row_bytes = in_features * element_bytes(rows.dtype);
  const int64_t rows_per_chunk = std::max<int64_t>(1, kChunkBytes / source_row_bytes);
  std::byte* destination = on_device(weight).data;
  for (int64_t row = 0; row < rows.shape[0]; row += rows_per_chunk) {
    // The ring holds several chunks, so copying one on the host overlaps moving the last.
    const int64_t count = std::min(rows_per_chunk, rows.shape[0] - row);
    std::byte* staged = context.pinned.reserve(context, count * source_row_bytes);
    copy_rows(staged, static_cast<const std::byte*>(rows.data) + row * rows.stride[0] * element_bytes(rows.dtype), count,
              source_row_bytes, rows.stride[0] * element_bytes(rows.dtype));
    const int64_t first = (int64_t{group} * desc.out_features + row_offset + row) * in_features;
    std::byte* to = destination + first * element_bytes(desc.dtype);
    if (rows.dtype == desc.dtype) {
      check(cudaMemcpyAsync(to, staged, count * source_row_bytes, cudaMemcpyHostToDevice, context.stream), "weight_load");
    } else {
      const sgl_tensor x{staged, rows.dtype, 1, {count * in_features}, {1}};
      const sgl_tensor y{to, desc.dtype, 1, {count * in_features}, {1}};
      convert(context, y, x);
    }
  }
  check(cudaStreamSynchronize(context.stream), "weight_load");
}

void fill_weight_random(CudaContext& context, sgl_weight& weight, const sgl_weight_fill_random_args& args) {
  if (context.is_capturing) fail(SGL_INVALID_ARGUMENT, "weight_fill_random: not allowed during a capture");
  const sgl_weight_desc& desc = weight.desc;
  const int64_t first = int64_t{args.group} * desc.out_features + args.row_offset;
  const FillParams params{on_device(weight).data + first * desc.in_features * element_bytes(desc.dtype), args.seed, args.num_rows,
                          desc.in_features, args.first_row, args.first_column, args.scale};
  LaunchConfig config;
  config.grid = static_cast<unsigned>(std::min<int64_t>(params.num_rows, int64_t{context.device.num_sms} * 16));
  config.block = kFillThreads;
  launch(context, "weight_fill_random", desc.dtype == SGL_BF16 ? fill_kernel<bf16> : fill_kernel<float>, config, params);
  check(cudaStreamSynchronize(context.stream), "weight_fill_random");
}

}  // namespace sgl::cuda
