#include "abi/last_error.hpp"

#include <cstring>

namespace sgl {
namespace {

// A plain buffer, so that reporting a failed allocation does not allocate.
thread_local char message_of_thread[1024];

bool is_continuation(char c) { return (c & 0xC0) == 0x80; }

}  // namespace

void set_last_error(const char* message) noexcept {
  size_t length = std::strlen(message);
  if (length >= sizeof message_of_thread) {
    length = sizeof message_of_thread - 1;
    while (length > 0 && is_continuation(message[length])) --length;
  }
  std::memcpy(message_of_thread, message, length);
  message_of_thread[length] = '\0';
}

const char* last_error() noexcept { return message_of_thread; }

}  // namespace sgl
