#pragma once

namespace sgl::cpu {

/// Instruction sets the kernels are compiled for, worst first.
enum class Isa {
  kGeneric = 0,
  kAvx2 = 1,        // AVX2, FMA, F16C
  kAvx512Bf16 = 2,  // AVX-512 F, BW, DQ, VL, VNNI, BF16
};

/// The best set this machine has, or the one that the environment variable SGL_CPU_ISA names ("avx512_bf16", "avx2",
/// "generic"); read once. Throws INVALID_ARGUMENT for an unknown name or one the machine lacks.
Isa current_isa();

/// Whether this machine can run kernels of `isa`.
bool is_supported(Isa isa);

const char* name_of(Isa isa);

}  // namespace sgl::cpu
