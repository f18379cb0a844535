#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cpu/isa/isa.hpp"
#include "support/random.hpp"

namespace {

using sgl::cpu::Isa;

constexpr int kExitSkipped = 77;  // SKIP_RETURN_CODE in CMakeLists.txt

}  // namespace

int main(int argc, char** argv) {
  ::testing::InitGoogleTest(&argc, argv);
  if (const char* wanted = std::getenv("SGL_CPU_ISA")) {
    for (const Isa isa : {Isa::kGeneric, Isa::kAvx2, Isa::kAvx512Bf16}) {
      if (std::strcmp(wanted, sgl::cpu::name_of(isa)) == 0 && !sgl::cpu::is_supported(isa)) {
        std::printf("skipped: this machine has no %s\n", wanted);
        return kExitSkipped;
      }
    }
  }
  sgl::test::print_seed_on_failure();
  std::printf("instruction set: %s\n", sgl::cpu::name_of(sgl::cpu::current_isa()));
  return RUN_ALL_TESTS();
}
