#include "abi/error.hpp"
#include "cuda/comm/peer_kernels.cuh"
#include "cuda/runtime/launch.hpp"

namespace sgl::cuda {
namespace {

LaunchConfig peer_config(int num_blocks) {
  LaunchConfig config;
  config.grid = static_cast<unsigned>(num_blocks);
  config.block = kPeerThreads;
  return config;
}

/// call(T, X) with the types of y and x; x is of y's type or f32.
template <class Call>
void for_types(const char* op, sgl_dtype y, sgl_dtype x, const Call& call) {
  if (y == SGL_F32) return call(float{}, float{});
  if (y == SGL_BF16) return x == SGL_F32 ? call(bf16{}, float{}) : call(bf16{}, bf16{});
  if (y == SGL_F16) return x == SGL_F32 ? call(f16{}, float{}) : call(f16{}, f16{});
  fail(SGL_INTERNAL, "%s: no sum of type %d", op, static_cast<int>(y));
}

/// Bytes that all addresses, strides and lengths of the parts are multiples of.
uint64_t common_alignment(const PullParams& params) {
  uint64_t bits = 16;
  for (int i = 0; i < params.meeting.num_ranks; ++i) {
    const PullParams::Part& part = params.parts[i];
    if (part.num_rows == 0 || part.row_bytes == 0) continue;
    bits |= reinterpret_cast<uintptr_t>(part.destination) | reinterpret_cast<uintptr_t>(part.source) |
            static_cast<uint64_t>(part.row_bytes);
    if (part.num_rows > 1) bits |= static_cast<uint64_t>(part.destination_stride | part.source_stride);
  }
  return bits & (~bits + 1);
}

template <class Kernel>
void load(Kernel* kernel) {
  cudaFuncAttributes attributes;
  check(cudaFuncGetAttributes(&attributes, reinterpret_cast<const void*>(kernel)), "communicator_create");
}

template <class T, class X>
void load_sums() {
  load(one_shot_kernel<T, X>);
  load(one_shot_norm_kernel<T, X>);
  load(direct_sum_kernel<T, X>);
}

}  // namespace

void one_shot_all_reduce(const CudaContext& context, const OneShotParams& params, sgl_dtype y, sgl_dtype x, int num_blocks) {
  for_types("all_reduce", y, x, [&](auto t, auto from) {
    launch(context, "all_reduce", one_shot_kernel<decltype(t), decltype(from)>, peer_config(num_blocks), params);
  });
}

void one_shot_all_reduce_norm(const CudaContext& context, const OneShotNormParams& params, sgl_dtype y, sgl_dtype x,
                              int num_blocks) {
  constexpr const char* op = "all_reduce_add_rms_norm";
  for_types(op, y, x, [&](auto t, auto from) {
    launch(context, op, one_shot_norm_kernel<decltype(t), decltype(from)>, peer_config(num_blocks), params);
  });
}

void direct_sum(const CudaContext& context, const char* op, const DirectSumParams& params, sgl_dtype y, sgl_dtype x,
                int num_blocks) {
  for_types(op, y, x, [&](auto t, auto from) {
    launch(context, op, direct_sum_kernel<decltype(t), decltype(from)>, peer_config(num_blocks), params);
  });
}

void pull(const CudaContext& context, const char* op, const PullParams& params, int num_blocks) {
  const LaunchConfig config = peer_config(num_blocks);
  switch (common_alignment(params)) {
    case 16:
      return launch(context, op, pull_kernel<uint4>, config, params);
    case 8:
    case 4:
      return launch(context, op, pull_kernel<uint32_t>, config, params);
    default:
      return launch(context, op, pull_kernel<uint8_t>, config, params);
  }
}

void load_peer_kernels() {
  load_sums<float, float>();
  load_sums<bf16, bf16>();
  load_sums<bf16, float>();
  load_sums<f16, f16>();
  load_sums<f16, float>();
  load(pull_kernel<uint4>);
  load(pull_kernel<uint32_t>);
  load(pull_kernel<uint8_t>);
}

}  // namespace sgl::cuda
