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

  void run_item(int64_t index, ThreadPool::Next& next, BlockScratch* scratch) const {
    const PlannedItem& item = plan_.items[static_cast<size_t>(index)];
    const PlannedBlock& planned = plan_.blocks[static_cast<size_t>(item.block)];
    AttentionBlock block = describe(item);
    Follower follower{*this, next};
    block.scratch = scratch;
    block.follow = &Follower::follow;
    block.follower = &follower;
    kernels_.attend(block);
    if (planned.merge < 0) return;
    for (int head = item.first_head; head < item.first_head + item.num_heads; ++head) merge(planned.merge, head);
  }

 private:
  /// Tells a kernel what its worker does next.
  struct Follower {
    static bool follow(void* self, AttentionBlock& following) {
      const auto& follower = *static_cast<Follower*>(self);
      const int64_t index = follower.next();
      if (index < 0) return false;
      following = follower.step.describe(follower.step.plan_.items[static_cast<size_t>(index)]);
      return true;
    }
    const Step& step;
    ThreadPool::Next& next;
  };

  AttentionBlock describe(const PlannedItem& item) const {
    const sgl_attention_desc& desc = plan_.desc;
    const PlannedBlock& planned = plan_.blocks[static_cast<size_t>(item.block)];
    const int group = plan_.group();
    const int request = planned.request;
    const int64_t first_token = plan_.query_start[request];
    const int64_t num_tokens = plan_.query_start[request + 1] - first_token;
    const int64_t kv_head_stride = static_cast<int64_t>(desc.page_size) * desc.head_dim;
    const int64_t q_head = static_cast<int64_t>(item.first_head) * group;

    AttentionBlock block{};
    block.row_begin = planned.row_begin;
    block.num_rows = planned.num_rows;
    block.num_heads = item.num_heads;
    block.group = group;
    block.head_dim = desc.head_dim;
    block.q = at(q_, first_token * q_.stride[0] + q_head * q_.stride[1]);
    block.q_token_stride = q_.stride[0];
    block.q_head_stride = q_.stride[1];
    block.out = out_of(request, item.first_head);
    block.out_token_stride = out_.stride[0];
    block.out_head_stride = out_.stride[1];
    block.k_cache = at(k_cache_, item.first_head * kv_head_stride);
    block.v_cache = at(v_cache_, item.first_head * kv_head_stride);
    block.page_stride = desc.num_kv_heads * kv_head_stride;
    block.kv_head_stride = kv_head_stride;
    block.pages = plan_.pages.data() + plan_.page_start[request];
    block.page_size = desc.page_size;
    block.first_position = static_cast<int32_t>(plan_.kv_length[request] - num_tokens);
    block.key_begin = planned.key_begin;
    block.key_end = planned.key_end;
    block.window = desc.window;
    block.scale = desc.scale;
    block.soft_cap = desc.soft_cap;
    block.sinks = sinks_of(item.first_head);
    if (planned.merge >= 0) {
      const PlannedMerge& merge = plan_.merges[planned.merge];
      block.partial = partials_of(merge, item.first_head) + planned.split * split_floats(merge);
      block.partial_head_stride = merge.num_splits * split_floats(merge);
    }
    return block;
  }

  /// Counts one split of a head as done; the last one merges them.
  void merge(int index, int head) const {
    const PlannedMerge& merge = plan_.merges[static_cast<size_t>(index)];
    std::atomic<int32_t>& pending = plan_.pending[static_cast<int64_t>(index) * plan_.desc.num_kv_heads + head];
    if (pending.fetch_sub(1, std::memory_order_acq_rel) != 1) return;
    pending.store(merge.num_splits, std::memory_order_relaxed);  // for the next layer
    kernels_.merge({partials_of(merge, head), merge.num_splits, merge.num_rows, plan_.group(), plan_.desc.head_dim,
                    out_of(merge.request, head), out_.stride[0], out_.stride[1], sinks_of(head)});
  }

  int64_t split_floats(const PlannedMerge& merge) const {
    return static_cast<int64_t>(merge.num_rows) * (plan_.desc.head_dim + 2);
  }
  float* partials_of(const PlannedMerge& merge, int head) const {
    return reinterpret_cast<float*>(plan_.partials.data()) + merge.partial_offset +
           head * merge.num_splits * split_floats(merge);
  }
  void* out_of(int request, int head) const {
    return at(out_, plan_.query_start[request] * out_.stride[0] + int64_t{head} * plan_.group() * out_.stride[1]);
  }
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
  const auto num_items = static_cast<int64_t>(plan.items.size());
  const bool is_small = plan.num_products * num_kv_heads * plan.desc.head_dim < kMinParallelProducts;
  context.pool.for_each_ahead(num_items, is_small, [&](int worker, int64_t item, ThreadPool::Next& next) {
    step.run_item(item, next, scratch + worker);
  });
}

}  // namespace sgl::cpu
