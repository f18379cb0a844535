#include "sgl/profile.h"

#include "abi/guard.hpp"
#include "profile/cupti_library.hpp"
#include "profile/device_trace.hpp"
#include "profile/nvtx.hpp"

using namespace sgl;

namespace {

constexpr int64_t kDefaultBufferBytes = 4 << 20;
constexpr int64_t kDefaultMaxBytes = 512 << 20;
constexpr int64_t kSmallestBuffer = 1024;

}  // namespace

sgl_status sgl_context_get_properties(sgl_context* context, sgl_device_properties* properties) {
  constexpr const char* op = "context_get_properties";
  return guard(op, [&] { backend_of(op, context).get_properties(require(op, "properties", properties)); });
}

sgl_status sgl_profiler_start(sgl_context* context) {
  constexpr const char* op = "profiler_start";
  return guard(op, [&] { backend_of(op, context).profiler_start(); });
}

sgl_status sgl_profiler_stop(sgl_context* context) {
  constexpr const char* op = "profiler_stop";
  return guard(op, [&] { backend_of(op, context).profiler_stop(); });
}

int32_t sgl_nvtx_is_active(void) { return profile::nvtx().is_active() ? 1 : 0; }

void sgl_nvtx_push(const char* text, uint32_t argb) {
  if (text != nullptr) profile::nvtx().push(text, argb);
}

void sgl_nvtx_pop(void) { profile::nvtx().pop(); }

sgl_status sgl_device_trace_open(sgl_device_trace** trace, const sgl_device_trace_options* options) {
  constexpr const char* op = "device_trace_open";
  return guard(op, [&] {
    require(op, "trace", trace) = nullptr;
    const sgl_device_trace_options& wanted = require(op, "options", options);
    const int64_t buffer_bytes = wanted.buffer_bytes == 0 ? kDefaultBufferBytes : wanted.buffer_bytes;
    const int64_t max_bytes = wanted.max_bytes == 0 ? kDefaultMaxBytes : wanted.max_bytes;
    if (buffer_bytes < kSmallestBuffer || max_bytes < buffer_bytes) {
      fail(SGL_INVALID_ARGUMENT, "%s: buffer_bytes is %lld and max_bytes %lld: expected at least %lld, and max_bytes not below",
           op, static_cast<long long>(buffer_bytes), static_cast<long long>(max_bytes),
           static_cast<long long>(kSmallestBuffer));
    }
    if (const std::string tool = profile::external_profiler(); !tool.empty()) {
      fail(SGL_UNSUPPORTED, "%s is attached to this process and CUPTI serves one profiler: device activity is left to it",
           tool.c_str());
    }
    const profile::CuptiLibrary library = profile::open_cupti(wanted.library == nullptr ? "" : wanted.library);
    if (!library.is_open) fail(SGL_UNSUPPORTED, "%s", library.reason.c_str());
    *trace = std::make_unique<sgl_device_trace>(library, buffer_bytes, max_bytes).release();
  });
}

void sgl_device_trace_close(sgl_device_trace* trace) { delete trace; }

sgl_status sgl_device_trace_start(sgl_device_trace* trace) {
  constexpr const char* op = "device_trace_start";
  return guard(op, [&] { require(op, "trace", trace).start(); });
}

sgl_status sgl_device_trace_stop(sgl_device_trace* trace) {
  constexpr const char* op = "device_trace_stop";
  return guard(op, [&] { require(op, "trace", trace).stop(); });
}

sgl_status sgl_device_trace_flush(sgl_device_trace* trace) {
  constexpr const char* op = "device_trace_flush";
  return guard(op, [&] { require(op, "trace", trace).flush(); });
}

sgl_status sgl_device_trace_read(sgl_device_trace* trace, sgl_activity* records, int32_t capacity, int32_t* count) {
  constexpr const char* op = "device_trace_read";
  return guard(op, [&] {
    require(op, "count", count) = 0;
    if (capacity > 0) *count = require(op, "trace", trace).read(&require(op, "records", records), capacity);
  });
}

const char* sgl_device_trace_name(sgl_device_trace* trace, int32_t name) {
  return trace == nullptr ? nullptr : trace->name(name);
}

sgl_status sgl_device_trace_get_loss(sgl_device_trace* trace, sgl_device_trace_loss* loss) {
  constexpr const char* op = "device_trace_get_loss";
  return guard(op, [&] { require(op, "loss", loss) = require(op, "trace", trace).loss(); });
}

sgl_status sgl_device_trace_get_version(sgl_device_trace* trace, int32_t* version, int32_t* has_own_clock) {
  constexpr const char* op = "device_trace_get_version";
  return guard(op, [&] {
    require(op, "version", version) = static_cast<int32_t>(require(op, "trace", trace).version());
    require(op, "has_own_clock", has_own_clock) = trace->has_own_clock() ? 1 : 0;
  });
}
