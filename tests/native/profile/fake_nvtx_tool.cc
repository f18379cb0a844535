// An NVTX tool that writes what it sees to the file named by FAKE_NVTX_LOG, a line for each event: the depth of the thread's
// stack, the thread, "push" with colour and text, or "pop".
#include <sys/syscall.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <mutex>

#include "sgl/base.h"

namespace {

struct EventAttributes {
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

struct CallbackTable {
  size_t size;
  int (*get_module)(int module, void (****table)(), unsigned* size);
};

std::mutex g_gate;
thread_local int t_depth = 0;

FILE* log_file() {
  static FILE* file = [] {
    const char* path = std::getenv("FAKE_NVTX_LOG");
    return path == nullptr ? nullptr : std::fopen(path, "a");
  }();
  return file;
}

int push(const EventAttributes* event) {
  const std::lock_guard lock(g_gate);
  if (FILE* file = log_file()) {
    std::fprintf(file, "%d %ld push %08x v%u s%u m%d %s\n", t_depth, syscall(SYS_gettid),
                 event->color_type == 1 ? event->color : 0, event->version, event->size, event->message_type, event->message);
    std::fflush(file);
  }
  return t_depth++;
}

int pop() {
  const std::lock_guard lock(g_gate);
  t_depth--;
  if (FILE* file = log_file()) {
    std::fprintf(file, "%d %ld pop\n", t_depth, syscall(SYS_gettid));
    std::fflush(file);
  }
  return t_depth;
}

}  // namespace

extern "C" SGL_API int InitializeInjectionNvtx2(const void* (*get_table)(uint32_t)) {
  const auto* callbacks = static_cast<const CallbackTable*>(get_table(1));
  if (callbacks == nullptr || get_table(3) == nullptr) return 0;
  void (***core)() = nullptr;
  unsigned size = 0;
  if (callbacks->get_module(1, &core, &size) == 0 || size < 12) return 0;
  *core[8] = reinterpret_cast<void (*)()>(push);
  *core[11] = reinterpret_cast<void (*)()>(pop);
  return 1;
}
