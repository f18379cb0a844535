#pragma once

#include <cstdint>
#include <string>

namespace sgl::profile {

/// A tool's library, as the NVTX v3 protocol finds it: it exports `InitializeInjectionNvtx2`, which is given a way to the table
/// of functions that it fills in. https://github.com/NVIDIA/NVTX
class Nvtx {
 public:
  /// An empty path is no tool.
  explicit Nvtx(const std::string& injection_path);

  bool is_active() const { return push_ != nullptr && pop_ != nullptr; }
  void push(const char* text, uint32_t argb) const;
  void pop() const;

 private:
  struct EventAttributes;
  int (*push_)(const EventAttributes*) = nullptr;
  int (*pop_)() = nullptr;
};

/// The process's, from NVTX_INJECTION64_PATH.
const Nvtx& nvtx();

}  // namespace sgl::profile
