#include <algorithm>

#include "abi/error.hpp"
#include "cuda/kernels/quant/convert.cuh"
#include "cuda/kernels/quant/convert.hpp"
#include "cuda/runtime/launch.hpp"

namespace sgl::cuda {
namespace {

template <class To, class From>
void run(const CudaContext& context, const ConvertParams& params, int access) {
  constexpr int kVec = 16 / (sizeof(To) > sizeof(From) ? sizeof(To) : sizeof(From));
  LaunchConfig config;
  config.grid = dim3(blocks_for(params.rows.width, int64_t{kConvertThreads} * access),
                     static_cast<unsigned>(std::min<int64_t>(params.rows.num_rows, kMaxGridY)));
  config.block = kConvertThreads;
  config.overlaps_predecessor = true;
  launch(context, "convert", access == 1 ? convert_kernel<To, From, 1> : convert_kernel<To, From, kVec>, config, params);
}

template <class To>
void run_from(const CudaContext& context, const ConvertParams& params, sgl_dtype from, int access) {
  switch (from) {
    case SGL_F32:
      return run<To, float>(context, params, access);
    case SGL_BF16:
      return run<To, bf16>(context, params, access);
    default:
      return run<To, f16>(context, params, access);
  }
}

}  // namespace

void convert(CudaContext& context, const sgl_tensor& y, const sgl_tensor& x) {
  const ConvertParams params{y.data, x.data, strided_rows({&y, &x})};
  const int access = access_size(params.rows, std::max(element_bytes(y.dtype), element_bytes(x.dtype)), {&y, &x});
  switch (y.dtype) {
    case SGL_F32:
      return run_from<float>(context, params, x.dtype, access);
    case SGL_BF16:
      return run_from<bf16>(context, params, x.dtype, access);
    default:
      return run_from<f16>(context, params, x.dtype, access);
  }
}

}  // namespace sgl::cuda
