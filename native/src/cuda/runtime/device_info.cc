#include "cuda/runtime/device_info.hpp"

#include <cstdio>
#include <cstdlib>
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
    // Read when the driver starts. Streams that share a connection may hold each other's work up, which ranks that share a GPU
    // and wait for each other there could not bear; the default is 8.
    setenv("CUDA_DEVICE_MAX_CONNECTIONS", "32", 0);
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

void get_properties(sgl_device_properties& properties, int ordinal) {
  const cudaDeviceProp p = properties_of(ordinal);
  int clock_khz = 0, bus_bits = 0;
  cudaDeviceGetAttribute(&clock_khz, cudaDevAttrMemoryClockRate, ordinal);
  cudaDeviceGetAttribute(&bus_bits, cudaDevAttrGlobalMemoryBusWidth, ordinal);
  properties = {};
  properties.total_memory_bytes = static_cast<int64_t>(p.totalGlobalMem);
  properties.shared_bytes_per_block = static_cast<int64_t>(p.sharedMemPerBlock);
  properties.shared_bytes_per_block_optin = static_cast<int64_t>(p.sharedMemPerBlockOptin);
  properties.shared_bytes_per_processor = static_cast<int64_t>(p.sharedMemPerMultiprocessor);
  properties.reserved_shared_bytes_per_block = static_cast<int64_t>(p.reservedSharedMemPerBlock);
  // Two transfers a clock.
  properties.memory_bytes_per_second = static_cast<int64_t>(clock_khz) * 1000 * 2 * (bus_bits / 8);
  properties.ordinal = ordinal;
  properties.compute_major = p.major;
  properties.compute_minor = p.minor;
  properties.num_processors = p.multiProcessorCount;
  properties.threads_per_block = p.maxThreadsPerBlock;
  properties.threads_per_processor = p.maxThreadsPerMultiProcessor;
  properties.blocks_per_processor = p.maxBlocksPerMultiProcessor;
  properties.registers_per_block = p.regsPerBlock;
  properties.registers_per_processor = p.regsPerMultiprocessor;
  properties.warp_size = p.warpSize;
  cudaRuntimeGetVersion(&properties.runtime_version);
  cudaDriverGetVersion(&properties.driver_version);
  std::snprintf(properties.name, sizeof properties.name, "%.127s", p.name);
}

}  // namespace sgl::cuda
