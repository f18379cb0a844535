#include "cpu/quant/convert_kernels.hpp"

#include "cpu/linear/float_conversion.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

struct F32 {
  static constexpr int kBytes = 4;
  static float load(const void* p, int64_t i) { return static_cast<const float*>(p)[i]; }
  static void store(void* p, int64_t i, float value) { static_cast<float*>(p)[i] = value; }
};
struct Bf16 {
  static float load(const void* p, int64_t i) { return bf16_to_float(static_cast<const uint16_t*>(p)[i]); }
  static void store(void* p, int64_t i, float value) { static_cast<uint16_t*>(p)[i] = float_to_bf16(value); }
};
struct F16 {
  static float load(const void* p, int64_t i) { return f16_to_float(static_cast<const uint16_t*>(p)[i]); }
  static void store(void* p, int64_t i, float value) { static_cast<_Float16*>(p)[i] = static_cast<_Float16>(value); }
};

template <class To, class From>
void convert(void* y, const void* x, int64_t n) {
  for (int64_t i = 0; i < n; ++i) To::store(y, i, From::load(x, i));
}

}  // namespace

SGL_DEFINE_KERNELS(ConvertKernels, kConvertKernels) = {{
    {convert<F32, F32>, convert<F32, Bf16>, convert<F32, F16>},
    {convert<Bf16, F32>, convert<Bf16, Bf16>, convert<Bf16, F16>},
    {convert<F16, F32>, convert<F16, Bf16>, convert<F16, F16>},
}};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
