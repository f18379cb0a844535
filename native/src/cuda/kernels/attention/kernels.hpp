#pragma once

#include <cstddef>

#include "cuda/kernels/attention/attention_params.hpp"
#include "cuda/kernels/attention/decode_sm90.hpp"
#include "cuda/kernels/attention/prefill_sm90.hpp"
#include "cuda/runtime/device_info.hpp"
#include "sgl/attention.h"

namespace sgl::cuda {

struct AttentionKernel {
  void (*launch)(AttentionParams) = nullptr;
  int num_threads = 0;
  size_t shared_bytes = 0;
  /// Query rows of a KV head that a block takes at a time.
  int num_rows = 0;
  /// Floats of a part of a split item.
  size_t partial_floats = 0;
};

struct PrefillSm90Kernel {
  void (*launch)(PrefillSm90Params) = nullptr;
  int num_threads = 0;
  size_t shared_bytes = 0;
  int num_rows = 0;           // as AttentionKernel's
  size_t partial_floats = 0;  // as AttentionKernel's
  /// Its keys and values come page by page through the copy engine.
  bool copies_pages = false;
  /// The copy engine takes 64 columns of rows at a time, else whole rows.
  bool copies_blocks = false;
};

struct DecodeSm90Kernel {
  void (*launch)(DecodeSm90Params) = nullptr;
  int num_threads = 0;
  size_t shared_bytes = 0;
};

/// Tensor-core kernels of one head dim, or of smaller ones filled up with zeros. Configurations in order of preference.
struct AttentionKernels {
  AttentionKernel decode[2];
  AttentionKernel prefill[2];
};

/// One instantiation a file, in inst/.
template <int kDim>
AttentionKernels attention_kernels();

/// Hopper's own prefill kernel, for queries in rows of aligned 16-byte pieces.
template <int kDim>
PrefillSm90Kernel prefill_sm90_kernel_of(bool copies_pages);

/// Hopper's own decode kernel, for pages of whole tiles and heads of kDim.
template <int kDim>
DecodeSm90Kernel decode_sm90_kernel_of();

/// What a plan launches for bf16; the first two null if the device has too little shared memory.
struct SelectedKernels {
  AttentionKernel decode;
  AttentionKernel prefill;
  /// Null on other devices. Where it is there, tiles have its rows, which may not be those of `prefill`.
  PrefillSm90Kernel prefill_sm90;
  /// For many requests, with the same parts as `decode`; null on other devices and where pages, heads or a window do not suit
  /// it.
  DecodeSm90Kernel decode_sm90;
};

/// Pure: the same for the same arguments on any machine.
SelectedKernels select_attention_kernels(const sgl_attention_desc& desc, const DeviceInfo& device);

AttentionKernel plain_attention_kernel_for(sgl_dtype dtype);

}  // namespace sgl::cuda
