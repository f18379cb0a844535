#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "cpu/isa/isa.hpp"
#include "sgl/device.h"
#include "support/device.hpp"
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
  if (sgl::test::is_on_gpu()) {
    sgl_device_info info;
    if (sgl_device_get_info(&info, SGL_DEVICE_CUDA, 0) != SGL_OK) {
      std::printf("skipped: %s\n", sgl_last_error());
      return kExitSkipped;
    }
    std::printf("device: %s, %s\n", info.name, info.isa);
    return RUN_ALL_TESTS();
  }
  std::printf("instruction set: %s\n", sgl::cpu::name_of(sgl::cpu::current_isa()));
  return RUN_ALL_TESTS();
}
