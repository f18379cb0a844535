#include "cuda/kernels/attention/attention.hpp"

#include <algorithm>
#include <cstdint>
#include <numeric>

#include "cuda/kernels/attention/attention_plan.hpp"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"
#include "cuda/runtime/tensor_map.hpp"

namespace sgl::cuda {
namespace {

constexpr const char* kRun = "attention_run";

/// Rows of a cache are numbered in 31 bits and copied in 16-byte pieces.
bool uses_tensor_cores(const AttentionPlan& plan, const sgl_tensor& k_cache, const sgl_tensor& v_cache) {
  const int64_t num_rows = k_cache.shape[0] * k_cache.shape[1] * k_cache.shape[2];
  return plan.has_tensor_core_kernels() && num_rows <= INT32_MAX && rows_are_aligned(k_cache, 16) &&
         rows_are_aligned(v_cache, 16);
}

AttentionParams params_of(const AttentionPlan& plan, const sgl_tensor& out, const sgl_tensor& q, const sgl_tensor& k_cache,
                          const sgl_tensor& v_cache, const sgl_tensor* sinks) {
  AttentionParams params{};
  params.q = q.data;
  params.out = out.data;
  params.k_cache = k_cache.data;
  params.v_cache = v_cache.data;
  params.sinks = sinks == nullptr ? nullptr : static_cast<const float*>(sinks->data);
  params.step = plan.header;
  params.stretches = plan.stretches;
  params.tickets = plan.tickets;
  for (int axis = 0; axis < 2; ++axis) {
    params.q_stride[axis] = q.stride[axis];
    params.out_stride[axis] = out.stride[axis];
  }
  params.num_kv_heads = plan.desc.num_kv_heads;
  params.group = plan.group();
  params.head_dim = plan.desc.head_dim;
  params.page_size = plan.desc.page_size;
  params.window = plan.desc.window;
  params.scale = plan.desc.scale;
  params.soft_cap = plan.desc.soft_cap;
  constexpr float kLog2E = 1.4426950408889634f;
  params.log2_scale = plan.desc.scale * kLog2E;
  params.cap_scale = plan.desc.soft_cap > 0 ? 2 * params.log2_scale / plan.desc.soft_cap : 0;
  params.q_by_two = rows_are_aligned(q, 4);
  params.out_by_two = rows_are_aligned(out, 4);
  return params;
}

template <class Kernel, class Params>
void launch_kernel(const CudaContext& context, const Kernel& kernel, int64_t num_blocks, const Params& params) {
  LaunchConfig config;
  config.grid = static_cast<unsigned>(num_blocks);
  config.block = static_cast<unsigned>(kernel.num_threads);
  config.shared_bytes = kernel.shared_bytes;
  config.overlaps_predecessor = true;
  launch(context, kRun, kernel.launch, config, params);
}

void launch_decode_sm90(const CudaContext& context, const AttentionPlan& plan, const AttentionParams& attention,
                        const sgl_tensor& k_cache) {
  DecodeSm90Params params{};
  params.attention = attention;
  const int64_t num_rows = k_cache.shape[0] * k_cache.shape[1] * k_cache.shape[2];
  params.keys = encode_rows_by_eight(attention.k_cache, num_rows, attention.head_dim, kDecodeTileKeys);
  params.values = encode_rows_by_eight(attention.v_cache, num_rows, attention.head_dim, kDecodeTileKeys);
  launch_kernel(context, plan.kernels.decode_sm90, plan.workers.num_decode_sm90_workers, params);
}

void launch_prefill_sm90(const CudaContext& context, const AttentionPlan& plan, const AttentionParams& attention,
                         const sgl_tensor& out, const sgl_tensor& q, const sgl_tensor& k_cache) {
  PrefillSm90Params params{};
  params.attention = attention;
  params.out_by_eight = rows_are_aligned(out, 16);
  const PrefillSm90Kernel& kernel = plan.kernels.prefill_sm90;
  if (kernel.copies_pages) {
    const int64_t num_rows = k_cache.shape[0] * k_cache.shape[1] * k_cache.shape[2];
    params.page_rows = std::gcd(attention.page_size, kUnitKeys);
    params.num_eight_rows = static_cast<int32_t>(num_rows / 8);
    const auto encode = [&](const void* cache) {
      return kernel.copies_blocks ? encode_matrix(cache, num_rows, attention.head_dim, attention.head_dim, params.page_rows)
                                  : encode_rows_by_eight(cache, num_rows, attention.head_dim, params.page_rows);
    };
    params.keys = encode(attention.k_cache);
    params.values = encode(attention.v_cache);
    // Eight rows of a tile are whole tokens, or heads of one token.
    params.query_heads = std::min(attention.group, 8);
    params.copies_queries = attention.group % params.query_heads == 0 && 8 % params.query_heads == 0 && q.stride[0] % 8 == 0 &&
                            q.stride[1] % 8 == 0;
    if (params.copies_queries) params.queries = encode_heads(q, params.query_heads);
  }
  launch_kernel(context, kernel, plan.workers.num_sm90_workers, params);
}

}  // namespace

std::unique_ptr<sgl_attention_plan> create_attention_plan(CudaContext& context, const sgl_attention_desc& desc) {
  return std::make_unique<AttentionPlan>(context, desc);
}

void update_attention_plan(CudaContext& context, sgl_attention_plan& plan, const sgl_attention_batch& batch) {
  static_cast<AttentionPlan&>(plan).update(context, batch);
}

void attention(CudaContext& context, sgl_attention_plan& base, const sgl_tensor& out, const sgl_tensor& q,
               const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor* sinks) {
  auto& plan = static_cast<AttentionPlan&>(base);
  AttentionParams params = params_of(plan, out, q, k_cache, v_cache, sinks);
  const bool has_sm90 = plan.kernels.prefill_sm90.launch != nullptr;
  const bool uses_sm90 = has_sm90 && rows_are_aligned(q, 16);
  // Tiles are cut for one prefill kernel; without it and without another that takes as many rows there is only the plain one.
  const bool fits_tiles = !has_sm90 || uses_sm90 || plan.kernels.prefill.num_rows == plan.kernels.prefill_sm90.num_rows;
  const bool has_decode = !plan.split.decode_requests.empty(), has_prefill = !plan.split.prefill_tiles.empty();
  if (!uses_tensor_cores(plan, k_cache, v_cache) || (has_prefill && !fits_tiles)) {
    launch_kernel(context, plan.plain, plan.num_rows * plan.desc.num_q_heads, params);
    return;
  }
  // Room for any step, since a captured launch serves steps that are split otherwise.
  const size_t decode_floats =
      has_decode ? static_cast<size_t>(plan.max_decode_workers()) * 2 * plan.kernels.decode.partial_floats : 0;
  const size_t num_prefill_partials =
      static_cast<size_t>(context.is_capturing ? max_prefill_partials(plan.workers) : plan.split.num_prefill_partials);
  const size_t partial_floats = uses_sm90 ? plan.kernels.prefill_sm90.partial_floats : plan.kernels.prefill.partial_floats;
  const size_t prefill_floats = has_prefill ? num_prefill_partials * partial_floats : 0;
  params.partials = reinterpret_cast<float*>(
      context.scratch.reserve(context, sizeof(float) * (decode_floats > prefill_floats ? decode_floats : prefill_floats)));
  if (has_decode) {
    params.num_done = plan.decode_done;
    if (plan.split.is_for_decode_sm90) {
      launch_decode_sm90(context, plan, params, k_cache);
    } else {
      launch_kernel(context, plan.kernels.decode, plan.workers.num_decode_workers, params);
    }
  }
  if (has_prefill) {
    params.num_done = plan.prefill_done;
    if (uses_sm90) {
      launch_prefill_sm90(context, plan, params, out, q, k_cache);
    } else {
      launch_kernel(context, plan.kernels.prefill, plan.workers.num_prefill_workers, params);
    }
  }
}

}  // namespace sgl::cuda
