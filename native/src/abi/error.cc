#include "abi/error.hpp"

#include <cstdarg>
#include <cstdio>

namespace sgl {

void fail(sgl_status status, const char* format, ...) {
  char message[1024];
  va_list arguments;
  va_start(arguments, format);
  std::vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  throw Error(status, message);
}

}  // namespace sgl
