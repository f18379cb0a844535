#include <algorithm>

#include "abi/error.hpp"
#include "cuda/kernels/gemm/weight.hpp"
#include "cuda/kernels/moe/experts.cuh"
#include "cuda/kernels/moe/moe.hpp"
#include "cuda/kernels/moe/single_token.cuh"
#include "cuda/kernels/moe/tile_experts.cuh"
#include "cuda/runtime/launch.hpp"
#include "cuda/runtime/tensor.hpp"

namespace sgl::cuda {
namespace {

constexpr const char* kOp = "moe_experts";

/// (token, expert) pairs of one pass: bounds the scratch memory.
constexpr int64_t kMaxPassPairs = 32768;

/// Pairs an expert, on average, up to which streaming its weights once or twice is what takes the time.
constexpr int64_t kMaxStreamedPairs = 24;

/// Tokens that the one block which groups them routes as well, a warp a token: in a second turn it costs more than a kernel.
constexpr int64_t kMaxGroupedRoutes = 16;

/// Tokens [first_token, first_token + num_tokens) of a step.
class Pass {
 public:
  Pass(CudaContext& context, const sgl_moe_args& args, int64_t first_token, int64_t num_tokens)
      : context_(context),
        args_(args),
        first_token_(first_token),
        num_tokens_(num_tokens),
        k_(args.expert_ids->shape[1]),
        num_choices_(num_tokens * k_),
        num_experts_(args.gate_up->desc.num_groups),
        hidden_(args.gate_up->desc.in_features),
        intermediate_(args.gate_up->desc.out_features / 2),
        dtype_(args.gate_up->desc.dtype) {
    const int access = access_size(hidden_, dtype_, {args.x});
    is_aligned_ = access > 1 && intermediate_ % access == 0;
    is_streamed_ = dtype_ == SGL_BF16 && is_aligned_;
    // Most of a tile's pairs should be real ones, and most experts' pairs should fit a tile.
    const int64_t pairs_per_expert = num_choices_ / num_experts_;
    is_tiled_ = is_streamed_ && pairs_per_expert > kMaxStreamedPairs;
    pairs_per_tile_ = is_tiled_ ? TileConfig::kPairs : is_streamed_ && pairs_per_expert > 4 ? 16 : 8;
    is_single_ = num_tokens == 1;
    has_single_kernels_ = is_single_ && is_streamed_ && k_ <= kWarpSize;
    is_routed_here_ = args.router_logits != nullptr && args.router_logits->shape[1] <= kMaxChosenFrom && k_ <= kWarpSize &&
                      (is_single_ ? has_single_kernels_ : num_tokens <= kMaxGroupedRoutes);
    max_tiles_ = is_single_ ? k_ : max_tiles(num_choices_, num_experts_, pairs_per_tile_);
  }

  void run() {
    Slicer slicer(nullptr);
    slice(slicer);
    Slicer placed(context_.scratch.reserve(context_, slicer.num_bytes()));
    slice(placed);
    if (args_.router_logits != nullptr && !is_routed_here_) {
      const RouteParams params = route();
      launch_route(context_, kOp, params, args_.router_logits->dtype);
    }
    if (has_single_kernels_) return run_single();
    if (!is_single_) group_pairs();
    gate_up();
    down();
    combine();
  }

 private:
  void slice(Slicer& slicer) {
    pair_of_choice_ = slicer.take<int32_t>(num_choices_);
    token_of_pair_ = slicer.take<int32_t>(num_choices_);
    tiles_ = slicer.take<PairTile>(max_tiles_);
    num_tiles_ = slicer.take<int32_t>(1);
    activated_ = slicer.take<std::byte>(num_choices_ * intermediate_ * element_bytes(dtype_));
    products_ = slicer.take<float>(num_choices_ * hidden_);
  }

  const std::byte* rows(const sgl_tensor& tensor) const {
    return static_cast<const std::byte*>(tensor.data) + first_token_ * tensor.stride[0] * element_bytes(tensor.dtype);
  }

  /// Of this pass's tokens.
  RouteParams route() const {
    RouteParams params = route_params(*args_.expert_weights, *args_.expert_ids, *args_.router_logits, args_.renormalize != 0);
    params.expert_weights += first_token_ * params.weights_stride;
    params.expert_ids += first_token_ * params.ids_stride;
    params.logits = rows(*args_.router_logits);
    params.num_tokens = num_tokens_;
    return params;
  }

  void run_single() {
    SingleTokenParams params{};
    if (is_routed_here_) {
      params.route = route();
      params.has_f32_logits = args_.router_logits->dtype == SGL_F32;
    } else {
      params.route.expert_weights = static_cast<float*>(args_.expert_weights->data);
      params.route.expert_ids = static_cast<int32_t*>(args_.expert_ids->data);
      params.route.k = static_cast<int32_t>(k_);
    }
    params.x = static_cast<const bf16*>(args_.x->data);
    params.gate_up = reinterpret_cast<const bf16*>(on_device(*args_.gate_up).data);
    params.down = reinterpret_cast<const bf16*>(on_device(*args_.down).data);
    params.activated = reinterpret_cast<bf16*>(activated_);
    if (args_.residual != nullptr) params.residual = static_cast<const bf16*>(args_.residual->data);
    params.y = static_cast<bf16*>(args_.y->data);
    params.hidden = static_cast<int32_t>(hidden_);
    params.intermediate = static_cast<int32_t>(intermediate_);
    params.first_expert = args_.first_expert;
    params.num_experts = static_cast<int32_t>(num_experts_);
    LaunchConfig config;
    // What runs at once: __launch_bounds__ lets a processor have two.
    const int64_t num_tiles = k_ * ((intermediate_ + kSingleGateUpColumns - 1) / kSingleGateUpColumns);
    config.grid = static_cast<unsigned>(std::min<int64_t>(num_tiles, 2 * context_.device.num_sms));
    config.block = SingleGateUpConfig::kThreads;
    config.overlaps_predecessor = true;
    launch(context_, kOp, single_gate_up_kernel, config, params);
    config.grid = blocks_for(hidden_, 16);
    config.block = SingleDownConfig::kThreads;
    launch(context_, kOp, single_down_kernel, config, params);
  }

  void group_pairs() {
    GroupParams params{};
    if (is_routed_here_) {
      params.route = route();
      params.has_f32_logits = args_.router_logits->dtype == SGL_F32;
    }
    params.expert_ids = reinterpret_cast<const int32_t*>(rows(*args_.expert_ids));
    params.ids_stride = args_.expert_ids->stride[0];
    params.num_choices = static_cast<int32_t>(num_choices_);
    params.k = static_cast<int32_t>(k_);
    params.first_expert = args_.first_expert;
    params.num_experts = static_cast<int32_t>(num_experts_);
    params.pairs_per_tile = static_cast<int32_t>(pairs_per_tile_);
    params.pair_of_choice = pair_of_choice_;
    params.token_of_pair = token_of_pair_;
    params.tiles = tiles_;
    params.num_tiles = num_tiles_;
    LaunchConfig config;
    config.grid = 1;
    config.block = kGroupThreads;
    config.shared_bytes = num_experts_ * sizeof(int32_t);
    if (config.shared_bytes > 48 << 10) {
      fail(SGL_UNSUPPORTED, "moe_experts: %lld experts in one rank, at most 12288 are supported",
           static_cast<long long>(num_experts_));
    }
    config.overlaps_predecessor = true;
    launch(context_, kOp, group_pairs_kernel, config, params);
  }

  ExpertProductParams product_params(const sgl_weight& weight) const {
    ExpertProductParams params{};
    params.weight = on_device(weight).data;
    if (is_single_) {
      params.expert_ids = reinterpret_cast<const int32_t*>(rows(*args_.expert_ids));
    } else {
      params.tiles = tiles_;
      params.num_tiles = num_tiles_;
    }
    params.first_expert = args_.first_expert;
    params.num_experts = static_cast<int32_t>(num_experts_);
    params.expert_stride = weight.desc.out_features * weight.desc.in_features;
    params.in_features = static_cast<int32_t>(weight.desc.in_features);
    return params;
  }

  void gate_up() {
    ExpertProductParams params = product_params(*args_.gate_up);
    params.y = activated_;
    params.x = rows(*args_.x);
    params.x_stride = is_single_ ? 0 : args_.x->stride[0];
    params.token_of_pair = is_single_ ? nullptr : token_of_pair_;
    params.width = static_cast<int32_t>(intermediate_);
    run_product<true>(params);
  }

  void down() {
    ExpertProductParams params = product_params(*args_.down);
    params.y = products_;
    params.x = activated_;
    params.x_stride = intermediate_;
    params.width = static_cast<int32_t>(hidden_);
    run_product<false>(params);
  }

  template <bool kIsGated>
  void run_product(const ExpertProductParams& params) {
    if (is_tiled_) return run_tiles<kIsGated>(params);
    if (is_streamed_) {
      return pairs_per_tile_ == 8 ? run_stream<1, kIsGated>(params) : run_stream<2, kIsGated>(params);
    }
    if (dtype_ == SGL_BF16) return run_generic<bf16, 1, kIsGated>(params);
    is_aligned_ ? run_generic<float, 4, kIsGated>(params) : run_generic<float, 1, kIsGated>(params);
  }

  template <int kRowTiles, bool kIsGated>
  void run_stream(const ExpertProductParams& params) {
    using Config = StreamConfig<2, kRowTiles>;
    LaunchConfig config;
    config.grid = dim3(blocks_for(params.width, kIsGated ? 16 : Config::kWeightRows), static_cast<unsigned>(max_tiles_));
    config.block = Config::kThreads;
    config.overlaps_predecessor = true;
    launch(context_, kOp, stream_experts_kernel<Config, kIsGated>, config, params);
  }

  template <bool kIsGated>
  void run_tiles(const ExpertProductParams& params) {
    allow_shared_bytes(kOp, tile_experts_kernel<kIsGated>, TileConfig::kSharedBytes);
    LaunchConfig config;
    config.grid = dim3(blocks_for(params.width, kIsGated ? TileConfig::kWeightRows / 2 : TileConfig::kWeightRows),
                       static_cast<unsigned>(max_tiles_));
    config.block = TileConfig::kThreads;
    config.shared_bytes = TileConfig::kSharedBytes;
    config.overlaps_predecessor = true;
    launch(context_, kOp, tile_experts_kernel<kIsGated>, config, params);
  }

  template <class T, int kVec, bool kIsGated>
  void run_generic(const ExpertProductParams& params) {
    LaunchConfig config;
    config.grid = dim3(blocks_for(params.width, kGenericWarps), static_cast<unsigned>(max_tiles_));
    config.block = kGenericThreads;
    config.overlaps_predecessor = true;
    launch(context_, kOp, generic_experts_kernel<T, kVec, kIsGated>, config, params);
  }

  void combine() {
    CombineParams params{};
    params.y = const_cast<std::byte*>(rows(*args_.y));
    if (args_.residual != nullptr) {
      params.residual = rows(*args_.residual);
      params.residual_stride = args_.residual->stride[0];
    }
    params.products = products_;
    params.expert_weights = reinterpret_cast<const float*>(rows(*args_.expert_weights));
    if (is_single_) {
      params.expert_ids = reinterpret_cast<const int32_t*>(rows(*args_.expert_ids));
    } else {
      params.pair_of_choice = pair_of_choice_;
    }
    params.first_expert = args_.first_expert;
    params.num_experts = static_cast<int32_t>(num_experts_);
    params.y_stride = args_.y->stride[0];
    params.weights_stride = args_.expert_weights->stride[0];
    params.num_tokens = num_tokens_;
    params.hidden = static_cast<int32_t>(hidden_);
    params.k = static_cast<int32_t>(k_);
    LaunchConfig config;
    config.grid = dim3(blocks_for(hidden_, kCombineThreads), static_cast<unsigned>(std::min<int64_t>(num_tokens_, kMaxGridY)));
    config.block = kCombineThreads;
    config.overlaps_predecessor = true;
    launch(context_, kOp, args_.y->dtype == SGL_BF16 ? combine_kernel<bf16> : combine_kernel<float>, config, params);
  }

  CudaContext& context_;
  const sgl_moe_args& args_;
  const int64_t first_token_;
  const int64_t num_tokens_;
  const int64_t k_;
  const int64_t num_choices_;
  const int64_t num_experts_;
  const int64_t hidden_;
  const int64_t intermediate_;
  const sgl_dtype dtype_;
  bool is_aligned_;
  bool is_streamed_;
  bool is_tiled_;
  bool is_single_;           // one token, whose choices need no grouping
  bool has_single_kernels_;  // of its own
  bool is_routed_here_;      // without a kernel for that
  int64_t pairs_per_tile_;
  int64_t max_tiles_;

  int32_t* pair_of_choice_ = nullptr;
  int32_t* token_of_pair_ = nullptr;
  PairTile* tiles_ = nullptr;
  int32_t* num_tiles_ = nullptr;
  std::byte* activated_ = nullptr;  // [num_choices, intermediate] in the activation type
  float* products_ = nullptr;       // [num_choices, hidden]
};

}  // namespace

void moe_experts(CudaContext& context, const sgl_moe_args& args) {
  const int64_t num_tokens = args.x->shape[0];
  const int64_t pass_tokens = std::max<int64_t>(1, kMaxPassPairs / std::max<int64_t>(1, args.expert_ids->shape[1]));
  for (int64_t first = 0; first < num_tokens; first += pass_tokens) {
    Pass(context, args, first, std::min(pass_tokens, num_tokens - first)).run();
  }
}

}  // namespace sgl::cuda
