#include "cuda/comm/nccl.hpp"

#include <dlfcn.h>

#include "abi/error.hpp"

namespace sgl::cuda::nccl {
namespace {

constexpr const char* kFile = "libnccl.so.2";

template <class Function>
void bind(void* handle, Function& function, const char* name) {
  function = reinterpret_cast<Function>(dlsym(handle, name));
  if (function == nullptr)
    fail(SGL_UNSUPPORTED, "%s has no %s; NCCL 2.7 or newer is needed for ranks on several GPUs", kFile, name);
}

Library open() {
  void* handle = dlopen(kFile, RTLD_NOW | RTLD_LOCAL);
  if (handle == nullptr) {
    fail(SGL_UNSUPPORTED,
         "ranks on several GPUs need NCCL, which cannot be opened: %s. Install libnccl2 or put %s on LD_LIBRARY_PATH",
         dlerror(), kFile);
  }
  Library nccl;
  bind(handle, nccl.get_version, "ncclGetVersion");
  bind(handle, nccl.get_unique_id, "ncclGetUniqueId");
  bind(handle, nccl.comm_init_rank, "ncclCommInitRank");
  bind(handle, nccl.comm_destroy, "ncclCommDestroy");
  bind(handle, nccl.comm_abort, "ncclCommAbort");
  bind(handle, nccl.get_error_string, "ncclGetErrorString");
  bind(handle, nccl.all_reduce, "ncclAllReduce");
  bind(handle, nccl.all_gather, "ncclAllGather");
  bind(handle, nccl.reduce_scatter, "ncclReduceScatter");
  bind(handle, nccl.broadcast, "ncclBroadcast");
  bind(handle, nccl.send, "ncclSend");
  bind(handle, nccl.receive, "ncclRecv");
  bind(handle, nccl.group_start, "ncclGroupStart");
  bind(handle, nccl.group_end, "ncclGroupEnd");
  return nccl;
}

}  // namespace

const Library& library() {
  static const Library nccl = open();
  return nccl;
}

void check(Result result, const char* op) {
  if (result != kSuccess) fail(SGL_COMM, "%s: NCCL: %s", op, library().get_error_string(result));
}

}  // namespace sgl::cuda::nccl
