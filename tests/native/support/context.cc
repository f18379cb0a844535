#include "support/context.hpp"

#include <stdexcept>
#include <string>
#include <vector>

namespace sgl::test {
namespace {

void check(sgl_status status) {
  if (status != SGL_OK) throw std::runtime_error(sgl_last_error());
}

std::vector<sgl_context*> living_contexts;

}  // namespace

Context::Context(int num_threads) {
  const sgl_context_options options{is_on_gpu() ? SGL_DEVICE_CUDA : SGL_DEVICE_CPU, 0, num_threads, 0};
  check(sgl_context_create(&context_, &options));
  living_contexts.push_back(context_);
}

Context::~Context() {
  std::erase(living_contexts, context_);
  sgl_context_destroy(context_);
}

sgl_status completed(sgl_status status) {
  if (!is_on_gpu()) return status;
  for (sgl_context* context : living_contexts) {
    if (status == SGL_OK) status = sgl_context_synchronize(context);
  }
  return status;
}

Weight::Weight(sgl_context* context, sgl_dtype storage, const HostTensor& rows) {
  const sgl_tensor& all = rows.view();
  const bool is_grouped = all.rank == 3;
  const sgl_weight_desc desc{is_grouped ? static_cast<int32_t>(all.shape[0]) : 1, storage, all.shape[all.rank - 2],
                             all.shape[all.rank - 1]};
  check(sgl_weight_create(context, &weight_, &desc));
  for (int32_t group = 0; group < desc.num_groups; ++group) {
    sgl_tensor matrix = all;
    if (is_grouped) {
      matrix.rank = 2;
      for (int axis = 0; axis < 2; ++axis) {
        matrix.shape[axis] = all.shape[axis + 1];
        matrix.stride[axis] = all.stride[axis + 1];
      }
      const int64_t element_bytes = all.dtype == SGL_F32 ? 4 : 2;
      matrix.data = static_cast<char*>(all.data) + group * all.stride[0] * element_bytes;
    }
    check(sgl_weight_load(context, weight_, &matrix, group, 0));
  }
}

}  // namespace sgl::test
