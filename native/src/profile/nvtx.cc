#include "profile/nvtx.hpp"

#include <dlfcn.h>

#include <cstdlib>

namespace sgl::profile {

// Layout and numbers are the NVTX v3 ABI.
struct Nvtx::EventAttributes {
  uint16_t version;
  uint16_t size;
  uint32_t category;
  int32_t color_type;
  uint32_t color;
  int32_t payload_type;
  int32_t reserved;
  uint64_t payload;
  int32_t message_type;
  const char* message;
};

namespace {

constexpr uint16_t kVersion = 3;
constexpr int32_t kColorArgb = 1;
constexpr int32_t kMessageAscii = 1;

using Function = void (*)();

enum Module { kCore = 1, kCuda = 2, kOpenCl = 3, kCudaRuntime = 4, kCore2 = 5, kSync = 6, kNumModules = 7 };

// Numbers within the core module.
enum Core { kPushEx = 8, kPop = 11 };

// A slot for every function of every module, since tools fill in what they know without asking; only two are called.
constexpr int kMaxFunctions = 17;
Function g_slots[kNumModules][kMaxFunctions];
Function* g_tables[kNumModules][kMaxFunctions];
constexpr unsigned kNumFunctions[kNumModules] = {0, 16, 9, 15, 7, 16, 7};

struct CallbackTable {
  size_t size;
  int (*get_module)(int module, Function*** table, unsigned* size);
};

struct VersionTable {
  size_t size;
  uint32_t version;
  uint32_t reserved;
  void (*set_injection_version)(uint32_t);
};

int get_module(int module, Function*** table, unsigned* size) {
  if (module <= 0 || module >= kNumModules) return 0;
  if (size != nullptr) *size = kNumFunctions[module];
  if (table != nullptr) *table = g_tables[module];
  return 1;
}

void ignore_version(uint32_t) {}

const void* export_table(uint32_t id) {
  static const CallbackTable callbacks = {sizeof(CallbackTable), get_module};
  static const VersionTable version = {sizeof(VersionTable), kVersion, 0, ignore_version};
  switch (id) {
    case 1:
      return &callbacks;
    case 3:
      return &version;
    default:
      return nullptr;
  }
}

}  // namespace

Nvtx::Nvtx(const std::string& injection_path) {
  if (injection_path.empty()) return;
  // Stays loaded: the tool keeps threads and hooks of its own.
  void* library = dlopen(injection_path.c_str(), RTLD_LAZY | RTLD_LOCAL);
  if (library == nullptr) return;
  const auto initialize = reinterpret_cast<int (*)(const void* (*)(uint32_t))>(dlsym(library, "InitializeInjectionNvtx2"));
  if (initialize == nullptr) return;
  for (int module = 0; module < kNumModules; module++) {
    for (unsigned i = 0; i < kNumFunctions[module]; i++) g_tables[module][i] = &g_slots[module][i];
  }
  if (initialize(export_table) == 0) return;
  push_ = reinterpret_cast<int (*)(const EventAttributes*)>(g_slots[kCore][kPushEx]);
  pop_ = reinterpret_cast<int (*)()>(g_slots[kCore][kPop]);
}

void Nvtx::push(const char* text, uint32_t argb) const {
  if (!is_active()) return;
  static_assert(sizeof(EventAttributes) == 48);
  EventAttributes attributes{};
  attributes.version = kVersion;
  attributes.size = sizeof attributes;
  attributes.color_type = argb == 0 ? 0 : kColorArgb;
  attributes.color = argb;
  attributes.message_type = kMessageAscii;
  attributes.message = text;
  push_(&attributes);
}

void Nvtx::pop() const {
  if (is_active()) pop_();
}

const Nvtx& nvtx() {
  static const Nvtx tool([] {
    const char* path = std::getenv("NVTX_INJECTION64_PATH");
    return std::string(path == nullptr ? "" : path);
  }());
  return tool;
}

}  // namespace sgl::profile
