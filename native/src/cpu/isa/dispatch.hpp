#pragma once

#include "cpu/isa/isa.hpp"

// A family's kernels of one instruction set are a table of function pointers that its `*.isa.cc` defines, once per set:
//
//   struct NormKernels { void (*rms_norm_f32)(const RmsNormRows&, int64_t begin, int64_t end); ... };
//   SGL_DECLARE_KERNELS(NormKernels, kNormKernels)       in the header that both sides include
//   SGL_DEFINE_KERNELS(NormKernels, kNormKernels) = {..}; in the *.isa.cc
//   SGL_SELECT_KERNELS(context.isa, kNormKernels)         in the plain .cc

#if defined(__x86_64__)
#define SGL_DECLARE_KERNELS(Table, name) \
  namespace generic {                    \
  extern const Table name;               \
  }                                      \
  namespace avx2 {                       \
  extern const Table name;               \
  }                                      \
  namespace avx512_bf16 {                \
  extern const Table name;               \
  }
#define SGL_SELECT_KERNELS(isa, name) \
  ((isa) == Isa::kAvx512Bf16 ? avx512_bf16::name : (isa) == Isa::kAvx2 ? avx2::name : generic::name)
#else
#define SGL_DECLARE_KERNELS(Table, name) \
  namespace generic {                    \
  extern const Table name;               \
  }
#define SGL_SELECT_KERNELS(isa, name) (static_cast<void>(isa), generic::name)
#endif

#define SGL_DEFINE_KERNELS(Table, name) const Table name
