#include "cpu/comm/reduce_kernels.hpp"

#include "cpu/isa/simd.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

template <class Y, class X>
void reduce(const ReduceArgs& args, int64_t begin, int64_t end) {
  for (int64_t i = begin; i < end; i += kLanes) {
    const int count = end - i < kLanes ? static_cast<int>(end - i) : kLanes;
    Vec sum = load_partial(static_cast<const X*>(args.xs[0]) + i, count);
    for (int x = 1; x < args.num_xs; ++x) sum += load_partial(static_cast<const X*>(args.xs[x]) + i, count);
    if (args.residual != nullptr) sum += load_partial(static_cast<const Y*>(args.residual) + i, count);
    for (int y = 0; y < args.num_ys; ++y) store_partial(static_cast<Y*>(args.ys[y]) + i, sum, count);
  }
}

}  // namespace

SGL_DEFINE_KERNELS(ReduceKernels, kReduceKernels) = {{
    {reduce<float, float>, reduce<float, uint16_t>},
    {reduce<uint16_t, float>, reduce<uint16_t, uint16_t>},
}};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
