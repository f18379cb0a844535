// Attention with 32 query heads and 8 KV heads over pages of 16 keys. Decode beside the bandwidth of a copy, counting K and V;
// prefill in FLOP/s of visible pairs. Usage: cuda_attention_bench [filter] [contiguous]; the filter is a part of a shape's
// label, as it is printed; with the second word pages follow each other instead of being shuffled.

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <numeric>
#include <random>
#include <string>
#include <vector>

#include "cuda/kernels/attention/attention.hpp"
#include "cuda/runtime/error.hpp"
#include "cuda/timing.hpp"

namespace sgl::bench {
namespace {

struct Shape {
  const char* name;
  int num_requests;
  int num_queries;  // of each request
  int kv_length;
  int head_dim = 128;
  int window = 0;
};

constexpr Shape kShapes[] = {
    {"decode", 1, 1, 1024},
    {"decode", 1, 1, 8192},
    {"decode", 1, 1, 32768},
    {"decode", 1, 1, 131072},
    {"decode", 8, 1, 1024},
    {"decode", 32, 1, 1024},
    {"decode", 64, 1, 1024},
    {"decode", 128, 1, 1024},
    {"decode", 256, 1, 1024},
    {"decode", 32, 1, 4096},
    {"decode", 8, 1, 16384},
    {"decode", 64, 1, 1024, 64},
    {"decode", 64, 1, 1024, 256},
    {"verify", 32, 4, 1024},
    {"prefill", 32, 512, 512},
    {"prefill", 16, 1024, 1024},
    {"prefill", 8, 2048, 2048},
    {"prefill", 4, 4096, 4096},
    {"prefill", 2, 8192, 8192},
    {"prefill", 1, 16384, 16384},
    {"prefill", 1, 4096, 4096},
    {"prefill.cached", 1, 512, 16384},
    {"prefill.cached", 1, 256, 16384},
    {"prefill.cached", 4, 128, 8192},
    {"prefill", 4, 4096, 4096, 64},
    {"prefill", 4, 4096, 4096, 80},
    {"prefill", 4, 4096, 4096, 96},
    {"prefill", 4, 4096, 4096, 192},
    {"prefill", 4, 4096, 4096, 256},
    {"prefill.window", 2, 8192, 8192, 128, 1024},
};
constexpr int kQueryHeads = 32;
constexpr int kKvHeads = 8;
constexpr int kPageSize = 16;
/// Caches that consecutive calls rotate among hold several times the second-level cache.
constexpr double kRotatedBytes = 400 << 20;

std::string label_of(const Shape& shape) {
  char label[64];
  std::snprintf(label, sizeof label, "%-15s b%-3d q%-5d kv%-6d d%-3d", shape.name, shape.num_requests, shape.num_queries,
                shape.kv_length, shape.head_dim);
  return label;
}

void run(cuda::CudaContext& context, const Shape& shape, bool is_shuffled, double bandwidth) {
  const int head_dim = shape.head_dim;
  const int num_tokens = shape.num_requests * shape.num_queries;
  const int pages_each = (shape.kv_length + kPageSize - 1) / kPageSize;
  const int64_t num_pages = 1 + int64_t{shape.num_requests} * pages_each;
  const int64_t cache_bytes = 2 * num_pages * kKvHeads * kPageSize * head_dim;
  const int num_layers = std::max(1, static_cast<int>(std::ceil(kRotatedBytes / (2.0 * static_cast<double>(cache_bytes)))));

  std::vector<int32_t> query_start{0}, kv_length, page_start;
  for (int r = 0; r < shape.num_requests; ++r) {
    query_start.push_back((r + 1) * shape.num_queries);
    kv_length.push_back(shape.kv_length);
    page_start.push_back(r * pages_each);
  }
  std::vector<int32_t> pages(static_cast<size_t>(num_pages - 1));
  std::iota(pages.begin(), pages.end(), 1);
  if (is_shuffled) std::shuffle(pages.begin(), pages.end(), std::mt19937(2));

  const size_t row_bytes = size_t{2} * kQueryHeads * head_dim;
  const DeviceBuffer q(num_tokens * row_bytes), out(num_tokens * row_bytes);
  const DeviceBuffer k(num_layers * cache_bytes), v(num_layers * cache_bytes);
  const auto rows = [&](void* data) {
    return sgl_tensor{data, SGL_BF16, 3, {num_tokens, kQueryHeads, head_dim}, {kQueryHeads * head_dim, head_dim, 1}};
  };
  const auto layer = [&](void* data, int index) {
    return sgl_tensor{static_cast<char*>(data) + index * cache_bytes,
                      SGL_BF16,
                      4,
                      {num_pages, kKvHeads, kPageSize, head_dim},
                      {kKvHeads * kPageSize * head_dim, kPageSize * head_dim, head_dim, 1}};
  };
  sgl_attention_desc desc{};
  desc.num_q_heads = kQueryHeads;
  desc.num_kv_heads = kKvHeads;
  desc.head_dim = head_dim;
  desc.page_size = kPageSize;
  desc.window = shape.window;
  desc.dtype = SGL_BF16;
  desc.scale = 1 / std::sqrt(static_cast<float>(head_dim));
  desc.max_tokens = num_tokens;
  desc.max_requests = shape.num_requests;
  const std::unique_ptr<sgl_attention_plan> plan = cuda::create_attention_plan(context, desc);
  const sgl_attention_batch batch{shape.num_requests, 0, query_start.data(), kv_length.data(), page_start.data(), pages.data()};
  cuda::update_attention_plan(context, *plan, batch);
  plan->num_rows = num_tokens;

  Timed timed(context, std::max(num_layers, shape.num_queries > 1 ? 4 : 16), [&](int call) {
    const sgl_tensor q_rows = rows(q.data()), out_rows = rows(out.data());
    const sgl_tensor k_cache = layer(k.data(), call % num_layers), v_cache = layer(v.data(), call % num_layers);
    cuda::attention(context, *plan, out_rows, q_rows, k_cache, v_cache, nullptr);
  });
  const double us = medians({&timed})[0];
  const double kv_bytes = 4.0 * shape.num_requests * shape.kv_length * kKvHeads * head_dim;
  const double prefix = shape.kv_length - shape.num_queries;
  double pairs = shape.num_requests * (prefix * shape.num_queries + 0.5 * shape.num_queries * (shape.num_queries + 1));
  if (shape.window > 0) {  // at most the prompt's length
    pairs = shape.num_requests * double(shape.window) * (shape.num_queries - 0.5 * (shape.window - 1));
  }
  const double flops = 4.0 * kQueryHeads * head_dim * pairs;
  std::printf("%s %9.1f us %7.0f GB/s %5.1f %% of copy %7.1f TFLOP/s\n", label_of(shape).c_str(), us, kv_bytes / us / 1e3,
              100 * kv_bytes / (us * 1e-6) / bandwidth, flops / us / 1e6);
  std::fflush(stdout);
}

void run_all(const char* filter, bool is_shuffled) {
  cuda::CudaContext context(0);
  const double bandwidth = copy_bandwidth(context);
  std::printf("copy of 1 GiB: %.0f GB/s read plus written; graph replays, medians\n", bandwidth / 1e9);
  for (const Shape& shape : kShapes) {
    if (label_of(shape).find(filter) != std::string::npos) run(context, shape, is_shuffled, bandwidth);
  }
}

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) {
  return sgl::bench::exit_code_of([&] { sgl::bench::run_all(argc > 1 ? argv[1] : "", argc < 3); });
}
