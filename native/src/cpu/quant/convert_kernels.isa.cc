#include "cpu/quant/convert_kernels.hpp"

#include "cpu/isa/vector_map.hpp"

namespace sgl::cpu::SGL_ISA_NAMESPACE {
namespace {

/// f16 in memory; a type of its own, since bf16 is uint16_t here.
struct F16 {
  uint16_t bits;
};

inline Vec load(const F16* p) {
#if defined(SGL_ISA_avx512_bf16)
  return _mm512_cvtph_ps(_mm256_loadu_si256(reinterpret_cast<const __m256i*>(p)));
#elif defined(SGL_ISA_avx2)
  return _mm256_cvtph_ps(_mm_loadu_si128(reinterpret_cast<const __m128i*>(p)));
#else
  Vec x;
  for (int i = 0; i < kLanes; ++i) {
    _Float16 half;
    __builtin_memcpy(&half, p + i, sizeof(half));
    x[i] = static_cast<float>(half);
  }
  return x;
#endif
}

inline void store(F16* p, Vec x) {
#if defined(SGL_ISA_avx512_bf16)
  _mm256_storeu_si256(reinterpret_cast<__m256i*>(p), _mm512_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#elif defined(SGL_ISA_avx2)
  _mm_storeu_si128(reinterpret_cast<__m128i*>(p), _mm256_cvtps_ph(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC));
#else
  for (int i = 0; i < kLanes; ++i) {
    const auto half = static_cast<_Float16>(x[i]);
    __builtin_memcpy(p + i, &half, sizeof(half));
  }
#endif
}

template <class To, class From>
void convert(void* y, const void* x, int64_t n) {
  map(
      static_cast<To*>(y), n, [](Vec v) { return v; }, static_cast<const From*>(x));
}

}  // namespace

SGL_DEFINE_KERNELS(ConvertKernels, kConvertKernels) = {{
    {convert<float, float>, convert<float, uint16_t>, convert<float, F16>},
    {convert<uint16_t, float>, convert<uint16_t, uint16_t>, convert<uint16_t, F16>},
    {convert<F16, float>, convert<F16, uint16_t>, convert<F16, F16>},
}};

}  // namespace sgl::cpu::SGL_ISA_NAMESPACE
