#include "cuda/runtime/event.hpp"

#include "abi/error.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

struct CudaEvent final : sgl_event {
  explicit CudaEvent(int ordinal) : ordinal(ordinal) { check(cudaEventCreate(&handle), "event_create"); }
  ~CudaEvent() override {
    cudaSetDevice(ordinal);
    cudaEventDestroy(handle);
  }

  void synchronize() override {
    check(cudaSetDevice(ordinal), "event_synchronize");
    check(cudaEventSynchronize(handle), "event_synchronize");
    for (const auto& link : peers) link->check_alive("event_synchronize");
  }

  bool is_complete() override {
    check(cudaSetDevice(ordinal), "event_query");
    const cudaError_t status = cudaEventQuery(handle);
    if (status == cudaErrorNotReady) return false;
    check(status, "event_query");
    return true;
  }

  double elapsed_since(const sgl_event& start) const override {
    const auto& begin = static_cast<const CudaEvent&>(start);
    if (!begin.was_recorded || !was_recorded) {
      fail(SGL_INVALID_ARGUMENT, "event_elapsed: %s was never recorded", begin.was_recorded ? "stop" : "start");
    }
    check(cudaSetDevice(ordinal), "event_elapsed");
    float milliseconds = 0;
    check(cudaEventElapsedTime(&milliseconds, begin.handle, handle), "event_elapsed");
    return 1e3 * milliseconds;
  }

  const int ordinal;
  cudaEvent_t handle = nullptr;
  bool was_recorded = false;
  std::vector<std::shared_ptr<PeerLink>> peers;  // of the context it was last recorded in
};

}  // namespace

std::unique_ptr<sgl_event> create_event(const CudaContext& context) {
  return std::make_unique<CudaEvent>(context.device.ordinal);
}

void record(const CudaContext& context, sgl_event& event) {
  auto& cuda_event = static_cast<CudaEvent&>(event);
  check(cudaEventRecord(cuda_event.handle, context.stream), "event_record");
  cuda_event.was_recorded = true;
  cuda_event.peers = context.peers;
}

}  // namespace sgl::cuda
