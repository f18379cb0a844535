#include "abi/cuda_loader.hpp"

#include <gtest/gtest.h>

#include <fstream>

namespace sgl {
namespace {

const std::string kFolder = FAKE_CUDA_PART_FOLDER;

std::string fake(const std::string& name) { return kFolder + "/libfake_cuda_part_" + name + ".so"; }

TEST(CudaLoader, A_part_with_devices_is_used) {
  const CudaLoad load = load_cuda_part(fake("good"));
  ASSERT_NE(load.part, nullptr) << load.reason;
  EXPECT_EQ(load.reason, "");
  EXPECT_EQ(load.part->device_count(), 2);
}

TEST(CudaLoader, A_part_without_devices_says_why) {
  const CudaLoad load = load_cuda_part(fake("no_devices"));
  ASSERT_NE(load.part, nullptr);
  EXPECT_EQ(load.reason, "no NVIDIA driver");
}

TEST(CudaLoader, A_missing_part_is_named_with_the_place) {
  const CudaLoad load = load_cuda_part("/nowhere/libsgl_cuda.so");
  EXPECT_EQ(load.part, nullptr);
  EXPECT_EQ(load.reason, "libsgl_cuda.so is not beside libsgl.so (looked for /nowhere/libsgl_cuda.so)");
}

TEST(CudaLoader, A_part_of_another_build_is_refused) {
  const CudaLoad load = load_cuda_part(fake("old"));
  EXPECT_EQ(load.part, nullptr);
  EXPECT_EQ(load.reason, fake("old") + " has interface version " + std::to_string(kCudaPartVersion + 1000) +
                             " and libsgl.so needs " + std::to_string(kCudaPartVersion) + "; install both from one build");
}

TEST(CudaLoader, A_library_of_something_else_is_refused) {
  const CudaLoad load = load_cuda_part(fake("broken"));
  EXPECT_EQ(load.part, nullptr);
  EXPECT_EQ(load.reason, fake("broken") + " does not export sgl_cuda_part; it is not of this library");
}

TEST(CudaLoader, A_file_that_is_no_library_is_refused) {
  const std::string path = ::testing::TempDir() + "not_a_library.so";
  std::ofstream(path) << "not a library";
  const CudaLoad load = load_cuda_part(path);
  EXPECT_EQ(load.part, nullptr);
  EXPECT_EQ(load.reason.rfind("the CUDA part cannot be loaded: " + path, 0), 0u) << load.reason;
}

}  // namespace
}  // namespace sgl
