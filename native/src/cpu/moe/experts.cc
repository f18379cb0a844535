#include <algorithm>

#include "cpu/isa/float_conversion.hpp"
#include "cpu/linear/packed_weight.hpp"
#include "cpu/linear/panel_kernels.hpp"
#include "cpu/moe/moe.hpp"

namespace sgl::cpu {
namespace {

/// (token, expert) pairs per pass. Bounds the scratch memory; at this many rows the experts' memory traffic no longer matters.
constexpr int64_t kMaxPassPairs = 8192;

/// Tokens [first_token, first_token + num_tokens) of a step.
///
/// A pair is one (token, expert) of this rank; pairs are sorted by expert, then token. Both products run over the pairs of one
/// expert at a time, so each touched expert's weights are read once. The down product's work is divided by output columns
/// alone: one worker holds its columns of all pairs in f32 and sums them, in the order of k, straight into y.
class Pass {
 public:
  Pass(CpuContext& context, const sgl_moe_args& args, int64_t first_token, int64_t num_tokens)
      : context_(context),
        args_(args),
        gate_up_(packed(*args.gate_up)),
        down_(packed(*args.down)),
        kernels_(panel_kernels(context.isa, gate_up_.desc.dtype)),
        first_token_(first_token),
        num_tokens_(num_tokens),
        k_(args.expert_ids->shape[1]),
        num_groups_(gate_up_.desc.num_groups),
        intermediate_(gate_up_.desc.out_features / 2) {}

  void run() {
    reserve_scratch();
    group_pairs();
    const auto* x = static_cast<const std::byte*>(args_.x->data);
    const int64_t x_bytes = element_bytes(args_.x->dtype);
    pack({x + first_token_ * args_.x->stride[0] * x_bytes, args_.x->stride[0], token_of_pair_, gate_up_.desc.in_features},
         gate_up_.num_steps);
    if (intermediate_ % kPanelWidth == 0) {
      gate_up_by_panel_pairs();
    } else {
      gate_up_by_rows();
    }
    pack({activated_, intermediate_, nullptr, intermediate_}, down_.num_steps);
    down_and_combine();
  }

 private:
  void reserve_scratch() {
    const int64_t max_pairs = num_tokens_ * k_;
    const int64_t max_steps = std::max(gate_up_.num_steps, down_.num_steps);
    const bool is_split = intermediate_ % kPanelWidth != 0;
    block_floats_ = max_pairs * kBlockWidth;
    ScratchLayout layout;
    const size_t pair_of_choice_at = layout.place<int32_t>(max_pairs);
    const size_t token_of_pair_at = layout.place<int32_t>(max_pairs);
    const size_t group_begin_at = layout.place<int32_t>(num_groups_ + 1);
    const size_t touched_at = layout.place<int32_t>(num_groups_);
    const size_t packed_at = layout.place<std::byte>(max_pairs * max_steps * kernels_.operand_bytes);
    const size_t activated_at = layout.place<std::byte>(max_pairs * intermediate_ * element_bytes(gate_up_.desc.dtype));
    const size_t gate_up_rows_at = layout.place<float>(is_split ? max_pairs * 2 * intermediate_ : 0);
    const size_t blocks_at = layout.place<float>(context_.pool.size() * block_floats_);
    std::byte* scratch = context_.scratch.reserve(layout.num_bytes());
    pair_of_choice_ = reinterpret_cast<int32_t*>(scratch + pair_of_choice_at);
    token_of_pair_ = reinterpret_cast<int32_t*>(scratch + token_of_pair_at);
    group_begin_ = reinterpret_cast<int32_t*>(scratch + group_begin_at);
    touched_ = reinterpret_cast<int32_t*>(scratch + touched_at);
    packed_ = scratch + packed_at;
    activated_ = scratch + activated_at;
    gate_up_rows_ = reinterpret_cast<float*>(scratch + gate_up_rows_at);
    blocks_ = reinterpret_cast<float*>(scratch + blocks_at);
  }

  int32_t local_expert(int64_t token, int64_t choice) const {
    const sgl_tensor& ids = *args_.expert_ids;
    const int64_t id = static_cast<const int32_t*>(ids.data)[(first_token_ + token) * ids.stride[0] + choice];
    const int64_t group = id - args_.first_expert;
    return group >= 0 && group < num_groups_ ? static_cast<int32_t>(group) : -1;
  }

  /// Counting sort of the pairs by expert.
  void group_pairs() {
    std::fill(group_begin_, group_begin_ + num_groups_ + 1, 0);
    for (int64_t token = 0; token < num_tokens_; ++token) {
      for (int64_t choice = 0; choice < k_; ++choice) {
        const int32_t group = local_expert(token, choice);
        if (group >= 0) ++group_begin_[group + 1];
      }
    }
    num_touched_ = 0;
    for (int32_t group = 0; group < num_groups_; ++group) {
      if (group_begin_[group + 1] > 0) touched_[num_touched_++] = group;
      group_begin_[group + 1] += group_begin_[group];
    }
    // Places each pair at its group's begin, which moves to the group's end: the next group's begin.
    for (int64_t token = 0; token < num_tokens_; ++token) {
      for (int64_t choice = 0; choice < k_; ++choice) {
        const int32_t group = local_expert(token, choice);
        const int32_t pair = group < 0 ? -1 : group_begin_[group]++;
        pair_of_choice_[token * k_ + choice] = pair;
        if (pair >= 0) token_of_pair_[pair] = static_cast<int32_t>(token);
      }
    }
    for (int64_t group = num_groups_; group > 0; --group) group_begin_[group] = group_begin_[group - 1];
    group_begin_[0] = 0;
  }

  int64_t num_pairs(int32_t group) const { return group_begin_[group + 1] - group_begin_[group]; }

  RowTiles tiles(int32_t group) const { return kernels_.tiles(num_pairs(group)); }

  std::byte* packed_rows(int32_t group, int64_t num_steps) const {
    return packed_ + group_begin_[group] * num_steps * kernels_.operand_bytes;
  }

  /// Packs every group's rows of `source`, which stand at their pair's index, or where the source's row_index says.
  void pack(const RowSource& source, int64_t num_steps) {
    const int64_t bytes = group_begin_[num_groups_] * num_steps * kernels_.operand_bytes;
    const int64_t grain = bytes < (32 << 10) ? num_touched_ : 1;
    context_.pool.for_each(num_touched_, grain, [&](int, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) {
        const int32_t group = touched_[i];
        RowSource rows = source;
        if (rows.row_index != nullptr) {
          rows.row_index += group_begin_[group];
        } else {
          rows.x =
              static_cast<const std::byte*>(rows.x) + group_begin_[group] * rows.stride * element_bytes(gate_up_.desc.dtype);
        }
        const RowTiles group_tiles = tiles(group);
        kernels_.pack_rows(packed_rows(group, num_steps), rows, group_tiles, 0, group_tiles.count);
      }
    });
  }

  /// Calls body(accumulators, group, block) for blocks [0, count) of every touched group, in parallel.
  template <class Body>
  void for_each_gate_up_block(int64_t count, const Body& body) {
    context_.pool.for_each(num_touched_ * count, 1, [&](int worker, int64_t begin, int64_t end) {
      for (int64_t i = begin; i < end; ++i) body(blocks_ + worker * block_floats_, touched_[i / count], i % count);
    });
  }

  void gate_up_by_panel_pairs() {
    const int64_t half_panels = intermediate_ / kPanelWidth;
    for_each_gate_up_block(half_panels, [&](float* acc, int32_t group, int64_t block) {
      const uint32_t* panels[2] = {gate_up_.panel(group, block), gate_up_.panel(group, half_panels + block)};
      kernels_.product(acc, packed_rows(group, gate_up_.num_steps), tiles(group), gate_up_.num_steps, panels, 2);
      StoreArgs store{};
      store.acc = acc;
      store.up = acc + kPanelWidth;
      store.acc_stride = kBlockWidth;
      store.y = activated_ + (group_begin_[group] * intermediate_ + block * kPanelWidth) * element_bytes(gate_up_.desc.dtype);
      store.y_stride = intermediate_;
      store.y_dtype = gate_up_.desc.dtype;
      store.num_rows = num_pairs(group);
      store.num_columns = kPanelWidth;
      kernels_.store(store);
    });
  }

  /// For halves that are not whole panels: gate and up rows in f32 first, then their product.
  void gate_up_by_rows() {
    const int64_t out_features = 2 * intermediate_;
    for_each_gate_up_block((gate_up_.num_panels + 1) / 2, [&](float* acc, int32_t group, int64_t block) {
      const int num_panels = 2 * block + 1 < gate_up_.num_panels ? 2 : 1;
      const uint32_t* panels[2] = {gate_up_.panel(group, 2 * block), gate_up_.panel(group, 2 * block + num_panels - 1)};
      kernels_.product(acc, packed_rows(group, gate_up_.num_steps), tiles(group), gate_up_.num_steps, panels, num_panels);
      StoreArgs store{};
      store.acc = acc;
      store.acc_stride = kBlockWidth;
      store.y = gate_up_rows_ + group_begin_[group] * out_features + block * kBlockWidth;
      store.y_stride = out_features;
      store.y_dtype = SGL_F32;
      store.num_rows = num_pairs(group);
      store.num_columns = std::min<int64_t>(kBlockWidth, out_features - block * kBlockWidth);
      kernels_.store(store);
    });
    context_.pool.for_each(group_begin_[num_groups_], 8, [&](int, int64_t begin, int64_t end) {
      StoreArgs store{};
      store.acc = gate_up_rows_ + begin * out_features;
      store.up = store.acc + intermediate_;
      store.acc_stride = out_features;
      store.y = activated_ + begin * intermediate_ * element_bytes(gate_up_.desc.dtype);
      store.y_stride = intermediate_;
      store.y_dtype = gate_up_.desc.dtype;
      store.num_rows = end - begin;
      store.num_columns = intermediate_;
      kernels_.store(store);
    });
  }

  void down_and_combine() {
    context_.pool.for_each((down_.num_panels + 1) / 2, 1, [&](int worker, int64_t begin, int64_t end) {
      float* acc = blocks_ + worker * block_floats_;
      for (int64_t block = begin; block < end; ++block) {
        const int num_panels = 2 * block + 1 < down_.num_panels ? 2 : 1;
        for (int64_t i = 0; i < num_touched_; ++i) {
          const int32_t group = touched_[i];
          const uint32_t* panels[2] = {down_.panel(group, 2 * block), down_.panel(group, 2 * block + num_panels - 1)};
          kernels_.product(acc + static_cast<int64_t>(group_begin_[group]) * kBlockWidth, packed_rows(group, down_.num_steps),
                           tiles(group), down_.num_steps, panels, num_panels);
        }
        combine(acc, block * kBlockWidth);
      }
    });
  }

  /// y columns [first, first + kBlockWidth) of every token, from the down products of all pairs.
  void combine(const float* acc, int64_t first) {
    const sgl_tensor& y = *args_.y;
    const sgl_tensor& weights = *args_.expert_weights;
    const int64_t count = std::min<int64_t>(kBlockWidth, down_.desc.out_features - first);
    for (int64_t token = 0; token < num_tokens_; ++token) {
      const int64_t row = first_token_ + token;
      float sums[kBlockWidth] = {};
      for (int64_t choice = 0; choice < k_; ++choice) {
        const int32_t pair = pair_of_choice_[token * k_ + choice];
        if (pair < 0) continue;
        const float weight = static_cast<const float*>(weights.data)[row * weights.stride[0] + choice];
        const float* product = acc + static_cast<int64_t>(pair) * kBlockWidth;
        for (int64_t c = 0; c < count; ++c) sums[c] += weight * product[c];
      }
      if (args_.residual != nullptr) {
        const sgl_tensor& residual = *args_.residual;
        const int64_t at = row * residual.stride[0] + first;
        for (int64_t c = 0; c < count; ++c) {
          sums[c] += residual.dtype == SGL_F32 ? static_cast<const float*>(residual.data)[at + c]
                                               : bf16_to_float(static_cast<const uint16_t*>(residual.data)[at + c]);
        }
      }
      const int64_t offset = row * y.stride[0] + first;
      for (int64_t c = 0; c < count; ++c) {
        if (y.dtype == SGL_F32) {
          static_cast<float*>(y.data)[offset + c] = sums[c];
        } else {
          static_cast<uint16_t*>(y.data)[offset + c] = float_to_bf16(sums[c]);
        }
      }
    }
  }

  CpuContext& context_;
  const sgl_moe_args& args_;
  const PackedWeight& gate_up_;
  const PackedWeight& down_;
  const PanelKernels& kernels_;
  const int64_t first_token_;
  const int64_t num_tokens_;
  const int64_t k_;
  const int64_t num_groups_;
  const int64_t intermediate_;

  int32_t* pair_of_choice_ = nullptr;  // [num_tokens, k], -1 where the expert is another rank's
  int32_t* token_of_pair_ = nullptr;   // [num_pairs], relative to first_token
  int32_t* group_begin_ = nullptr;     // [num_groups + 1], first pair of each group
  int32_t* touched_ = nullptr;         // [num_touched], groups with pairs
  int64_t num_touched_ = 0;
  std::byte* packed_ = nullptr;     // packed activations, of x and then of activated_
  std::byte* activated_ = nullptr;  // [num_pairs, intermediate] in the activation type
  float* gate_up_rows_ = nullptr;   // [num_pairs, 2 * intermediate], only for halves that are not whole panels
  float* blocks_ = nullptr;         // [num_workers, num_pairs, kBlockWidth]
  int64_t block_floats_ = 0;
};

}  // namespace

void moe_experts(CpuContext& context, const sgl_moe_args& args) {
  if (args.router_logits != nullptr) {
    moe_route(context, *args.expert_weights, *args.expert_ids, *args.router_logits, args.renormalize != 0);
  }
  const int64_t num_tokens = args.x->shape[0];
  const int64_t pass_tokens = std::max<int64_t>(1, kMaxPassPairs / std::max<int64_t>(1, args.expert_ids->shape[1]));
  const RowTiles passes(num_tokens, pass_tokens);
  for (int64_t pass = 0; pass < passes.count; ++pass) Pass(context, args, passes.begin(pass), passes.rows(pass)).run();
}

}  // namespace sgl::cpu
