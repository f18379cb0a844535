#include "sgl/base.h"

#include <cstddef>
#include <iterator>

#include "abi/last_error.hpp"
#include "sgl/sgl.h"

// Written by bindings-gen: static assertions, `kAbiHash` and `kAbiLayout`, in namespace sgl.
#include "abi/generated/abi_layout.inc"

const char* sgl_last_error(void) { return sgl::last_error(); }

const char* sgl_version(void) { return SGL_VERSION; }

uint64_t sgl_abi_hash(void) { return sgl::kAbiHash; }

const sgl_layout_entry* sgl_abi_layout(int32_t* count) {
  if (count != nullptr) *count = static_cast<int32_t>(std::size(sgl::kAbiLayout));
  return sgl::kAbiLayout;
}
