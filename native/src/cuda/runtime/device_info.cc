#include "cuda/runtime/device_info.hpp"

#include <cstdio>
#include <string>

#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

struct Devices {
  int count = 0;
  std::string reason;
};

const Devices& devices() {
  static const Devices found = [] {
    Devices result;
    const cudaError_t error = cudaGetDeviceCount(&result.count);
    if (error == cudaSuccess && result.count > 0) return result;
    cudaGetLastError();
    result.count = 0;
    int driver = 0;
    cudaDriverGetVersion(&driver);
    if (driver == 0) {
      result.reason = "no NVIDIA driver is loaded (libcuda.so.1)";
    } else if (error == cudaErrorInsufficientDriver) {
      result.reason = "the NVIDIA driver supports CUDA " + std::to_string(driver / 1000) + "." +
                      std::to_string(driver % 1000 / 10) + ", and this build needs " + std::to_string(CUDART_VERSION / 1000) +
                      "." + std::to_string(CUDART_VERSION % 1000 / 10) + " or newer";
    } else {
      result.reason =
          std::string("no NVIDIA GPU is visible: ") + cudaGetErrorString(error == cudaSuccess ? cudaErrorNoDevice : error);
    }
    return result;
  }();
  return found;
}

cudaDeviceProp properties_of(int ordinal) {
  cudaDeviceProp properties{};
  check(cudaGetDeviceProperties(&properties, ordinal), "device_get_info");
  return properties;
}

}  // namespace

int device_count() { return devices().count; }

const char* unavailable_reason() { return devices().reason.c_str(); }

DeviceInfo device_info(int ordinal) {
  const cudaDeviceProp properties = properties_of(ordinal);
  return {ordinal,
          properties.major,
          properties.minor,
          properties.multiProcessorCount,
          properties.l2CacheSize,
          static_cast<int64_t>(properties.sharedMemPerBlockOptin)};
}

void get_info(sgl_device_info& info, int ordinal) {
  const cudaDeviceProp properties = properties_of(ordinal);
  check(cudaSetDevice(ordinal), "device_get_info");
  size_t free_bytes = 0, total_bytes = 0;
  check(cudaMemGetInfo(&free_bytes, &total_bytes), "device_get_info");
  info = {};
  info.kind = SGL_DEVICE_CUDA;
  info.ordinal = ordinal;
  info.compute_major = properties.major;
  info.compute_minor = properties.minor;
  info.num_processors = properties.multiProcessorCount;
  info.supports_graphs = 1;
  info.total_memory_bytes = total_bytes;
  info.free_memory_bytes = free_bytes;
  std::snprintf(info.name, sizeof info.name, "%.127s", properties.name);
  std::snprintf(info.isa, sizeof info.isa, "sm_%d%d", properties.major, properties.minor);
}

}  // namespace sgl::cuda
