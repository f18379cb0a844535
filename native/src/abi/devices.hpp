#pragma once

#include <memory>
#include <string>

#include "abi/backend.hpp"

namespace sgl {

// The devices of both backends. The CUDA part is loaded at the first question about it, and then stays.

int device_count(sgl_device_kind kind);
/// Empty if there are devices of that kind. Static storage.
const char* device_unavailable_reason(sgl_device_kind kind);
/// Throws INVALID_ARGUMENT for a device that is not there, with the reason.
void get_device_info(sgl_device_info& info, sgl_device_kind kind, int ordinal);
std::unique_ptr<Backend> create_backend(const sgl_context_options& options);
std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options);

}  // namespace sgl
