#include "cuda/timing.hpp"

#include <algorithm>
#include <cstdio>
#include <exception>

#include "cuda/copy_kernel.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::bench {
namespace {

constexpr int kSamples = 15;

double median(std::vector<double> values) {
  std::nth_element(values.begin(), values.begin() + values.size() / 2, values.end());
  return values[values.size() / 2];
}

}  // namespace

DeviceBuffer::DeviceBuffer(size_t num_bytes) {
  cuda::check(cudaMalloc(&data_, num_bytes), "buffer");
  constexpr size_t kPatternBytes = size_t{8} << 20;
  std::vector<uint16_t> numbers(std::min(num_bytes, kPatternBytes) / 2);
  uint32_t state = 1;
  for (uint16_t& number : numbers) {
    state = state * 1664525u + 1013904223u;
    number = static_cast<uint16_t>((state >> 31) << 15 | 0x3f00u | (state >> 24 & 0x7f));  // 0.5 to 1, either sign
  }
  auto* const bytes = static_cast<char*>(data_);
  cuda::check(cudaMemcpy(bytes, numbers.data(), numbers.size() * 2, cudaMemcpyHostToDevice), "buffer");
  for (size_t offset = kPatternBytes; offset < num_bytes; offset += kPatternBytes) {
    const size_t count = std::min(kPatternBytes, num_bytes - offset);
    cuda::check(cudaMemcpy(bytes + offset, bytes, count, cudaMemcpyDeviceToDevice), "buffer");
  }
}

DeviceBuffer::~DeviceBuffer() { cudaFree(data_); }

Timed::Timed(cuda::CudaContext& context, int calls, const std::function<void(int call)>& body)
    : context_(context), calls_(calls) {
  body(0);  // chooses algorithms, loads kernels, grows scratch memory
  cuda::check(cudaStreamSynchronize(context.stream), "warm-up");
  cudaGraph_t recording = nullptr;
  cuda::check(cudaStreamBeginCapture(context.stream, cudaStreamCaptureModeThreadLocal), "capture");
  context.is_capturing = true;
  for (int call = 0; call < calls; ++call) body(call);
  context.is_capturing = false;
  cuda::check(cudaStreamEndCapture(context.stream, &recording), "capture");
  cuda::check(cudaGraphInstantiate(&graph_, recording, 0), "capture");
  cudaGraphDestroy(recording);
  cuda::check(cudaEventCreate(&start_), "event");
  cuda::check(cudaEventCreate(&stop_), "event");
  sample();
}

Timed::~Timed() {
  cudaGraphExecDestroy(graph_);
  cudaEventDestroy(start_);
  cudaEventDestroy(stop_);
}

double Timed::sample() {
  cuda::check(cudaEventRecord(start_, context_.stream), "sample");
  cuda::check(cudaGraphLaunch(graph_, context_.stream), "sample");
  cuda::check(cudaEventRecord(stop_, context_.stream), "sample");
  cuda::check(cudaEventSynchronize(stop_), "sample");
  float milliseconds = 0;
  cuda::check(cudaEventElapsedTime(&milliseconds, start_, stop_), "sample");
  return 1e3 * milliseconds / calls_;
}

std::vector<double> medians(const std::vector<Timed*>& timed) {
  std::vector<std::vector<double>> samples(timed.size());
  for (int i = 0; i < kSamples; ++i) {
    for (size_t which = 0; which < timed.size(); ++which) samples[which].push_back(timed[which]->sample());
  }
  std::vector<double> result;
  for (const auto& values : samples) result.push_back(median(values));
  return result;
}

double copy_bandwidth(cuda::CudaContext& context) {
  constexpr size_t kBytes = size_t{1} << 30;
  DeviceBuffer from(kBytes), to(kBytes);
  Timed by_driver(context, 4, [&](int) {
    cuda::check(cudaMemcpyAsync(to.data(), from.data(), kBytes, cudaMemcpyDeviceToDevice, context.stream), "copy");
  });
  Timed by_kernel(context, 4,
                  [&](int) { cuda::check(copy_by_kernel(to.data(), from.data(), kBytes, context.stream), "copy"); });
  const std::vector<double> us = medians({&by_driver, &by_kernel});
  return 2.0 * kBytes / (std::min(us[0], us[1]) * 1e-6);
}

int exit_code_of(const std::function<void()>& benchmark) {
  try {
    benchmark();
    return 0;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "%s\n", error.what());
    return 1;
  }
}

}  // namespace sgl::bench
