#pragma once

namespace sgl {

/// Keeps the calling thread's message for `sgl_last_error`; a long one is cut at a character boundary.
void set_last_error(const char* message) noexcept;
const char* last_error() noexcept;

}  // namespace sgl
