#include "cuda/runtime/graph.hpp"

#include <unordered_map>
#include <unordered_set>

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
  std::vector<std::shared_ptr<PeerLink>> peers;  // that its kernels wait for
};

// Queries of edges take their data from CUDA 12.3 on, and only they see edges of programmatic dependent launches.
cudaError_t get_edges(cudaGraph_t graph, cudaGraphNode_t* from, cudaGraphNode_t* to, cudaGraphEdgeData* data, size_t* count) {
#if CUDART_VERSION >= 13000
  return cudaGraphGetEdges(graph, from, to, data, count);
#else
  return cudaGraphGetEdges_v2(graph, from, to, data, count);
#endif
}

cudaError_t get_capture_graph(cudaStream_t stream, cudaGraph_t* graph) {
  cudaStreamCaptureStatus status;
#if CUDART_VERSION >= 13000
  return cudaStreamGetCaptureInfo(stream, &status, nullptr, graph, nullptr, nullptr, nullptr);
#else
  return cudaStreamGetCaptureInfo_v2(stream, &status, nullptr, graph, nullptr, nullptr);
#endif
}

sgl_graph_node_kind kind_of(cudaGraphNodeType type) {
  switch (type) {
    case cudaGraphNodeTypeKernel:
      return SGL_GRAPH_NODE_KERNEL;
    case cudaGraphNodeTypeMemcpy:
      return SGL_GRAPH_NODE_COPY;
    case cudaGraphNodeTypeMemset:
      return SGL_GRAPH_NODE_SET;
    default:
      return SGL_GRAPH_NODE_OTHER;
  }
}

/// Kinds in the order of recording. One stream records a chain, which its edges tell; a graph of another shape keeps the order
/// that CUDA lists its nodes in.
cudaError_t node_kinds(std::vector<sgl_graph_node_kind>& kinds, cudaGraph_t graph) {
  size_t num_nodes = 0, num_edges = 0;
  if (const cudaError_t error = cudaGraphGetNodes(graph, nullptr, &num_nodes); error != cudaSuccess) return error;
  std::vector<cudaGraphNode_t> nodes(num_nodes);
  if (const cudaError_t error = cudaGraphGetNodes(graph, nodes.data(), &num_nodes); error != cudaSuccess) return error;
  if (const cudaError_t error = get_edges(graph, nullptr, nullptr, nullptr, &num_edges); error != cudaSuccess) return error;
  std::vector<cudaGraphNode_t> from(num_edges), to(num_edges);
  std::vector<cudaGraphEdgeData> data(num_edges);
  if (num_edges > 0) {
    if (const cudaError_t error = get_edges(graph, from.data(), to.data(), data.data(), &num_edges); error != cudaSuccess)
      return error;
  }
  if (num_nodes > 0 && num_edges + 1 == num_nodes) {
    std::unordered_map<cudaGraphNode_t, cudaGraphNode_t> next;
    std::unordered_set<cudaGraphNode_t> has_predecessor(to.begin(), to.end());
    for (size_t i = 0; i < num_edges; i++) next.emplace(from[i], to[i]);
    std::vector<cudaGraphNode_t> chain;
    for (const cudaGraphNode_t node : nodes) {
      if (!has_predecessor.contains(node)) chain.push_back(node);
    }
    while (chain.size() < num_nodes && next.contains(chain.back())) chain.push_back(next[chain.back()]);
    if (chain.size() == num_nodes) nodes = std::move(chain);
  }
  for (const cudaGraphNode_t node : nodes) {
    cudaGraphNodeType type;
    if (const cudaError_t error = cudaGraphNodeGetType(node, &type); error != cudaSuccess) return error;
    kinds.push_back(kind_of(type));
  }
  return cudaSuccess;
}

}  // namespace

void begin_capture(CudaContext& context) {
  if (context.is_capturing) fail(SGL_INVALID_ARGUMENT, "graph_capture_begin: a capture has begun already; end it first");
  check(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal), "graph_capture_begin");
  context.is_capturing = true;
  context.captured_peers.clear();
}

std::unique_ptr<sgl_graph> end_capture(CudaContext& context) {
  if (!context.is_capturing) fail(SGL_INVALID_ARGUMENT, "graph_capture_end: no capture has begun");
  context.is_capturing = false;
  cudaGraph_t recording = nullptr;
  check(cudaStreamEndCapture(context.stream, &recording), "graph_capture_end");
  cudaGraphExec_t executable = nullptr;
  std::vector<sgl_graph_node_kind> nodes;
  cudaError_t error = node_kinds(nodes, recording);
  if (error == cudaSuccess) error = cudaGraphInstantiate(&executable, recording, 0);
  cudaGraphDestroy(recording);
  check(error, "graph_capture_end");
  auto graph = std::make_unique<CudaGraph>(context.device.ordinal, executable);
  graph->nodes = std::move(nodes);
  graph->peers = std::move(context.captured_peers);
  context.captured_peers.clear();
  check(cudaGraphUpload(executable, context.stream), "graph_capture_end");
  return graph;
}

int num_captured_nodes(const CudaContext& context) {
  if (!context.is_capturing) fail(SGL_INVALID_ARGUMENT, "graph_capture_num_nodes: no capture has begun");
  cudaGraph_t graph = nullptr;
  size_t num_nodes = 0;
  check(get_capture_graph(context.stream, &graph), "graph_capture_num_nodes");
  check(cudaGraphGetNodes(graph, nullptr, &num_nodes), "graph_capture_num_nodes");
  return static_cast<int>(num_nodes);
}

void launch_graph(const CudaContext& context, sgl_graph& graph) {
  constexpr const char* op = "graph_launch";
  const auto& cuda_graph = static_cast<CudaGraph&>(graph);
  for (const auto& link : cuda_graph.peers) link->before_launch(op);
  check(cudaGraphLaunch(cuda_graph.executable, context.stream), op);
  for (const auto& link : cuda_graph.peers) link->after_launch(op);
}

}  // namespace sgl::cuda
