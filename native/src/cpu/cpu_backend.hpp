#pragma once

#include <memory>

#include "abi/backend.hpp"

namespace sgl::cpu {

/// A context on the CPU; `num_threads` 0 means one per physical core. Throws INVALID_ARGUMENT for an SGL_CPU_ISA that this
/// machine lacks.
std::unique_ptr<Backend> create_backend(int num_threads);

void get_device_info(sgl_device_info& info);

}  // namespace sgl::cpu
