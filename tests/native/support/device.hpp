#pragma once

namespace sgl::test {

/// Where the suites run: on the GPU if SGL_TEST_DEVICE is "cuda", else on the CPU.
bool is_on_gpu();

}  // namespace sgl::test

/// For what the ABI promises of the CPU alone.
#define SKIP_ON_GPU(reason) \
  if (::sgl::test::is_on_gpu()) GTEST_SKIP() << reason
