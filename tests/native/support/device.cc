#include "support/device.hpp"

#include <cstdlib>
#include <cstring>

namespace sgl::test {

bool is_on_gpu() {
  static const bool is_cuda = [] {
    const char* device = std::getenv("SGL_TEST_DEVICE");
    return device != nullptr && std::strcmp(device, "cuda") == 0;
  }();
  return is_cuda;
}

}  // namespace sgl::test
