#include "support/memory.hpp"

#include <stdexcept>

#include "sgl/device.h"
#include "support/device.hpp"

namespace sgl::test {
namespace {

/// Lives as long as the process: tensors outlive the contexts that tests make.
sgl_context* memory_context() {
  static sgl_context* const context = [] {
    sgl_context* created = nullptr;
    const sgl_context_options options{SGL_DEVICE_CUDA, 0, 0, 0};
    if (sgl_context_create(&created, &options) != SGL_OK) throw std::runtime_error(sgl_last_error());
    return created;
  }();
  return context;
}

}  // namespace

Memory allocate_memory(size_t num_bytes) {
  if (!is_on_gpu()) return Memory(new unsigned char[num_bytes]);
  void* data = nullptr;
  if (sgl_host_allocate(memory_context(), &data, num_bytes) != SGL_OK) throw std::runtime_error(sgl_last_error());
  return Memory(static_cast<unsigned char*>(data));
}

void FreeMemory::operator()(unsigned char* data) const {
  if (!is_on_gpu()) {
    delete[] data;
  } else {
    sgl_host_free(memory_context(), data);
  }
}

}  // namespace sgl::test
