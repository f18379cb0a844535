#include "cuda/kernels/attention/kernels.hpp"

namespace sgl::cuda {
namespace {

AttentionKernels kernels_for(int head_dim) {
  if (head_dim <= 64) return attention_kernels<64>();
  if (head_dim <= 80) return attention_kernels<80>();
  if (head_dim <= 96) return attention_kernels<96>();
  if (head_dim <= 128) return attention_kernels<128>();
  if (head_dim <= 192) return attention_kernels<192>();
  return attention_kernels<256>();
}

PrefillSm90Kernel prefill_sm90_for(int head_dim, int page_size) {
  // The copy engine takes eight rows at least, of as many columns as a kernel has unless it takes them in blocks.
  const auto copies = [&](bool suits) { return page_size % 8 == 0 && suits; };
  if (head_dim <= 64) return prefill_sm90_kernel_of<64>(copies(head_dim == 64));
  if (head_dim <= 80) return prefill_sm90_kernel_of<80>(copies(head_dim % 8 == 0));
  if (head_dim <= 96) return prefill_sm90_kernel_of<96>(copies(head_dim % 8 == 0));
  if (head_dim <= 128) return prefill_sm90_kernel_of<128>(copies(head_dim == 128));
  if (head_dim <= 192) return prefill_sm90_kernel_of<192>(copies(head_dim == 192));
  return prefill_sm90_kernel_of<256>(copies(head_dim == 256));
}

}  // namespace

SelectedKernels select_attention_kernels(const sgl_attention_desc& desc, const DeviceInfo& device) {
  const int head_dim = desc.head_dim, page_size = desc.page_size;
  const AttentionKernels all = kernels_for(head_dim);
  const auto first_that_fits = [&](const AttentionKernel(&kernels)[2]) {
    for (const AttentionKernel& kernel : kernels) {
      if (static_cast<int64_t>(kernel.shared_bytes) <= device.shared_bytes_per_block) return kernel;
    }
    return AttentionKernel{};
  };
  SelectedKernels selected{first_that_fits(all.decode), first_that_fits(all.prefill), {}, {}};
  if (selected.decode.launch == nullptr || selected.prefill.launch == nullptr) return {};
  if (device.compute_major == 9) {
    selected.prefill_sm90 = prefill_sm90_for(head_dim, page_size);
    // With a window the first visible key may lie inside a tile.
    if (page_size % kDecodeTileKeys == 0 && desc.window == 0) {
      if (head_dim == 64) selected.decode_sm90 = decode_sm90_kernel_of<64>();
      if (head_dim == 128) selected.decode_sm90 = decode_sm90_kernel_of<128>();
    }
  }
  return selected;
}

}  // namespace sgl::cuda
