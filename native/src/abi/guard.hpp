#pragma once

#include <new>

#include "abi/backend.hpp"
#include "abi/error.hpp"
#include "abi/last_error.hpp"

namespace sgl {

/// The only way out of an ABI body: what it throws becomes a status and this thread's last message.
template <class Body>
sgl_status guard(const char* op, const Body& body) noexcept {
  try {
    body();
    return SGL_OK;
  } catch (const Error& error) {
    set_last_error(error.what());
    return error.status;
  } catch (const std::bad_alloc&) {
    set_last_error("out of host memory");
    return SGL_OUT_OF_MEMORY;
  } catch (const std::exception& error) {
    set_last_error(error.what());
    return SGL_INTERNAL;
  } catch (...) {
    set_last_error(op);
    return SGL_INTERNAL;
  }
}

/// The value behind a pointer that must not be null.
template <class T>
T& require(const char* op, const char* name, T* pointer) {
  if (pointer == nullptr) fail(SGL_INVALID_ARGUMENT, "%s: %s is null", op, name);
  return *pointer;
}

inline Backend& backend_of(const char* op, sgl_context* context) { return *require(op, "context", context).backend; }

}  // namespace sgl
