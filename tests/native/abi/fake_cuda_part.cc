// A CUDA part without a GPU: what the loader is shown in cuda_loader_test.cc.
#include "abi/cuda_part.hpp"

#if !defined(FAKE_CUDA_PART_broken)

namespace {

#if defined(FAKE_CUDA_PART_no_devices)
constexpr int kDevices = 0;
#else
constexpr int kDevices = 2;
#endif

#if defined(FAKE_CUDA_PART_old)
constexpr uint32_t kVersion = sgl::kCudaPartVersion + 1000;
#else
constexpr uint32_t kVersion = sgl::kCudaPartVersion;
#endif

constexpr sgl::CudaPart kPart{
    kVersion,
    [] { return kDevices; },
    [] { return kDevices == 0 ? "no NVIDIA driver" : ""; },
    [](sgl_device_info& info, int ordinal) { info.ordinal = ordinal; },
    [](int) -> std::unique_ptr<sgl::Backend> { return nullptr; },
    [](const sgl_comm_group_options&) -> std::unique_ptr<sgl_comm_group> { return nullptr; },
};

}  // namespace

extern "C" SGL_API const sgl::CudaPart* sgl_cuda_part() { return &kPart; }

#endif
