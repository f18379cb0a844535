#include "abi/devices.hpp"

#include <dlfcn.h>

#include "abi/cuda_loader.hpp"
#include "abi/error.hpp"
#include "cpu/comm/comm.hpp"
#include "cpu/cpu_backend.hpp"

namespace sgl {
namespace {

constexpr int kMaxThreads = 1024;
constexpr int kMaxRanks = 64;

/// The folder of the library that this code is in; "." if the loader does not know it.
std::string library_folder() {
  Dl_info info;
  if (dladdr(reinterpret_cast<const void*>(&sgl_device_count), &info) == 0 || info.dli_fname == nullptr) return ".";
  const std::string path = info.dli_fname;
  const size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

const CudaLoad& cuda() {
  static const CudaLoad load = load_cuda_part(library_folder() + "/" + kCudaPartFile);
  return load;
}

void check_kind(const char* op, sgl_device_kind kind) {
  if (kind != SGL_DEVICE_CPU && kind != SGL_DEVICE_CUDA) {
    fail(SGL_INVALID_ARGUMENT, "%s: kind is %d: expected 0 (cpu) or 1 (cuda)", op, static_cast<int>(kind));
  }
}

void check_device(const char* op, sgl_device_kind kind, int ordinal) {
  const int count = device_count(kind);
  const char* name = kind == SGL_DEVICE_CPU ? "cpu" : "cuda";
  if (count == 0) fail(SGL_UNSUPPORTED, "%s: no %s device: %s", op, name, device_unavailable_reason(kind));
  if (ordinal < 0 || ordinal >= count) {
    fail(SGL_INVALID_ARGUMENT, "%s: %s device %d of %d: expected 0 to %d", op, name, ordinal, count, count - 1);
  }
}

}  // namespace

int device_count(sgl_device_kind kind) {
  check_kind("device_count", kind);
  if (kind == SGL_DEVICE_CPU) return 1;
  return cuda().part == nullptr ? 0 : cuda().part->device_count();
}

const char* device_unavailable_reason(sgl_device_kind kind) {
  check_kind("device_unavailable_reason", kind);
  return kind == SGL_DEVICE_CPU ? "" : cuda().reason.c_str();
}

void get_device_info(sgl_device_info& info, sgl_device_kind kind, int ordinal) {
  check_kind("device_get_info", kind);
  check_device("device_get_info", kind, ordinal);
  if (kind == SGL_DEVICE_CPU) {
    cpu::get_device_info(info);
  } else {
    cuda().part->get_info(info, ordinal);
  }
}

std::unique_ptr<Backend> create_backend(const sgl_context_options& options) {
  check_kind("context_create", options.kind);
  check_device("context_create", options.kind, options.ordinal);
  if (options.kind == SGL_DEVICE_CUDA) return cuda().part->create_backend(options.ordinal);
  if (options.num_threads < 0 || options.num_threads > kMaxThreads) {
    fail(SGL_INVALID_ARGUMENT, "context_create: num_threads is %d: expected 0 (one per physical core) to %d",
         options.num_threads, kMaxThreads);
  }
  return cpu::create_backend(options.num_threads);
}

std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options) {
  constexpr const char* op = "comm_group_create";
  check_kind(op, options.kind);
  if (options.num_ranks < 1 || options.num_ranks > kMaxRanks) {
    fail(SGL_INVALID_ARGUMENT, "%s: num_ranks is %d: expected 1 to %d", op, options.num_ranks, kMaxRanks);
  }
  if (options.timeout_ms < 1) fail(SGL_INVALID_ARGUMENT, "%s: timeout_ms is %d: expected at least 1", op, options.timeout_ms);
  if (options.kind == SGL_DEVICE_CPU) return cpu::create_comm_group(options);
  check_device(op, options.kind, 0);
  return cuda().part->create_comm_group(options);
}

}  // namespace sgl
