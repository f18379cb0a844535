#include "cpu/linear/panel_kernels.hpp"

#include "cpu/isa/simd.hpp"
#include "cpu/linear/register_tile.hpp"

// A product with a packed weight. Bound: with r rows, a bf16 weight gives r FLOPs per byte read, so below the machine's balance
// (about 12 on Zen 5) time is the weight's bytes over the memory bandwidth, above it the FLOPs over the peak of the dot
// products.
//
// Schedule:
//   two panels at once (up to kMaxWideRows)   both stream through once, side by side. Few rows leave fetching ahead to the
//                                             hardware; for more, software prefetch runs ahead of the loads.
//   one panel                                 blocks of steps go through the first-level cache: all tiles pass over a block of
//                                             one panel, then of the other, and fetch the next block meanwhile. Accumulators
//                                             wait in `acc` from block to block.

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

constexpr int64_t kStepBytes = kPanelWidth * sizeof(uint32_t);

// 16 KiB of a panel: this block and the next fit the first-level cache beside a tile's activations.
constexpr int64_t kBlockSteps = 128;
// A single tile is done with a block sooner, and shorter blocks let it change between the streams of two panels more often.
constexpr int64_t kSingleTileBlockSteps = 64;

// How far two panels at once look ahead in each.
constexpr int64_t kWideNearBytes = 2048;
constexpr int64_t kWideFarBytes = 8192;

/// Whether an operand is a step's features as they lie in memory, 4 bytes.
template <class Tile>
constexpr bool kIsWord = sizeof(typename Tile::Operand) == 4 && sizeof(typename Tile::Element) * Tile::kFeatures == 4;

using Quad = uint32_t __attribute__((vector_size(16)));

SGL_ALWAYS_INLINE Quad load_quad(const std::byte* words) {
  Quad quad;
  __builtin_memcpy(&quad, words, sizeof(quad));
  return quad;
}

/// Words [begin, end) of kCount rows, 1, 2 or 4, to operands that are `num_rows` apart from step to step.
template <int kCount>
void pack_words(std::byte* operands, int64_t num_rows, const std::byte* const* rows, int64_t begin, int64_t end) {
  int64_t step = begin;
  const auto put = [&](int64_t at, const Quad& quad, int first) {
    __builtin_memcpy(operands + at * num_rows * 4, reinterpret_cast<const std::byte*>(&quad) + first * 4, kCount * 4);
  };
  for (; step + 4 <= end; step += 4) {
    const Quad a = load_quad(rows[0] + step * 4);
    if constexpr (kCount == 1) {
      for (int i = 0; i < 4; ++i) put(step + i, a, i);
    } else {
      const Quad b = load_quad(rows[1] + step * 4);
      const Quad low = __builtin_shuffle(a, b, Quad{0, 4, 1, 5}), high = __builtin_shuffle(a, b, Quad{2, 6, 3, 7});
      if constexpr (kCount == 2) {
        for (int i = 0; i < 4; ++i) put(step + i, i < 2 ? low : high, i % 2 * 2);
      } else {
        const Quad c = load_quad(rows[2] + step * 4), d = load_quad(rows[3] + step * 4);
        const Quad low2 = __builtin_shuffle(c, d, Quad{0, 4, 1, 5}), high2 = __builtin_shuffle(c, d, Quad{2, 6, 3, 7});
        put(step, __builtin_shuffle(low, low2, Quad{0, 1, 4, 5}), 0);
        put(step + 1, __builtin_shuffle(low, low2, Quad{2, 3, 6, 7}), 0);
        put(step + 2, __builtin_shuffle(high, high2, Quad{0, 1, 4, 5}), 0);
        put(step + 3, __builtin_shuffle(high, high2, Quad{2, 3, 6, 7}), 0);
      }
    }
  }
  for (; step < end; ++step) {
    for (int r = 0; r < kCount; ++r) __builtin_memcpy(operands + (step * num_rows + r) * 4, rows[r] + step * 4, 4);
  }
}

/// Steps [begin, end) of a tile. One thread does it while the others wait, so word by word it would be felt: eight rows of 8192
/// features took 10 us, of 600 that the whole product of such a `down` takes.
template <class Tile>
void pack_steps(typename Tile::Operand* operands, const std::byte* const* rows, int64_t num_rows, int64_t begin, int64_t end) {
  if constexpr (kIsWord<Tile>) {
    auto* words = reinterpret_cast<std::byte*>(operands);
    if (num_rows == 1) {
      __builtin_memcpy(words + begin * 4, rows[0] + begin * 4, static_cast<size_t>(end - begin) * 4);
      return;
    }
    int64_t r = 0;
    for (; r + 4 <= num_rows; r += 4) pack_words<4>(words + r * 4, num_rows, rows + r, begin, end);
    if (num_rows - r >= 2) {
      pack_words<2>(words + r * 4, num_rows, rows + r, begin, end);
      r += 2;
    }
    if (r < num_rows) pack_words<1>(words + r * 4, num_rows, rows + r, begin, end);
  } else {
    for (int64_t r = 0; r < num_rows; ++r) {
      const auto* elements = reinterpret_cast<const typename Tile::Element*>(rows[r]);
      for (int64_t step = begin; step < end; ++step) {
        operands[step * num_rows + r] = Tile::operand(elements + step * Tile::kFeatures);
      }
    }
  }
}

template <class Tile>
void pack_rows(std::byte* packed, const RowSource& source, const RowTiles& tiles, int64_t first_tile, int64_t last_tile) {
  using Element = typename Tile::Element;
  constexpr int kFeatures = Tile::kFeatures;
  constexpr int64_t kChunk = 16;  // steps: their operands and a line or so of each row
  const int64_t whole_steps = source.in_features / kFeatures;
  const int64_t num_steps = (source.in_features + kFeatures - 1) / kFeatures;
  for (int64_t tile = first_tile; tile < last_tile; ++tile) {
    const int64_t begin = tiles.begin(tile);
    const int64_t num_rows = tiles.rows(tile);
    auto* operands = reinterpret_cast<typename Tile::Operand*>(packed) + begin * num_steps;
    const std::byte* rows[Tile::kMaxRows];
    for (int64_t r = 0; r < num_rows; ++r) {
      const int64_t row = source.row_index != nullptr ? source.row_index[begin + r] : begin + r;
      rows[r] = reinterpret_cast<const std::byte*>(static_cast<const Element*>(source.x) + row * source.stride);
    }
    for (int64_t chunk = 0; chunk < whole_steps; chunk += kChunk) {
      pack_steps<Tile>(operands, rows, num_rows, chunk, chunk + kChunk < whole_steps ? chunk + kChunk : whole_steps);
    }
    for (int64_t r = 0; whole_steps < num_steps && r < num_rows; ++r) {
      const Element last[2] = {reinterpret_cast<const Element*>(rows[r])[source.in_features - 1], Element{0}};
      operands[whole_steps * num_rows + r] = Tile::operand(last);
    }
  }
}

using TileFunction = void (*)(const TileArgs& args);

template <class Tile, int kPanels, int kRows>
constexpr TileFunction tile_function() {
  if constexpr (kRows <= (kPanels == 1 ? Tile::kMaxRows : Tile::kMaxWideRows)) {
    return Tile::template multiply<kRows, kPanels>;
  } else {
    return nullptr;
  }
}

/// Indexed by the number of rows.
template <class Tile, int kPanels>
constexpr TileFunction kTileFunctions[] = {
    nullptr,
    tile_function<Tile, kPanels, 1>(),
    tile_function<Tile, kPanels, 2>(),
    tile_function<Tile, kPanels, 3>(),
    tile_function<Tile, kPanels, 4>(),
    tile_function<Tile, kPanels, 5>(),
    tile_function<Tile, kPanels, 6>(),
    tile_function<Tile, kPanels, 7>(),
    tile_function<Tile, kPanels, 8>(),
    tile_function<Tile, kPanels, 9>(),
    tile_function<Tile, kPanels, 10>(),
    tile_function<Tile, kPanels, 11>(),
    tile_function<Tile, kPanels, 12>(),
    tile_function<Tile, kPanels, 13>(),
    tile_function<Tile, kPanels, 14>(),
};

inline const char* bytes(const uint32_t* words) { return reinterpret_cast<const char*>(words); }

/// One tile over two panels at once, each a stream of its own.
template <class Tile>
void stream_two_panels(float* acc, const std::byte* packed, int64_t num_rows, int64_t num_steps,
                       const uint32_t* const panels[2]) {
  TileArgs args{};
  args.acc = acc;
  args.x = packed;
  args.num_steps = num_steps;
  args.prefetch_stride = kStepBytes;
  for (int p = 0; p < 2; ++p) {
    args.panels[p] = panels[p];
    args.prefetch[p] = bytes(panels[p]) + kWideNearBytes;
    args.far[p] = bytes(panels[p]) + kWideFarBytes;
  }
  kTileFunctions<Tile, 2>[num_rows](args);
}

/// Steps [begin, end) of one panel, and the first words of the two blocks that follow them.
struct PanelBlock {
  const uint32_t* panel;
  int64_t begin;
  int64_t end;
  const uint32_t* next;
  const uint32_t* after_next;
};

/// All tiles over a block, fetching the next two meanwhile.
template <class Tile>
void multiply_block(float* acc, const std::byte* packed, const RowTiles& tiles, int64_t num_steps, const PanelBlock& block) {
  TileArgs args{};
  args.accumulate = block.begin > 0;
  args.num_steps = block.end - block.begin;
  args.prefetch_stride = kStepBytes / tiles.count;
  args.panels[0] = block.panel + block.begin * kPanelWidth;
  for (int64_t tile = 0; tile < tiles.count; ++tile) {
    const int64_t first_row = tiles.begin(tile);
    const int64_t rows = tiles.rows(tile);
    args.acc = acc + first_row * kBlockWidth;
    args.x = reinterpret_cast<const typename Tile::Operand*>(packed) + first_row * num_steps + block.begin * rows;
    args.prefetch[0] = bytes(block.next) + tile * args.num_steps * args.prefetch_stride;
    args.far[0] = bytes(block.after_next) + tile * args.num_steps * args.prefetch_stride;
    kTileFunctions<Tile, 1>[rows](args);
  }
}

template <class Tile>
void product(float* acc, const std::byte* packed, const RowTiles& tiles, int64_t num_steps, const uint32_t* const panels[2],
             int num_panels) {
  if constexpr (Tile::kMaxWideRows > 0) {
    if (num_panels == 2 && tiles.count == 1 && tiles.rows(0) <= Tile::kMaxWideRows) {
      return stream_two_panels<Tile>(acc, packed, tiles.rows(0), num_steps, panels);
    }
  }
  const int64_t block_steps = tiles.count == 1 ? kSingleTileBlockSteps : kBlockSteps;
  for (int64_t step = 0; step < num_steps; step += block_steps) {
    const int64_t end = num_steps - step < block_steps ? num_steps : step + block_steps;
    for (int p = 0; p < num_panels; ++p) {
      // Block by block through both panels, or through one.
      const uint32_t* other =
          p + 1 < num_panels ? panels[p + 1] + step * kPanelWidth : panels[0] + (step + block_steps) * kPanelWidth;
      const uint32_t* after = panels[p] + (step + (num_panels == 2 ? 1 : 2) * block_steps) * kPanelWidth;
      multiply_block<Tile>(acc + p * kPanelWidth, packed, tiles, num_steps, {panels[p], step, end, other, after});
    }
  }
}

inline float load(const void* data, sgl_dtype dtype, int64_t index) {
  return dtype == SGL_F32 ? static_cast<const float*>(data)[index] : bf16_to_float(static_cast<const uint16_t*>(data)[index]);
}

void store(const StoreArgs& args) {
  constexpr int kChunk = 64;
  for (int64_t row = 0; row < args.num_rows; ++row) {
    for (int64_t first = 0; first < args.num_columns; first += kChunk) {
      const int count = static_cast<int>(args.num_columns - first < kChunk ? args.num_columns - first : kChunk);
      const float* acc = args.acc + row * args.acc_stride + first;
      float values[kChunk] = {};
      for (int c = 0; c < count; ++c) values[c] = acc[c];
      if (args.bias != nullptr) {
        for (int c = 0; c < count; ++c) values[c] += load(args.bias, args.bias_dtype, first + c);
      }
      if (args.up != nullptr) {
        const float* acc_up = args.up + row * args.acc_stride + first;
        float up[kChunk] = {};
        for (int c = 0; c < count; ++c) up[c] = acc_up[c];
        if (args.up_bias != nullptr) {
          for (int c = 0; c < count; ++c) up[c] += load(args.up_bias, args.bias_dtype, first + c);
        }
        for (int c = 0; c < count; c += kLanes) cpu::store(values + c, silu(cpu::load(values + c)) * cpu::load(up + c));
      }
      if (args.residual != nullptr) {
        const int64_t offset = row * args.residual_stride + first;
        for (int c = 0; c < count; ++c) values[c] += load(args.residual, args.residual_dtype, offset + c);
      }
      if (args.y_dtype == SGL_F32) {
        float* y = static_cast<float*>(args.y) + row * args.y_stride + first;
        for (int c = 0; c < count; ++c) y[c] = values[c];
      } else {
        uint16_t* y = static_cast<uint16_t*>(args.y) + row * args.y_stride + first;
        for (int c = 0; c < count; ++c) y[c] = float_to_bf16(values[c]);
      }
    }
  }
}

}  // namespace

template <class Tile>
constexpr PanelKernels kTable = {Tile::kMaxRows,  Tile::kMaxWideRows, sizeof(typename Tile::Operand),
                                 pack_rows<Tile>, product<Tile>,      store};

SGL_DEFINE_KERNELS(PanelKernels, kBf16PanelKernels) = kTable<Bf16Tile>;
SGL_DEFINE_KERNELS(PanelKernels, kF32PanelKernels) = kTable<F32Tile>;

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
