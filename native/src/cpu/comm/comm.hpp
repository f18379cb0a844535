#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cpu/cpu_context.hpp"

namespace sgl::cpu {

/// Ranks that are threads of this process, each with a CPU context of its own: they read each other's tensors in place.
std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options);

std::unique_ptr<sgl_communicator> create_communicator(CpuContext& context, sgl_comm_group& group, int rank);

}  // namespace sgl::cpu
