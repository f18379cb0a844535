#include "cpu/linear/linear.hpp"

#include <algorithm>

#include "cpu/linear/packed_weight.hpp"
#include "cpu/linear/panel_kernels.hpp"

namespace sgl::cpu {
namespace {

/// Activation rows per pass over the weight. Their accumulators of one block stay in the second-level cache (128 KiB), and
/// at this many rows the weight's memory traffic no longer matters.
constexpr int64_t kMaxPassRows = 512;

/// Packing less than this on one thread costs less than waking the others.
constexpr int64_t kSerialPackBytes = 32 << 10;

/// Weight bytes, times rows, that are worth a thread.
constexpr int64_t kMinWorkPerThread = 64 << 10;

std::byte* at(const void* data, sgl_dtype dtype, int64_t index) {
  return data == nullptr ? nullptr : static_cast<std::byte*>(const_cast<void*>(data)) + index * element_bytes(dtype);
}

StoreArgs destination(const sgl_linear_args& args, int64_t first_row, int64_t num_rows) {
  StoreArgs store{};
  store.y = at(args.y->data, args.y->dtype, first_row * args.y->stride[0]);
  store.y_stride = args.y->stride[0];
  store.y_dtype = args.y->dtype;
  store.num_rows = num_rows;
  if (args.bias != nullptr) {
    store.bias = args.bias->data;
    store.bias_dtype = args.bias->dtype;
  }
  if (args.residual != nullptr) {
    store.residual = at(args.residual->data, args.residual->dtype, first_row * args.residual->stride[0]);
    store.residual_stride = args.residual->stride[0];
    store.residual_dtype = args.residual->dtype;
  }
  return store;
}

/// `store` narrowed to output columns [first, first + count).
StoreArgs columns(StoreArgs store, int64_t first, int64_t count) {
  store.y = at(store.y, store.y_dtype, first);
  store.bias = at(store.bias, store.bias_dtype, first);
  store.residual = at(store.residual, store.residual_dtype, first);
  store.num_columns = count;
  return store;
}

/// Rows [first_row, first_row + num_rows) of a product.
class Pass {
 public:
  Pass(CpuContext& context, const sgl_linear_args& args, int64_t first_row, int64_t num_rows)
      : context_(context),
        weight_(packed(*args.weight)),
        kernels_(panel_kernels(context.isa, args.weight->desc.dtype)),
        tiles_(kernels_.tiles(num_rows)),
        source_{at(args.x->data, args.x->dtype, first_row * args.x->stride[0]), args.x->stride[0], nullptr,
                weight_.desc.in_features},
        store_(destination(args, first_row, num_rows)),
        is_gated_(args.epilogue == SGL_EPILOGUE_SILU_MUL),
        half_(weight_.desc.out_features / 2) {}

  void run() {
    // Gate and up columns of one output sit in the same lane of two panels unless the halves are not whole panels.
    const bool is_split = is_gated_ && half_ % kPanelWidth != 0;
    const int64_t out_features = weight_.desc.out_features;
    const int64_t packed_bytes = store_.num_rows * weight_.num_steps * kernels_.operand_bytes;
    block_floats_ = store_.num_rows * kBlockWidth;
    ScratchLayout layout;
    const size_t packed_at = layout.place<std::byte>(packed_bytes);
    const size_t blocks_at = layout.place<float>(context_.pool.size() * block_floats_);
    const size_t gate_up_at = layout.place<float>(is_split ? store_.num_rows * out_features : 0);
    std::byte* scratch = context_.scratch.reserve(layout.num_bytes());
    packed_ = scratch + packed_at;
    blocks_ = reinterpret_cast<float*>(scratch + blocks_at);

    pack(packed_bytes);
    if (!is_gated_) {
      plain(store_);
    } else if (!is_split) {
      gated();
    } else {
      split_gated(reinterpret_cast<float*>(scratch + gate_up_at));
    }
  }

 private:
  void pack(int64_t packed_bytes) {
    if (packed_bytes <= kSerialPackBytes) {
      kernels_.pack_rows(packed_, source_, tiles_, 0, tiles_.count);
    } else {
      context_.pool.for_each(
          tiles_.count, 1, [&](int, int64_t begin, int64_t end) { kernels_.pack_rows(packed_, source_, tiles_, begin, end); });
    }
  }

  /// Calls body(accumulators, block) for blocks [0, count), in parallel.
  template <class Body>
  void for_each_block(int64_t count, const Body& body) {
    const int64_t work_per_block = 2 * weight_.panel_words() * sizeof(uint32_t) * store_.num_rows;
    // Runs of neighbouring blocks: streams stay unbroken.
    const int64_t grain = std::max<int64_t>(1, kMinWorkPerThread / work_per_block);
    context_.pool.for_each_shrinking(count, grain, [&](int worker, int64_t begin, int64_t end) {
      float* acc = blocks_ + worker * block_floats_;
      for (int64_t block = begin; block < end; ++block) body(acc, block);
    });
  }

  void plain(const StoreArgs& to) {
    // The panels of a block are far apart, so that its two streams run on into the panels of the next block.
    const int64_t num_blocks = (weight_.num_panels + 1) / 2;
    for_each_block(num_blocks, [&](float* acc, int64_t block) {
      const int64_t indices[2] = {block, block + num_blocks};
      const int num_panels = indices[1] < weight_.num_panels ? 2 : 1;
      const uint32_t* panels[2] = {weight_.panel(0, indices[0]), weight_.panel(0, indices[num_panels - 1])};
      kernels_.product(acc, packed_, tiles_, weight_.num_steps, panels, num_panels);
      for (int p = 0; p < num_panels; ++p) {
        const int64_t first = indices[p] * kPanelWidth;
        StoreArgs store = columns(to, first, std::min<int64_t>(kPanelWidth, weight_.desc.out_features - first));
        store.acc = acc + p * kPanelWidth;
        store.acc_stride = kBlockWidth;
        kernels_.store(store);
      }
    });
  }

  void gated() {
    const int64_t half_panels = half_ / kPanelWidth;
    for_each_block(half_panels, [&](float* acc, int64_t block) {
      const uint32_t* panels[2] = {weight_.panel(0, block), weight_.panel(0, half_panels + block)};
      kernels_.product(acc, packed_, tiles_, weight_.num_steps, panels, 2);
      StoreArgs store = columns(store_, block * kPanelWidth, kPanelWidth);
      store.up_bias = at(store.bias, store.bias_dtype, half_);
      store.acc = acc;
      store.up = acc + kPanelWidth;
      store.acc_stride = kBlockWidth;
      kernels_.store(store);
    });
  }

  /// Gate and up rows in f32 first, then their product.
  void split_gated(float* gate_up) {
    const int64_t out_features = weight_.desc.out_features;
    StoreArgs to_scratch = store_;
    to_scratch.y = gate_up;
    to_scratch.y_stride = out_features;
    to_scratch.y_dtype = SGL_F32;
    to_scratch.residual = nullptr;
    plain(to_scratch);
    context_.pool.for_each(store_.num_rows, 8, [&](int, int64_t begin, int64_t end) {
      StoreArgs store = store_;
      store.acc = gate_up + begin * out_features;
      store.up = store.acc + half_;
      store.acc_stride = out_features;
      store.y = at(store.y, store.y_dtype, begin * store.y_stride);
      store.bias = nullptr;
      store.residual = at(store.residual, store.residual_dtype, begin * store.residual_stride);
      store.num_rows = end - begin;
      store.num_columns = half_;
      kernels_.store(store);
    });
  }

  CpuContext& context_;
  const PackedWeight& weight_;
  const PanelKernels& kernels_;
  const RowTiles tiles_;
  const RowSource source_;
  const StoreArgs store_;
  const bool is_gated_;
  const int64_t half_;
  std::byte* packed_ = nullptr;
  float* blocks_ = nullptr;  // [num_workers, num_rows, kBlockWidth]
  int64_t block_floats_ = 0;
};

}  // namespace

void linear(CpuContext& context, const sgl_linear_args& args) {
  const int64_t num_rows = args.x->shape[0];
  const RowTiles passes(num_rows, kMaxPassRows);
  for (int64_t pass = 0; pass < passes.count; ++pass) Pass(context, args, passes.begin(pass), passes.rows(pass)).run();
}

}  // namespace sgl::cpu
