#pragma once

#include "cuda/kernels/gemm/stream_product.cuh"
#include "cuda/kernels/moe/pairs.cuh"
#include "cuda/kernels/moe/route.cuh"
#include "cuda/tile/math.cuh"

// One token's experts in two kernels, without a kernel for routing, for summing up or for the residual: what takes the time is
// the way from one kernel to the next. Every warp finds the chosen experts by itself, which needs no more than the router's
// logits. The gate and up product is one wave of blocks, whose warps ask for the next tile's weights before they have added up
// the last one's; a block of the down product makes its columns of all chosen experts, a warp or more an expert.
//
// 8 of 128 experts of 2048 x 768 on an H100 (cuda_moe_bench): 33.2 us with routing and residual, 76 % of copy bandwidth; in
// tiles of 16 columns, a block each, in one and a half waves 40.6; weight rows through the copy engine into rings of shared
// memory, with both kernels' blocks on a processor at once, 48.0.

namespace sgl::cuda {

struct SingleTokenParams {
  RouteParams route;  // of one token; without logits its ids and weights are given
  bool has_f32_logits;
  const bf16* x;         // [hidden]
  const bf16* gate_up;   // [num_experts, 2 * intermediate, hidden]
  const bf16* down;      // [num_experts, hidden, intermediate]
  bf16* activated;       // [k, intermediate]
  const bf16* residual;  // [hidden], or null
  bf16* y;               // [hidden]
  int32_t hidden;
  int32_t intermediate;
  int32_t first_expert;
  int32_t num_experts;  // of this rank
};

/// Lane i < k has choice i. Reads past L1, since the work before may have written while this kernel was there.
__device__ __forceinline__ Choice choose_experts(const SingleTokenParams& params) {
  const RouteParams& route = params.route;
  const int lane = threadIdx.x % kWarpSize;
  if (route.logits != nullptr) return params.has_f32_logits ? choose_experts<float>(route, 0) : choose_experts<bf16>(route, 0);
  if (lane >= route.k) return {};
  return {__ldcg(route.expert_ids + lane), __ldcg(route.expert_weights + lane)};
}

/// 8 gate rows and the 8 up rows of the same columns are one tile.
using SingleGateUpConfig = StreamConfig<1, 1>;
inline constexpr int kSingleGateUpColumns = 8;

/// Block i makes tiles i, i + gridDim.x, ... of kSingleGateUpColumns columns of one choice.
__global__ void __launch_bounds__(SingleGateUpConfig::kThreads, 2)
    single_gate_up_kernel(const __grid_constant__ SingleTokenParams params) {
  using Config = SingleGateUpConfig;
  constexpr int kBlocks = Config::kBlocksPerTurn, kStep = Config::kWarps * Config::kTurn;
  __shared__ float sums[2][Config::kSharedFloats];
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int tiles_per_choice = (params.intermediate + kSingleGateUpColumns - 1) / kSingleGateUpColumns;
  const int num_tiles = params.route.k * tiles_per_choice;
  const int first = warp * Config::kTurn + lane % 4 * 8;  // of a lane's features

  // The successor may begin only after this wait, so the logits are there when the down product begins, whose weights are
  // asked for while this product runs.
  ptx::wait_for_predecessor();
  ptx::allow_successor();
  const Choice choice = choose_experts(params);
  const auto expert_of = [&](int tile) {
    return local_expert(__shfl_sync(0xffffffffu, choice.id, tile / tiles_per_choice), params.first_expert, params.num_experts);
  };

  // The turns of all tiles follow one another; weights are two turns ahead of their use.
  struct Place {
    int tile;
    int step;  // features from `first` on
  };
  const auto advance = [&](Place& place) {
    place.step += kStep;
    if (place.step >= params.hidden) place = {place.tile + static_cast<int>(gridDim.x), 0};
  };
  using Turn = uint4[kBlocks][2];
  const auto load_weight = [&](Turn& turn, Place& place) {
    const int expert = place.tile < num_tiles ? expert_of(place.tile) : -1;
    const int column = min(place.tile % tiles_per_choice * kSingleGateUpColumns + lane / 4, params.intermediate - 1);
    const bf16* gate = params.gate_up + (int64_t{expert} * 2 * params.intermediate + column) * params.hidden;
    const bf16* up = gate + int64_t{params.intermediate} * params.hidden;
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const int at = first + place.step + 32 * block;
      const bool exists = expert >= 0 && at < params.hidden;
      turn[block][0] = exists ? ptx::load_streamed(gate + at) : make_uint4(0, 0, 0, 0);
      turn[block][1] = exists ? ptx::load_streamed(up + at) : make_uint4(0, 0, 0, 0);
    }
    advance(place);
  };
  uint4 x[kBlocks];
  const auto load_x = [&](int step) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const int at = first + step + 32 * block;
      x[block] = at < params.hidden ? *reinterpret_cast<const uint4*>(params.x + at) : make_uint4(0, 0, 0, 0);
    }
  };

  StreamSums<Config> acc = {};
  Place ahead{static_cast<int>(blockIdx.x), 0}, place = ahead;
  int parity = 0;
  const auto use = [&](Turn& turn) {
#pragma unroll
    for (int block = 0; block < kBlocks; ++block) {
      const uint4 gate = turn[block][0], up = turn[block][1], v = x[block];
      ptx::mma_bf16(acc[0][0], gate.x, up.x, gate.y, up.y, v.x, v.y);
      ptx::mma_bf16(acc[0][0], gate.z, up.z, gate.w, up.w, v.z, v.w);
    }
    const int tile = place.tile;
    advance(place);
    load_x(place.step);
    load_weight(turn, ahead);
    if (place.tile == tile) return;
    float* shared = sums[parity];
    parity ^= 1;  // a warp leaves the barrier of the next tile only when all have read this one's sums
    share_sums<Config>(shared, acc);
#pragma unroll
    for (int i = 0; i < 4; ++i) acc[0][0][i] = 0;
    const int column = tile % tiles_per_choice * kSingleGateUpColumns + static_cast<int>(threadIdx.x);
    if (threadIdx.x < kSingleGateUpColumns && column < params.intermediate) {
      const float gate = total<Config>(shared, threadIdx.x, 0), up = total<Config>(shared, threadIdx.x + 8, 0);
      params.activated[int64_t{tile / tiles_per_choice} * params.intermediate + column] = from_float<bf16>(silu(gate) * up);
    }
  };
  Turn even, odd;
  load_weight(even, ahead);
  load_weight(odd, ahead);
  load_x(place.step);
  while (place.tile < num_tiles) {
    use(even);
    if (place.tile >= num_tiles) break;
    use(odd);
  }

  // Routes that were found here are told to whoever else wants to know.
  if (params.route.logits != nullptr && blockIdx.x == 0 && warp == Config::kWarps - 1 && lane < params.route.k) {
    params.route.expert_ids[lane] = choice.id;
    params.route.expert_weights[lane] = choice.weight;
  }
}

using SingleDownConfig = StreamConfig<1, 1>;

/// A block makes 16 columns. Its warps share out the choices, and where there are fewer than warps, the features of each.
__global__ void __launch_bounds__(SingleDownConfig::kThreads, 2)
    single_down_kernel(const __grid_constant__ SingleTokenParams params) {
  using Config = SingleDownConfig;
  __shared__ float sums[Config::kSharedFloats];
  ptx::allow_successor();
  const Choice choice = choose_experts(params);
  const int k = params.route.k;
  const int warp = threadIdx.x / kWarpSize, lane = threadIdx.x % kWarpSize;
  const int first_column = blockIdx.x * 16;
  const int parts = max(1, Config::kWarps / k);
  const int turns = (params.intermediate + Config::kTurn - 1) / Config::kTurn;
  const int features_per_part = (turns + parts - 1) / parts * Config::kTurn;

  StreamSums<Config> acc = {};
  bool has_waited = false;
  const auto wait = [&] {
    if (!has_waited) ptx::wait_for_predecessor();
    has_waited = true;
  };
  // An item is a part of a choice.
  for (int item = warp; item < k * parts; item += Config::kWarps) {
    const int place = item / parts, begin = item % parts * features_per_part;
    const int expert = local_expert(__shfl_sync(0xffffffffu, choice.id, place), params.first_expert, params.num_experts);
    const float weight = __shfl_sync(0xffffffffu, choice.weight, place);
    if (expert < 0 || begin >= params.intermediate) continue;
    StreamOperands<Config> operands;
#pragma unroll
    for (int half = 0; half < 2; ++half) {
      const int column = min(first_column + half * 8 + lane / 4, params.hidden - 1);
      operands.weight[0][half] = params.down + (int64_t{expert} * params.hidden + column) * params.intermediate + lane % 4 * 8;
    }
    operands.x[0] = params.activated + int64_t{place} * params.intermediate + lane % 4 * 8;
    StreamSums<Config> product = {};
    stream_turns<Config>(product, operands, begin, Config::kTurn, min(begin + features_per_part, params.intermediate), wait,
                         Unscaled());
#pragma unroll
    for (int i = 0; i < 4; ++i) acc[0][0][i] += weight * product[0][0][i];
  }
  wait();
  share_sums<Config>(sums, acc);

  const int column = first_column + static_cast<int>(threadIdx.x);
  if (threadIdx.x < 16 && column < params.hidden) {
    float value = total<Config>(sums, threadIdx.x, 0);
    if (params.residual != nullptr) value += to_float(params.residual[column]);
    params.y[column] = from_float<bf16>(value);
  }
}

}  // namespace sgl::cuda
