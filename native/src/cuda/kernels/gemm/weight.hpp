#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// [num_groups, out_features, in_features], row-major and dense, on the device.
struct DeviceWeight final : sgl_weight {
  DeviceWeight(int ordinal, const sgl_weight_desc& shape);
  ~DeviceWeight() override;

  uint64_t num_bytes() const override;

  const int ordinal;
  std::byte* data = nullptr;
};

inline const DeviceWeight& on_device(const sgl_weight& weight) { return static_cast<const DeviceWeight&>(weight); }

std::unique_ptr<sgl_weight> create_weight(CudaContext& context, const sgl_weight_desc& desc);
/// Complete on return, like `fill_weight_random`: kernels read weights before they wait for their predecessors.
void load_weight(CudaContext& context, sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset);
void fill_weight_random(CudaContext& context, sgl_weight& weight, const sgl_weight_fill_random_args& args);

}  // namespace sgl::cuda
