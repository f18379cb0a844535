#pragma once

#include <cuda_runtime_api.h>

#include <cstddef>
#include <string>

// The part of NCCL's stable C interface (2.x) that is used, declared here because the library is opened at run time: a machine
// without it lacks only ranks on several GPUs. https://docs.nvidia.com/deeplearning/nccl/user-guide/docs/api.html

namespace sgl::cuda::nccl {

struct UniqueId {
  char bytes[128];
};

struct Comm;  // ncclComm

enum Result : int { kSuccess = 0, kInProgress = 7 };
enum DataType : int { kInt8 = 0, kUint8 = 1, kInt32 = 2, kInt64 = 4, kFloat16 = 6, kFloat32 = 7, kBfloat16 = 9 };
enum ReduceOp : int { kSum = 0 };

/// The functions of libnccl.so.2, bound once.
struct Library {
  Result (*get_version)(int* version);
  Result (*get_unique_id)(UniqueId* id);
  Result (*comm_init_rank)(Comm** comm, int num_ranks, UniqueId id, int rank);
  Result (*comm_destroy)(Comm* comm);
  Result (*comm_abort)(Comm* comm);
  const char* (*get_error_string)(Result result);
  Result (*all_reduce)(const void* send, void* receive, size_t count, DataType type, ReduceOp op, Comm* comm,
                       cudaStream_t stream);
  Result (*all_gather)(const void* send, void* receive, size_t send_count, DataType type, Comm* comm, cudaStream_t stream);
  Result (*reduce_scatter)(const void* send, void* receive, size_t receive_count, DataType type, ReduceOp op, Comm* comm,
                           cudaStream_t stream);
  Result (*broadcast)(const void* send, void* receive, size_t count, DataType type, int root, Comm* comm, cudaStream_t stream);
  Result (*send)(const void* data, size_t count, DataType type, int peer, Comm* comm, cudaStream_t stream);
  Result (*receive)(void* data, size_t count, DataType type, int peer, Comm* comm, cudaStream_t stream);
  Result (*group_start)();
  Result (*group_end)();
};

/// Opened at the first call. Throws UNSUPPORTED with the loader's reason.
const Library& library();

/// Throws COMM unless `result` is kSuccess.
void check(Result result, const char* op);

}  // namespace sgl::cuda::nccl
