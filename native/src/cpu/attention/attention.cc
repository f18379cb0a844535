#include "cpu/attention/attention.hpp"

#include "cpu/attention/attention_plan.hpp"

namespace sgl::cpu {

namespace {

/// Below this many multiplications a step is over before a second thread has woken up.
constexpr int64_t kMinParallelProducts = 64 * 1024;

/// A tensor's element, as bytes.
char* at(const sgl_tensor& tensor, int64_t element) {
  return static_cast<char*>(tensor.data) + element * (tensor.dtype == SGL_BF16 ? 2 : 4);
}

/// The operands of a step, and what its blocks have in common.
class Step {
 public:
  Step(AttentionPlan& plan, const AttentionKernels& kernels, const sgl_tensor& out, const sgl_tensor& q,
       const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor* sinks)
      : plan_(plan), kernels_(kernels), out_(out), q_(q), k_cache_(k_cache), v_cache_(v_cache), sinks_(sinks) {}

  void run_block(const PlannedBlock& planned, int kv_head, BlockScratch* scratch) const {
    const sgl_attention_desc& desc = plan_.desc;
    const int group = plan_.group();
    const int request = planned.request;
    const int64_t first_token = plan_.query_start[request];
    const int64_t num_tokens = plan_.query_start[request + 1] - first_token;
    const int64_t head_offset = static_cast<int64_t>(kv_head) * desc.page_size * desc.head_dim;
    const int64_t q_head = static_cast<int64_t>(kv_head) * group;

    AttentionBlock block{};
    block.row_begin = planned.row_begin;
    block.num_rows = planned.num_rows;
    block.group = group;
    block.head_dim = desc.head_dim;
    block.q = at(q_, first_token * q_.stride[0] + q_head * q_.stride[1]);
    block.q_token_stride = q_.stride[0];
    block.q_head_stride = q_.stride[1];
    block.out = at(out_, first_token * out_.stride[0] + q_head * out_.stride[1]);
    block.out_token_stride = out_.stride[0];
    block.out_head_stride = out_.stride[1];
    block.k_cache = at(k_cache_, head_offset);
    block.v_cache = at(v_cache_, head_offset);
    block.page_stride = static_cast<int64_t>(desc.num_kv_heads) * desc.page_size * desc.head_dim;
    block.pages = plan_.pages.data() + plan_.page_start[request];
    block.page_size = desc.page_size;
    block.first_position = static_cast<int32_t>(plan_.kv_length[request] - num_tokens);
    block.key_begin = planned.key_begin;
    block.key_end = planned.key_end;
    block.window = desc.window;
    block.scale = desc.scale;
    block.soft_cap = desc.soft_cap;
    block.sinks = sinks_of(kv_head);
    block.scratch = scratch;
    if (planned.merge < 0) {
      kernels_.attend(block);
      return;
    }
    const PlannedMerge& merge = plan_.merges[planned.merge];
    const int64_t split_floats = static_cast<int64_t>(merge.num_rows) * (desc.head_dim + 2);
    float* partials =
        reinterpret_cast<float*>(plan_.partials.data()) + merge.partial_offset + kv_head * merge.num_splits * split_floats;
    block.partial = partials + planned.split * split_floats;
    kernels_.attend(block);

    std::atomic<int32_t>& pending = plan_.pending[static_cast<int64_t>(planned.merge) * desc.num_kv_heads + kv_head];
    if (pending.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    pending.store(merge.num_splits, std::memory_order_relaxed);  // for the next layer
    kernels_.merge({partials, merge.num_splits, merge.num_rows, group, desc.head_dim, block.out, block.out_token_stride,
                    block.out_head_stride, block.sinks});
  }

 private:
  const float* sinks_of(int kv_head) const {
    return sinks_ == nullptr ? nullptr : static_cast<const float*>(sinks_->data) + kv_head * plan_.group();
  }

  AttentionPlan& plan_;
  const AttentionKernels& kernels_;
  const sgl_tensor& out_;      // [num_tokens, num_q_heads, head_dim]
  const sgl_tensor& q_;        // [num_tokens, num_q_heads, head_dim]
  const sgl_tensor& k_cache_;  // [num_pages, num_kv_heads, page_size, head_dim]
  const sgl_tensor& v_cache_;
  const sgl_tensor* sinks_;  // [num_q_heads] or null
};

}  // namespace

std::unique_ptr<sgl_attention_plan> create_attention_plan(CpuContext& context, const sgl_attention_desc& desc) {
  return std::make_unique<AttentionPlan>(desc, context.pool.size());
}

void update_attention_plan(CpuContext&, sgl_attention_plan& plan, const sgl_attention_batch& batch) {
  static_cast<AttentionPlan&>(plan).update(batch);
}

void attention(CpuContext& context, sgl_attention_plan& base, const sgl_tensor& out, const sgl_tensor& q,
               const sgl_tensor& k_cache, const sgl_tensor& v_cache, const sgl_tensor* sinks) {
  auto& plan = static_cast<AttentionPlan&>(base);
  const int num_kv_heads = plan.desc.num_kv_heads;
  const AttentionKernels& kernels =
      q.dtype == SGL_BF16 ? SGL_SELECT_KERNELS(context.isa, kAttentionBf16) : SGL_SELECT_KERNELS(context.isa, kAttentionF32);
  const Step step(plan, kernels, out, q, k_cache, v_cache, sinks);
  auto* scratch = reinterpret_cast<BlockScratch*>(plan.scratch.data());
  const int64_t num_items = static_cast<int64_t>(plan.blocks.size()) * num_kv_heads;
  const bool is_small = plan.num_products * num_kv_heads * plan.desc.head_dim < kMinParallelProducts;
  context.pool.for_each(num_items, is_small ? num_items : 1, [&](int worker, int64_t begin, int64_t end) {
    for (int64_t item = begin; item < end; ++item) {
      step.run_block(plan.blocks[static_cast<size_t>(item / num_kv_heads)], static_cast<int>(item % num_kv_heads),
                     scratch + worker);
    }
  });
}

}  // namespace sgl::cpu
