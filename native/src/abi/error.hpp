#pragma once

#include <stdexcept>
#include <string>

#include "sgl/base.h"

namespace sgl {

/// What the guard of every ABI body turns into a status and the thread's last message.
class Error : public std::runtime_error {
 public:
  Error(sgl_status status, const std::string& message) : std::runtime_error(message), status(status) {}

  const sgl_status status;
};

/// Throws `Error` with a printf-formatted message that says what was expected and what came.
[[noreturn]] __attribute__((format(printf, 2, 3))) void fail(sgl_status status, const char* format, ...);

}  // namespace sgl
