#include "cuda/runtime/graph.hpp"

#include "abi/error.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

struct CudaGraph final : sgl_graph {
  CudaGraph(int ordinal, cudaGraphExec_t executable) : ordinal(ordinal), executable(executable) {}
  ~CudaGraph() override {
    cudaSetDevice(ordinal);
    cudaGraphExecDestroy(executable);
  }

  const int ordinal;
  const cudaGraphExec_t executable;
};

}  // namespace

void begin_capture(CudaContext& context) {
  if (context.is_capturing) fail(SGL_INVALID_ARGUMENT, "graph_capture_begin: a capture has begun already; end it first");
  check(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal), "graph_capture_begin");
  context.is_capturing = true;
}

std::unique_ptr<sgl_graph> end_capture(CudaContext& context) {
  if (!context.is_capturing) fail(SGL_INVALID_ARGUMENT, "graph_capture_end: no capture has begun");
  context.is_capturing = false;
  cudaGraph_t recording = nullptr;
  check(cudaStreamEndCapture(context.stream, &recording), "graph_capture_end");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t error = cudaGraphInstantiate(&executable, recording, 0);
  cudaGraphDestroy(recording);
  check(error, "graph_capture_end");
  auto graph = std::make_unique<CudaGraph>(context.device.ordinal, executable);
  check(cudaGraphUpload(executable, context.stream), "graph_capture_end");
  return graph;
}

void launch_graph(const CudaContext& context, sgl_graph& graph) {
  check(cudaGraphLaunch(static_cast<CudaGraph&>(graph).executable, context.stream), "graph_launch");
}

}  // namespace sgl::cuda
