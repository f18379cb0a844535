// Attention of models with 32 query heads and 8 KV heads, pages of 16. Usage: attention_bench [name filter]

#include <algorithm>
#include <cmath>
#include <cstring>
#include <numeric>
#include <random>
#include <vector>

#include "measure.hpp"

namespace sgl::bench {
namespace {

struct Shape {
  const char* name;
  int num_requests;
  int num_queries;  // of each request
  int kv_length;
};

constexpr Shape kShapes[] = {
    {"decode", 1, 1, 1024},  {"decode", 1, 1, 4096},   {"decode", 1, 1, 16384},    {"decode", 8, 1, 4096},
    {"decode", 32, 1, 1024}, {"prefill", 1, 512, 512}, {"prefill", 1, 2048, 2048}, {"prefill.cached", 1, 256, 4096},
};
constexpr int kQueryHeads = 32;
constexpr int kKvHeads = 8;
constexpr int kPageSize = 16;
/// Layers that consecutive calls go through take this much, several times the last-level cache.
constexpr double kRotatedBytes = 160 << 20;

/// Device memory with numbers of a normal distribution.
class Buffer {
 public:
  Buffer(sgl_context* context, sgl_dtype dtype, int64_t count) : context_(context) {
    check(sgl_memory_allocate(context, &data_, static_cast<uint64_t>(count) * (dtype == SGL_BF16 ? 2 : 4)));
    constexpr int kPeriod = 65521;
    std::mt19937 random(1);
    std::normal_distribution<float> normal;
    std::vector<float> numbers(kPeriod);
    for (float& number : numbers) number = normal(random);
    for (int64_t i = 0; i < count; ++i) {
      const float value = numbers[static_cast<size_t>(i % kPeriod)];
      if (dtype == SGL_F32) {
        static_cast<float*>(data_)[i] = value;
      } else {
        uint32_t bits;
        std::memcpy(&bits, &value, sizeof bits);
        static_cast<uint16_t*>(data_)[i] = static_cast<uint16_t>(bits >> 16);
      }
    }
  }
  ~Buffer() { sgl_memory_free(context_, data_); }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;

  void* data() const { return data_; }

 private:
  sgl_context* context_;
  void* data_ = nullptr;
};

void run(sgl_context* context, Probes& probes, const Shape& shape, int head_dim, sgl_dtype dtype) {
  const int64_t element_bytes = dtype == SGL_BF16 ? 2 : 4;
  const int num_tokens = shape.num_requests * shape.num_queries;
  const int pages_each = (shape.kv_length + kPageSize - 1) / kPageSize;
  const int64_t num_pages = 1 + static_cast<int64_t>(shape.num_requests) * pages_each;
  const int64_t cache_elements = num_pages * kKvHeads * kPageSize * head_dim;
  const double cache_bytes = 2.0 * static_cast<double>(cache_elements * element_bytes);
  const int64_t num_layers = std::max<int64_t>(1, static_cast<int64_t>(std::ceil(kRotatedBytes / cache_bytes)));

  std::vector<int32_t> query_start, kv_length, page_start;
  for (int r = 0; r < shape.num_requests; ++r) {
    query_start.push_back(r * shape.num_queries);
    kv_length.push_back(shape.kv_length);
    page_start.push_back(r * pages_each);
  }
  query_start.push_back(num_tokens);
  std::vector<int32_t> pages(static_cast<size_t>(num_pages - 1));
  std::iota(pages.begin(), pages.end(), 1);
  std::shuffle(pages.begin(), pages.end(), std::mt19937(2));

  const Buffer q(context, dtype, static_cast<int64_t>(num_tokens) * kQueryHeads * head_dim);
  const Buffer out(context, dtype, static_cast<int64_t>(num_tokens) * kQueryHeads * head_dim);
  const Buffer k(context, dtype, num_layers * cache_elements);
  const Buffer v(context, dtype, num_layers * cache_elements);
  const auto rows = [&](void* data) {
    return sgl_tensor{data, dtype, 3, {num_tokens, kQueryHeads, head_dim}, {kQueryHeads * head_dim, head_dim, 1}};
  };
  const auto layer = [&](void* data, int64_t index) {
    return sgl_tensor{static_cast<char*>(data) + index * cache_elements * element_bytes,
                      dtype,
                      4,
                      {num_pages, kKvHeads, kPageSize, head_dim},
                      {kKvHeads * kPageSize * head_dim, kPageSize * head_dim, head_dim, 1}};
  };

  sgl_attention_desc desc{};
  desc.num_q_heads = kQueryHeads;
  desc.num_kv_heads = kKvHeads;
  desc.head_dim = head_dim;
  desc.page_size = kPageSize;
  desc.dtype = dtype;
  desc.scale = 1 / std::sqrt(static_cast<float>(head_dim));
  desc.max_tokens = num_tokens;
  desc.max_requests = shape.num_requests;
  const sgl_attention_batch batch{shape.num_requests, 0, query_start.data(), kv_length.data(), page_start.data(), pages.data()};
  sgl_attention_plan* plan;
  check(sgl_attention_plan_create(context, &plan, &desc));
  check(sgl_attention_plan_update(context, plan, &batch));

  Case what{shape.name, "", 0, 0, dtype, cache_bytes * static_cast<double>(num_layers)};
  what.shape = "b" + std::to_string(shape.num_requests) + " q" + std::to_string(shape.num_queries) + " kv" +
               std::to_string(shape.kv_length) + " d" + std::to_string(head_dim) + (dtype == SGL_BF16 ? "" : " f32");
  const double kv_rows = static_cast<double>(shape.num_requests) * shape.kv_length * kKvHeads;
  what.num_bytes = 2.0 * static_cast<double>(element_bytes) * head_dim *
                   (kv_rows + static_cast<double>(num_tokens) * kQueryHeads);  // K and V, q and out
  const double prefix = shape.kv_length - shape.num_queries;
  const double pairs = shape.num_requests * (prefix * shape.num_queries + 0.5 * shape.num_queries * (shape.num_queries + 1));
  what.num_flops = 4.0 * kQueryHeads * head_dim * pairs;  // keys that the mask hides do not count
  measure(probes, what, [&](int64_t call) {
    const sgl_tensor q_rows = rows(q.data());
    const sgl_tensor out_rows = rows(out.data());
    const sgl_tensor k_cache = layer(k.data(), call % num_layers);
    const sgl_tensor v_cache = layer(v.data(), call % num_layers);
    check(sgl_attention_run(context, plan, &out_rows, &q_rows, &k_cache, &v_cache, nullptr));
  });
  sgl_attention_plan_destroy(plan);
}

void run_all(const char* filter) {
  sgl_context* context;
  const sgl_context_options options{SGL_DEVICE_CPU, 0, 0, 0};
  check(sgl_context_create(&context, &options));
  int32_t num_threads;
  check(sgl_context_num_threads(context, &num_threads));
  {
    Probes probes(num_threads);
    print_heading(num_threads);
    for (const int head_dim : {64, 128}) {
      for (const Shape& shape : kShapes) {
        if (std::strstr(shape.name, filter) != nullptr) run(context, probes, shape, head_dim, SGL_BF16);
      }
    }
    for (const Shape& shape : {kShapes[1], kShapes[5]}) {
      if (std::strstr(shape.name, filter) != nullptr) run(context, probes, shape, 128, SGL_F32);
    }
  }
  sgl_context_destroy(context);
}

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) {
  sgl::bench::run_all(argc > 1 ? argv[1] : "");
  return 0;
}
