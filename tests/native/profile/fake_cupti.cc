// A libcupti without a GPU. Functions `fake_cupti_*` let a test say what has happened on the device; records go into buffers as
// CUPTI fills them: asked for when there is no room, handed over when full or flushed, dropped and counted when none is given.
#include <time.h>

#include <cstring>
#include <mutex>
#include <set>
#include <vector>

#include "profile/cupti_abi.hpp"
#include "sgl/base.h"

using namespace sgl::profile::cupti;

namespace {

std::mutex g_gate;
BufferRequested g_requested;
BufferCompleted g_completed;
uint64_t (*g_clock)();
std::set<uint32_t> g_enabled;
uint8_t* g_buffer;
size_t g_size;
size_t g_used;
size_t g_dropped;
bool g_is_attached;

size_t size_of(uint32_t kind) {
  switch (kind) {
    case kConcurrentKernel:
      return sizeof(Kernel) + 40;  // newer versions have more fields
    case kMemcpy:
      return sizeof(Memcpy);
    case kPeerMemcpy:
      return sizeof(PeerMemcpy);
    case kMemset:
      return sizeof(Memset);
    case kRuntime:
    case kDriver:
      return sizeof(Api);
    case kSynchronization:
      return sizeof(Synchronization);
    case kOverhead:
      return sizeof(Overhead);
    default:
      return 64;
  }
}

void hand_over() {
  if (g_buffer == nullptr) return;
  g_completed(nullptr, 0, g_buffer, g_size, g_used);
  g_buffer = nullptr;
}

template <class Record>
void add(Record record) {
  const std::lock_guard lock(g_gate);
  if (!g_enabled.contains(record.kind)) return;
  const size_t size = size_of(record.kind);
  if (g_buffer != nullptr && g_used + size > g_size) hand_over();
  if (g_buffer == nullptr) {
    size_t max_records = 0;
    g_size = 0;
    g_used = 0;
    g_requested(&g_buffer, &g_size, &max_records);
    if (g_buffer == nullptr) {
      g_dropped++;
      return;
    }
  }
  std::memset(g_buffer + g_used, 0, size);
  std::memcpy(g_buffer + g_used, &record, sizeof record < size ? sizeof record : size);
  g_used += size;
}

}  // namespace

extern "C" {

SGL_API Result cuptiGetVersion(uint32_t* version) {
  *version = 22;
  return kSuccess;
}

SGL_API Result cuptiGetResultString(Result, const char** text) {
  *text = "CUPTI_ERROR_OF_THE_FAKE";
  return kSuccess;
}

SGL_API Result cuptiGetTimestamp(uint64_t* now) {
  *now = 1'000'000'000'000;
  return kSuccess;
}

SGL_API Result cuptiActivityRegisterCallbacks(BufferRequested requested, BufferCompleted completed) {
  g_requested = requested;
  g_completed = completed;
  g_is_attached = true;
  return kSuccess;
}

#if !defined(FAKE_CUPTI_OLD)
SGL_API Result cuptiActivityRegisterTimestampCallback(uint64_t (*clock)()) {
  g_clock = clock;
  return kSuccess;
}
#endif

SGL_API Result cuptiActivityEnable(uint32_t kind) {
  const std::lock_guard lock(g_gate);
  g_enabled.insert(kind);
  return kSuccess;
}

SGL_API Result cuptiActivityDisable(uint32_t kind) {
  const std::lock_guard lock(g_gate);
  g_enabled.erase(kind);
  return kSuccess;
}

SGL_API Result cuptiActivityFlushAll(uint32_t flag) {
  const std::lock_guard lock(g_gate);
  if (flag == kFlushForced) hand_over();
  return kSuccess;
}

SGL_API Result cuptiActivityGetNextRecord(uint8_t* buffer, size_t valid_size, Activity** record) {
  uint8_t* next = *record == nullptr ? buffer : reinterpret_cast<uint8_t*>(*record) + size_of((*record)->kind);
  if (next >= buffer + valid_size) return 12;
  *record = reinterpret_cast<Activity*>(next);
  return kSuccess;
}

SGL_API Result cuptiActivityGetNumDroppedRecords(void*, uint32_t, size_t* dropped) {
  *dropped = g_dropped;
  g_dropped = 0;
  return kSuccess;
}

SGL_API Result cuptiGetCallbackName(uint32_t domain, uint32_t callback, const char** name) {
  if (domain == kRuntimeDomain) {
    *name = callback == 311  ? "cudaGraphLaunch_v10000"
            : callback == 41 ? "cudaMemcpyAsync_ptsz_v7000"
                             : "cudaLaunchKernel_v7000";
  } else {
    *name = "cuMemAlloc_v2";
  }
  return kSuccess;
}

SGL_API int fake_cupti_is_attached() { return g_is_attached ? 1 : 0; }

/// The time that CUPTI would stamp.
SGL_API uint64_t fake_cupti_now() {
  if (g_is_attached) return g_clock == nullptr ? 0 : g_clock();
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

SGL_API void fake_cupti_kernel(const char* name, uint64_t start, uint64_t end, uint32_t stream, uint32_t correlation,
                               uint64_t graph_node) {
  Kernel k{};
  k.kind = kConcurrentKernel;
  k.name = name;
  k.start = start;
  k.end = end;
  k.context = 1;
  k.stream = stream;
  k.correlation = correlation;
  k.graph_node = graph_node;
  k.graph = graph_node == 0 ? 0 : 5;
  k.grid[0] = 132;
  k.grid[1] = k.grid[2] = 1;
  k.block[0] = 256;
  k.block[1] = k.block[2] = 1;
  k.registers_per_thread = 32;
  k.static_shared_bytes = 1024;
  k.dynamic_shared_bytes = 2048;
  add(k);
}

SGL_API void fake_cupti_copy(uint64_t start, uint64_t end, uint32_t stream, uint32_t correlation, uint64_t bytes) {
  Memcpy m{};
  m.kind = kMemcpy;
  m.copy_kind = 1;
  m.source_kind = 2;
  m.destination_kind = 3;
  m.start = start;
  m.end = end;
  m.context = 1;
  m.stream = stream;
  m.correlation = correlation;
  m.bytes = bytes;
  add(m);
}

SGL_API void fake_cupti_set(uint64_t start, uint64_t end, uint32_t stream, uint32_t correlation, uint64_t bytes) {
  Memset m{};
  m.kind = kMemset;
  m.memory_kind = 3;
  m.start = start;
  m.end = end;
  m.context = 1;
  m.stream = stream;
  m.correlation = correlation;
  m.bytes = bytes;
  add(m);
}

SGL_API void fake_cupti_call(uint32_t is_runtime, uint32_t callback, uint64_t start, uint64_t end, uint32_t thread,
                             uint32_t correlation) {
  Api a{};
  a.kind = is_runtime != 0 ? kRuntime : kDriver;
  a.callback = callback;
  a.start = start;
  a.end = end;
  a.thread = thread;
  a.correlation = correlation;
  add(a);
}

SGL_API void fake_cupti_sync(uint32_t type, uint64_t start, uint64_t end, uint32_t stream, uint32_t correlation) {
  Synchronization s{};
  s.kind = kSynchronization;
  s.type = type;
  s.start = start;
  s.end = end;
  s.context = 1;
  s.stream = stream;
  s.correlation = correlation;
  add(s);
}

}  // extern "C"
