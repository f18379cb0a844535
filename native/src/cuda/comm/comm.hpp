#pragma once

#include <memory>

#include "abi/backend.hpp"
#include "cuda/runtime/context.hpp"

namespace sgl::cuda {

/// Ranks that are threads of this process, on GPUs of their own or, with leave, on shared ones.
std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options);

/// Returns once every rank has called it.
std::unique_ptr<sgl_communicator> create_communicator(CudaContext& context, sgl_comm_group& group, int rank);

}  // namespace sgl::cuda
