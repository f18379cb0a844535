#include "cpu/isa/isa.hpp"

#include <cstdlib>
#include <cstring>

#include "abi/error.hpp"

namespace sgl::cpu {
namespace {

constexpr Isa kBestFirst[] = {Isa::kAvx512Bf16, Isa::kAvx2, Isa::kGeneric};

Isa best_supported() {
  for (const Isa isa : kBestFirst) {
    if (is_supported(isa)) return isa;
  }
  return Isa::kGeneric;
}

Isa choose() {
  const char* wanted = std::getenv("SGL_CPU_ISA");
  if (wanted == nullptr || *wanted == '\0') return best_supported();
  for (const Isa isa : kBestFirst) {
    if (std::strcmp(wanted, name_of(isa)) != 0) continue;
    if (!is_supported(isa)) {
      fail(SGL_INVALID_ARGUMENT, "SGL_CPU_ISA is %s, which this machine lacks; the best it has is %s", wanted,
           name_of(best_supported()));
    }
    return isa;
  }
  fail(SGL_INVALID_ARGUMENT, "SGL_CPU_ISA is \"%s\": expected avx512_bf16, avx2 or generic", wanted);
}

}  // namespace

Isa current_isa() {
  static const Isa chosen = choose();
  return chosen;
}

bool is_supported(Isa isa) {
  switch (isa) {
    case Isa::kGeneric:
      return true;
#if defined(__x86_64__)
    case Isa::kAvx2:
      return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    case Isa::kAvx512Bf16:
      return is_supported(Isa::kAvx2) && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
             __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512vnni") &&
             __builtin_cpu_supports("avx512bf16");
#endif
    default:
      return false;
  }
}

const char* name_of(Isa isa) {
  switch (isa) {
    case Isa::kAvx512Bf16:
      return "avx512_bf16";
    case Isa::kAvx2:
      return "avx2";
    default:
      return "generic";
  }
}

}  // namespace sgl::cpu
