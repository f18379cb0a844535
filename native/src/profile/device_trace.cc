#include "profile/device_trace.hpp"

#include <cxxabi.h>
#include <time.h>

#include <cstdlib>

#include "abi/error.hpp"

namespace {

using namespace sgl::profile;

// The trace that CUPTI's callbacks belong to. Its destructor flushes first, so no callback comes after it is taken away.
std::atomic<sgl_device_trace*> g_open{nullptr};

constexpr uint32_t kKinds[] = {cupti::kConcurrentKernel, cupti::kMemcpy,          cupti::kPeerMemcpy, cupti::kMemset,
                               cupti::kRuntime,          cupti::kSynchronization, cupti::kOverhead,   cupti::kDriver};

uint64_t monotonic_ns() {
  timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<uint64_t>(now.tv_sec) * 1'000'000'000u + static_cast<uint64_t>(now.tv_nsec);
}

const char* memory_kind(int kind) {
  switch (kind) {
    case 1:
      return "Pageable";
    case 2:
      return "Pinned";
    case 3:
      return "Device";
    case 4:
      return "Array";
    case 5:
      return "Managed";
    case 6:
      return "Device Static";
    case 7:
      return "Managed Static";
    default:
      return "Unknown";
  }
}

const char* copy_direction(int kind) {
  constexpr const char* kNames[] = {"Unknown", "HtoD", "DtoH", "HtoA", "AtoH", "AtoA", "AtoD", "DtoA", "DtoD", "HtoH", "PtoP"};
  return kNames[kind >= 0 && kind <= 10 ? kind : 0];
}

const char* overhead_name(uint32_t kind) {
  switch (kind) {
    case 1:
      return "Driver Compiler";
    case 1u << 16:
      return "Buffer Flush";
    case 2u << 16:
      return "Instrumentation";
    case 3u << 16:
      return "Resource";
    case 4u << 16:
      return "Runtime Triggered Module Loading";
    case 5u << 16:
      return "Lazy Function Loading";
    case 6u << 16:
      return "Command Buffer Full";
    default:
      return "Unknown";
  }
}

const char* sync_name(uint32_t type) {
  switch (type) {
    case 1:
      return "Event Sync";
    case 2:
      return "Stream Wait Event";
    case 3:
      return "Stream Sync";
    case 4:
      return "Context Sync";
    default:
      return "Unknown Sync";
  }
}

/// Of streams in records: CUPTI's "no stream".
constexpr uint32_t kNoStream = 0xffffffffu;

}  // namespace

sgl_device_trace::sgl_device_trace(const CuptiLibrary& library, int64_t buffer_bytes, int64_t max_bytes)
    : cupti_(library.functions), buffer_bytes_(buffer_bytes), max_bytes_(max_bytes) {
  check(cupti_.get_version(&version_), "cuptiGetVersion");
  sgl_device_trace* none = nullptr;
  if (!g_open.compare_exchange_strong(none, this)) sgl::fail(SGL_INVALID_ARGUMENT, "device_trace_open: one is open already");
}

sgl_device_trace::~sgl_device_trace() {
  try {
    stop();
  } catch (const sgl::Error&) {
    // A lost device has nothing to hand over.
  }
  g_open = nullptr;
}

void sgl_device_trace::attach() {
  if (is_attached_) return;
  check(cupti_.register_callbacks(buffer_requested, buffer_completed), "cuptiActivityRegisterCallbacks");
  is_attached_ = true;
  if (cupti_.set_thread_id_type != nullptr) cupti_.set_thread_id_type(cupti::kSystemThreadIds);
  has_own_clock_ = cupti_.register_timestamp != nullptr && cupti_.register_timestamp(monotonic_ns) == cupti::kSuccess;
}

void sgl_device_trace::start() {
  const std::lock_guard lock(control_);
  if (is_on_) return;
  attach();
  discard();
  dropped_ = 0;
  unknown_ = 0;
  if (!has_own_clock_) {
    uint64_t theirs = 0;
    const uint64_t before = monotonic_ns();
    check(cupti_.get_timestamp(&theirs), "cuptiGetTimestamp");
    const uint64_t after = monotonic_ns();
    clock_shift_ns_ = static_cast<int64_t>(before + (after - before) / 2) - static_cast<int64_t>(theirs);
  }
  for (const uint32_t kind : kKinds) check(cupti_.enable(kind), "cuptiActivityEnable");
  is_on_ = true;
}

void sgl_device_trace::stop() {
  const std::lock_guard lock(control_);
  if (!is_on_) return;
  is_on_ = false;
  for (const uint32_t kind : kKinds) cupti_.disable(kind);
  check(cupti_.flush_all(cupti::kFlushForced), "cuptiActivityFlushAll");
  count_dropped(nullptr, 0);
}

void sgl_device_trace::flush() {
  const std::lock_guard lock(control_);
  if (is_on_) check(cupti_.flush_all(0), "cuptiActivityFlushAll");
}

int sgl_device_trace::read(sgl_activity* records, int capacity) {
  int count = 0;
  while (count < capacity) {
    Buffer* oldest = nullptr;
    {
      const std::lock_guard lock(gate_);
      if (!completed_.empty()) oldest = &completed_.front();
    }
    if (oldest == nullptr) break;
    if (cupti_.get_next_record(oldest->data.get(), oldest->valid_size, &position_) == cupti::kSuccess) {
      if (convert(*position_, records[count])) count++;
      continue;
    }
    position_ = nullptr;
    const std::lock_guard lock(gate_);
    bytes_in_use_ -= buffer_bytes_;
    spare_.push_back(std::move(completed_.front().data));
    completed_.pop_front();
  }
  return count;
}

sgl_device_trace_loss sgl_device_trace::loss() { return {dropped_, unknown_}; }

void sgl_device_trace::buffer_requested(uint8_t** buffer, size_t* size, size_t* max_num_records) {
  *max_num_records = 0;
  sgl_device_trace* trace = g_open;
  *size = 0;
  *buffer = trace == nullptr ? nullptr : trace->take_buffer(*size);
}

void sgl_device_trace::buffer_completed(void* context, uint32_t stream, uint8_t* buffer, size_t, size_t valid_size) {
  sgl_device_trace* trace = g_open;
  if (trace == nullptr) {
    delete[] buffer;
    return;
  }
  trace->hand_over(buffer, valid_size);
  trace->count_dropped(context, stream);
}

uint8_t* sgl_device_trace::take_buffer(size_t& size) {
  const std::lock_guard lock(gate_);
  // CUPTI counts what finds no buffer.
  if (bytes_in_use_ + buffer_bytes_ > max_bytes_) return nullptr;
  std::unique_ptr<uint8_t[]> buffer;
  if (spare_.empty()) {
    buffer.reset(new (std::nothrow) uint8_t[buffer_bytes_]);
    if (buffer == nullptr) return nullptr;
  } else {
    buffer = std::move(spare_.back());
    spare_.pop_back();
  }
  bytes_in_use_ += buffer_bytes_;
  size = static_cast<size_t>(buffer_bytes_);
  return buffer.release();
}

void sgl_device_trace::hand_over(uint8_t* buffer, size_t valid_size) {
  std::unique_ptr<uint8_t[]> owned(buffer);
  const std::lock_guard lock(gate_);
  if (valid_size == 0) {
    bytes_in_use_ -= buffer_bytes_;
    spare_.push_back(std::move(owned));
  } else {
    completed_.push_back({std::move(owned), valid_size});
  }
}

void sgl_device_trace::count_dropped(void* context, uint32_t stream) {
  size_t dropped = 0;
  if (cupti_.get_num_dropped(context, stream, &dropped) == cupti::kSuccess) dropped_ += static_cast<int64_t>(dropped);
}

void sgl_device_trace::discard() {
  const std::lock_guard lock(gate_);
  while (!completed_.empty()) {
    bytes_in_use_ -= buffer_bytes_;
    spare_.push_back(std::move(completed_.front().data));
    completed_.pop_front();
  }
  position_ = nullptr;
  // Between traces only a few are kept.
  if (spare_.size() > 4) spare_.resize(4);
}

bool sgl_device_trace::convert(const cupti::Activity& record, sgl_activity& a) {
  a = {};
  const auto span = [&](uint64_t start, uint64_t end) {
    a.start_ns = static_cast<int64_t>(start) + clock_shift_ns_;
    a.end_ns = static_cast<int64_t>(end) + clock_shift_ns_;
  };
  const auto place = [&](const auto& r) {
    a.device = r.device;
    a.context = r.context;
    a.stream = static_cast<int32_t>(r.stream);
    a.correlation = r.correlation;
    a.graph_node = r.graph_node;
    a.graph = r.graph;
    a.channel = r.channel;
    a.channel_type = static_cast<int32_t>(r.channel_type);
  };
  switch (record.kind) {
    case cupti::kConcurrentKernel: {
      const auto& r = reinterpret_cast<const cupti::Kernel&>(record);
      a.kind = SGL_ACTIVITY_KERNEL;
      span(r.start, r.end);
      place(r);
      a.name = kernel_name(r.name == nullptr ? "unknown" : r.name);
      for (int i = 0; i < 3; i++) {
        a.grid[i] = r.grid[i];
        a.block[i] = r.block[i];
      }
      a.registers_per_thread = r.registers_per_thread;
      a.static_shared_bytes = static_cast<uint32_t>(r.static_shared_bytes);
      a.dynamic_shared_bytes = static_cast<uint32_t>(r.dynamic_shared_bytes);
      break;
    }
    case cupti::kMemcpy: {
      const auto& r = reinterpret_cast<const cupti::Memcpy&>(record);
      a.kind = SGL_ACTIVITY_COPY;
      span(r.start, r.end);
      place(r);
      a.num_bytes = static_cast<int64_t>(r.bytes);
      a.name = copy_name(r.copy_kind, r.source_kind, r.destination_kind);
      break;
    }
    case cupti::kPeerMemcpy: {
      const auto& r = reinterpret_cast<const cupti::PeerMemcpy&>(record);
      a.kind = SGL_ACTIVITY_COPY;
      span(r.start, r.end);
      place(r);
      a.num_bytes = static_cast<int64_t>(r.bytes);
      a.name = copy_name(r.copy_kind, r.source_kind, r.destination_kind);
      break;
    }
    case cupti::kMemset: {
      const auto& r = reinterpret_cast<const cupti::Memset&>(record);
      a.kind = SGL_ACTIVITY_SET;
      span(r.start, r.end);
      place(r);
      a.num_bytes = static_cast<int64_t>(r.bytes);
      a.name = names_.intern(std::string("Memset (") + memory_kind(r.memory_kind) + ")");
      break;
    }
    case cupti::kRuntime:
    case cupti::kDriver: {
      const auto& r = reinterpret_cast<const cupti::Api&>(record);
      const bool is_runtime = record.kind == cupti::kRuntime;
      a.kind = is_runtime ? SGL_ACTIVITY_RUNTIME : SGL_ACTIVITY_DRIVER;
      span(r.start, r.end);
      a.thread = r.thread;
      a.correlation = r.correlation;
      a.detail = r.callback;
      a.name = call_name(is_runtime ? cupti::kRuntimeDomain : cupti::kDriverDomain, r.callback);
      break;
    }
    case cupti::kSynchronization: {
      const auto& r = reinterpret_cast<const cupti::Synchronization&>(record);
      a.kind = SGL_ACTIVITY_SYNC;
      span(r.start, r.end);
      a.correlation = r.correlation;
      a.context = r.context;
      a.stream = r.stream == kNoStream ? -1 : static_cast<int32_t>(r.stream);
      a.detail = r.type;
      a.name = names_.intern(sync_name(r.type));
      break;
    }
    case cupti::kOverhead: {
      const auto& r = reinterpret_cast<const cupti::Overhead&>(record);
      // Both are 0 where CUPTI could not take the time.
      if (r.start == 0 && r.end == 0) return false;
      a.kind = SGL_ACTIVITY_OVERHEAD;
      span(r.start, r.end);
      a.name = names_.intern(overhead_name(r.overhead_kind));
      break;
    }
    default:
      unknown_++;
      return false;
  }
  return true;
}

int32_t sgl_device_trace::kernel_name(const char* mangled) {
  const auto [entry, is_new] = kernel_names_.try_emplace(mangled, -1);
  if (is_new) {
    int status = 0;
    const std::unique_ptr<char, void (*)(void*)> demangled(abi::__cxa_demangle(mangled, nullptr, nullptr, &status), std::free);
    entry->second = names_.intern(status == 0 && demangled != nullptr ? demangled.get() : mangled);
  }
  return entry->second;
}

int32_t sgl_device_trace::call_name(uint32_t domain, uint32_t callback) {
  std::vector<int32_t>& known = call_names_[domain == cupti::kRuntimeDomain ? 1 : 0];
  if (callback < known.size() && known[callback] >= 0) return known[callback];
  const char* text = nullptr;
  if (cupti_.get_callback_name(domain, callback, &text) != cupti::kSuccess || text == nullptr) text = "unknown";
  std::string name = text;
  // "cudaLaunchKernel_v7000" and "cudaMemcpyAsync_ptsz_v7000" are known to readers without what follows.
  if (const size_t version = name.rfind("_v"); version != std::string::npos && domain == cupti::kRuntimeDomain &&
                                               name.find_first_not_of("0123456789", version + 2) == std::string::npos) {
    name.resize(version);
  }
  for (const char* suffix : {"_ptsz", "_ptds"}) {
    if (name.size() > 5 && name.compare(name.size() - 5, 5, suffix) == 0) name.resize(name.size() - 5);
  }
  const int32_t id = names_.intern(name);
  // Callback numbers are small; a wild one is not worth a table.
  if (callback < 4096) {
    if (callback >= known.size()) known.resize(callback + 1, -1);
    known[callback] = id;
  }
  return id;
}

int32_t sgl_device_trace::copy_name(int copy_kind, int source, int destination) {
  return names_.intern(std::string("Memcpy ") + copy_direction(copy_kind) + " (" + memory_kind(source) + " -> " +
                       memory_kind(destination) + ")");
}

void sgl_device_trace::check(int result, const char* what) const {
  if (result == cupti::kSuccess) return;
  const char* text = nullptr;
  cupti_.get_result_string(result, &text);
  sgl::fail(SGL_UNSUPPORTED, "device activity cannot be recorded: %s: %s (%d)", what, text == nullptr ? "unknown" : text,
            result);
}
