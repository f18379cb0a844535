#include "cpu/embedding/gather_sum_kernels.hpp"

#include "cpu/isa/simd.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

template <class Y, class X>
void sum_rows(const GatherSumArgs& args, int64_t begin, int64_t end) {
  for (int64_t row = begin; row < end; ++row) {
    const int32_t* terms = args.rows + row * args.num_terms;
    for (int64_t i = 0; i < args.width; i += kLanes) {
      const int count = args.width - i < kLanes ? static_cast<int>(args.width - i) : kLanes;
      Vec sum{};
      for (int64_t term = 0; term < args.num_terms; ++term) {
        if (terms[term] >= 0) sum += load_partial(static_cast<const X*>(args.x) + terms[term] * args.x_stride + i, count);
      }
      if (args.residual != nullptr) {
        sum += load_partial(static_cast<const Y*>(args.residual) + row * args.residual_stride + i, count);
      }
      store_partial(static_cast<Y*>(args.y) + row * args.y_stride + i, sum, count);
    }
  }
}

}  // namespace

SGL_DEFINE_KERNELS(GatherSumKernels, kGatherSumKernels) = {{
    {sum_rows<float, float>, sum_rows<float, uint16_t>},
    {sum_rows<uint16_t, float>, sum_rows<uint16_t, uint16_t>},
}};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
