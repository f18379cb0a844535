#pragma once

#include "cuda/kernels/attention/decode.cuh"
#include "cuda/kernels/attention/kernels.hpp"
#include "cuda/kernels/attention/prefill.cuh"

namespace sgl::cuda {

template <class Config>
AttentionKernel decode_entry() {
  return {decode_kernel<Config>, Config::kThreads, Config::kSharedBytes, kDecodeRows,
          Partial<Config::kDim, kDecodeRows>::kFloats};
}

template <class Config>
AttentionKernel prefill_entry() {
  return {prefill_kernel<Config>, Config::kThreads, Config::kSharedBytes, Config::kRows,
          Partial<Config::kDim, Config::kRows>::kFloats};
}

/// First what suits 160 KiB of shared memory and more, then what fits into 99 KiB.
template <int kDim>
AttentionKernels all_attention_kernels() {
  // Sums of two tiles of rows leave too few registers where a row is longer than 128.
  constexpr int kRowTiles = kDim <= 128 ? 2 : 1;
  constexpr int kKeys = kDim <= 128 ? 64 : 32;
  return {{decode_entry<DecodeConfig<kDim, 4, 2>>(), decode_entry<DecodeConfig<kDim, 2, 2>>()},
          {prefill_entry<PrefillConfig<kDim, kRowTiles, kKeys>>(), prefill_entry<PrefillConfig<kDim, kRowTiles, kKeys / 2>>()}};
}

}  // namespace sgl::cuda
