// Loses the CUDA context of the process it is injected into (CUDA_INJECTION64_PATH) as soon as the file named by SGL_LOSE_DEVICE
// exists: a thread of its own writes through a wild pointer on the device. Every later call of the process then fails.
#include <cuda_runtime_api.h>
#include <unistd.h>

#include <cstdint>
#include <cstdlib>
#include <thread>

namespace {

__global__ void write_to(int* wild) { *wild = 1; }

void lose_context_when_told() {
  const char* path = std::getenv("SGL_LOSE_DEVICE");
  if (path == nullptr) return;
  while (access(path, F_OK) != 0) usleep(1000);
  write_to<<<1, 1>>>(reinterpret_cast<int*>(uintptr_t{1} << 46));
  cudaDeviceSynchronize();
}

}  // namespace

/// Called by the driver when the process first uses it; the thread must not use it before this has returned.
extern "C" __attribute__((visibility("default"))) int InitializeInjection() {
  std::thread(lose_context_when_told).detach();
  return 1;
}
