#include "cpu/linear/packed_weight.hpp"

#include <algorithm>
#include <cstring>

#include "abi/error.hpp"
#include "cpu/isa/float_conversion.hpp"
#include "cpu/linear/linear.hpp"

namespace sgl::cpu {
namespace {

int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

// How elements of host memory become elements of a weight, as their bits.

struct FromF32 {
  using Source = float;
  static float value(float x) { return x; }
};

struct FromBf16 {
  using Source = uint16_t;
  static float value(uint16_t x) { return bf16_to_float(x); }
};

struct FromF16 {
  using Source = uint16_t;
  static float value(uint16_t x) { return f16_to_float(x); }
};

struct ToF32 {
  static constexpr int kFeatures = 1;
  static uint32_t word(float x, float) { return float_to_bits(x); }
};

struct ToBf16 {
  static constexpr int kFeatures = 2;
  static uint32_t word(float low, float high) { return float_to_bf16(low) | static_cast<uint32_t>(float_to_bf16(high)) << 16; }
};

/// Writes lanes [first, last) of a panel, all steps, from element(lane, column). Blocks of steps keep the scattered stores
/// within a few kilobytes of cache.
template <class Storage, class Element>
void pack_panel(const PackedWeight& weight, uint32_t* panel, int first, int last, const Element& element) {
  constexpr int64_t kBlock = 32;
  const int64_t in_features = weight.desc.in_features;
  for (int64_t block = 0; block < weight.num_steps; block += kBlock) {
    const int64_t end = std::min(block + kBlock, weight.num_steps);
    for (int lane = first; lane < last; ++lane) {
      for (int64_t step = block; step < end; ++step) {
        const int64_t column = step * Storage::kFeatures;
        const float high = Storage::kFeatures == 2 && column + 1 < in_features ? element(lane, column + 1) : 0.0f;
        panel[step * kPanelWidth + lane] = Storage::word(element(lane, column), high);
      }
    }
  }
}

/// Calls body(panel, first lane, last lane) for the panels that hold rows [begin, end), in parallel.
template <class Body>
void for_each_panel(CpuContext& context, int64_t begin, int64_t end, const Body& body) {
  const int64_t first_panel = begin / kPanelWidth;
  context.pool.for_each(ceil_div(end, kPanelWidth) - first_panel, 1, [&](int, int64_t from, int64_t to) {
    for (int64_t panel = first_panel + from; panel < first_panel + to; ++panel) {
      const int64_t start = panel * kPanelWidth;
      body(panel, static_cast<int>(std::max(begin - start, int64_t{0})),
           static_cast<int>(std::min(end - start, int64_t{kPanelWidth})));
    }
  });
}

template <class Storage, class Conversion>
void load_rows(CpuContext& context, const PackedWeight& weight, const sgl_tensor& rows, int group, int64_t row_offset) {
  const auto* data = static_cast<const typename Conversion::Source*>(rows.data);
  for_each_panel(context, row_offset, row_offset + rows.shape[0], [&](int64_t panel, int first, int last) {
    const int64_t source_row = panel * kPanelWidth - row_offset;
    pack_panel<Storage>(weight, weight.panel(group, panel), first, last, [&](int lane, int64_t column) {
      return Conversion::value(data[(source_row + lane) * rows.stride[0] + column]);
    });
  });
}

template <class Storage>
void fill_rows(CpuContext& context, const PackedWeight& weight, const sgl_weight_fill_random_args& args) {
  for_each_panel(context, args.row_offset, args.row_offset + args.num_rows, [&](int64_t panel, int first, int last) {
    const int64_t row = args.first_row + panel * kPanelWidth - args.row_offset;
    pack_panel<Storage>(weight, weight.panel(args.group, panel), first, last, [&](int lane, int64_t column) {
      return args.scale * random_unit(args.seed, row + lane, args.first_column + column);
    });
  });
}

}  // namespace

PackedWeight::PackedWeight(const sgl_weight_desc& shape)
    : num_panels(ceil_div(shape.out_features, kPanelWidth)),
      num_steps(ceil_div(shape.in_features, features_per_step(shape.dtype))),
      buffer(static_cast<size_t>(shape.num_groups) * num_panels * num_steps * kPanelWidth * sizeof(uint32_t)) {
  desc = shape;
}

uint64_t PackedWeight::num_bytes() const {
  return static_cast<uint64_t>(desc.num_groups) * num_panels * panel_words() * sizeof(uint32_t);
}

std::unique_ptr<sgl_weight> create_weight(CpuContext&, const sgl_weight_desc& desc) {
  try {
    return std::make_unique<PackedWeight>(desc);
  } catch (const std::bad_alloc&) {
    fail(SGL_OUT_OF_MEMORY, "weight_create: no memory for %d x [%lld, %lld] %s", desc.num_groups,
         static_cast<long long>(desc.out_features), static_cast<long long>(desc.in_features),
         desc.dtype == SGL_F32 ? "f32" : "bf16");
  }
}

void load_weight(CpuContext& context, sgl_weight& weight, const sgl_tensor& rows, int group, int64_t row_offset) {
  const bool is_bf16 = weight.desc.dtype == SGL_BF16;
  switch (rows.dtype) {
    case SGL_F32:
      return is_bf16 ? load_rows<ToBf16, FromF32>(context, packed(weight), rows, group, row_offset)
                     : load_rows<ToF32, FromF32>(context, packed(weight), rows, group, row_offset);
    case SGL_BF16:
      return is_bf16 ? load_rows<ToBf16, FromBf16>(context, packed(weight), rows, group, row_offset)
                     : load_rows<ToF32, FromBf16>(context, packed(weight), rows, group, row_offset);
    default:
      return is_bf16 ? load_rows<ToBf16, FromF16>(context, packed(weight), rows, group, row_offset)
                     : load_rows<ToF32, FromF16>(context, packed(weight), rows, group, row_offset);
  }
}

void fill_weight_random(CpuContext& context, sgl_weight& weight, const sgl_weight_fill_random_args& args) {
  if (weight.desc.dtype == SGL_BF16) {
    fill_rows<ToBf16>(context, packed(weight), args);
  } else {
    fill_rows<ToF32>(context, packed(weight), args);
  }
}

void gather_weight_rows(CpuContext& context, const sgl_tensor& y, const sgl_weight& weight, const sgl_tensor& ids,
                        int32_t first_id) {
  const PackedWeight& source = packed(weight);
  const auto* id = static_cast<const int32_t*>(ids.data);
  const size_t y_row_bytes = weight.desc.in_features * (y.dtype == SGL_F32 ? sizeof(float) : sizeof(uint16_t));
  const int64_t grain = std::max<int64_t>(1, 16384 / weight.desc.in_features);
  context.pool.for_each(ids.shape[0], grain, [&](int, int64_t begin, int64_t end) {
    for (int64_t i = begin; i < end; ++i) {
      const int64_t row = int64_t{id[i * ids.stride[0]]} - first_id;
      if (row < 0 || row >= weight.desc.out_features) {
        std::memset(static_cast<std::byte*>(y.data) + i * y.stride[0] * (y.dtype == SGL_F32 ? 4 : 2), 0, y_row_bytes);
        continue;
      }
      const uint32_t* words = source.panel(0, row / kPanelWidth) + row % kPanelWidth;
      const int64_t offset = i * y.stride[0];
      for (int64_t column = 0; column < weight.desc.in_features; ++column) {
        float value;
        if (weight.desc.dtype == SGL_F32) {
          value = bits_to_float(words[column * kPanelWidth]);
        } else {
          value = bf16_to_float(static_cast<uint16_t>(words[column / 2 * kPanelWidth] >> (column % 2 * 16)));
        }
        if (y.dtype == SGL_F32) {
          static_cast<float*>(y.data)[offset + column] = value;
        } else {
          static_cast<uint16_t*>(y.data)[offset + column] = float_to_bf16(value);
        }
      }
    }
  });
}

}  // namespace sgl::cpu
