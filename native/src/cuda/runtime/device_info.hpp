#pragma once

#include <cstdint>

#include "sgl/profile.h"

namespace sgl::cuda {

/// What kernel selection needs of a GPU.
struct DeviceInfo {
  int ordinal;
  int compute_major;
  int compute_minor;
  int num_sms;
  int64_t l2_bytes;
  /// The most that one block may ask for.
  int64_t shared_bytes_per_block;
};

DeviceInfo device_info(int ordinal);

/// Devices with a driver; 0 without one.
int device_count();
/// Empty if there are devices. Static storage.
const char* unavailable_reason();
void get_info(sgl_device_info& info, int ordinal);
void get_properties(sgl_device_properties& properties, int ordinal);

}  // namespace sgl::cuda
