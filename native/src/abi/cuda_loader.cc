#include "abi/cuda_loader.hpp"

#include <dlfcn.h>
#include <unistd.h>

namespace sgl {

CudaLoad load_cuda_part(const std::string& path) {
  if (access(path.c_str(), F_OK) != 0) {
    return {nullptr, std::string(kCudaPartFile) + " is not beside libsgl.so (looked for " + path + ")"};
  }
  // Everything is resolved now, so that a missing toolkit library is this message and not a crash in the first kernel.
  void* library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL);
  if (library == nullptr) return {nullptr, std::string("the CUDA part cannot be loaded: ") + dlerror()};
  const auto get_part = reinterpret_cast<CudaPartFunction>(dlsym(library, kCudaPartSymbol));
  if (get_part == nullptr) return {nullptr, path + " does not export " + kCudaPartSymbol + "; it is not of this library"};
  const CudaPart* part = get_part();
  if (part->version != kCudaPartVersion) {
    return {nullptr, path + " has interface version " + std::to_string(part->version) + " and libsgl.so needs " +
                         std::to_string(kCudaPartVersion) + "; install both from one build"};
  }
  return {part, part->device_count() > 0 ? "" : part->unavailable_reason()};
}

}  // namespace sgl
