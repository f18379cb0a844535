#include "sgl/device.h"

#include <cinttypes>

#include "abi/devices.hpp"
#include "abi/guard.hpp"

using namespace sgl;

sgl_status sgl_device_count(int32_t* count, sgl_device_kind kind) {
  constexpr const char* op = "device_count";
  return guard(op, [&] { require(op, "count", count) = device_count(kind); });
}

const char* sgl_device_unavailable_reason(sgl_device_kind kind) {
  const char* reason = "";
  const sgl_status status = guard("device_unavailable_reason", [&] { reason = device_unavailable_reason(kind); });
  return status == SGL_OK ? reason : last_error();
}

sgl_status sgl_device_get_info(sgl_device_info* info, sgl_device_kind kind, int32_t ordinal) {
  constexpr const char* op = "device_get_info";
  return guard(op, [&] { get_device_info(require(op, "info", info), kind, ordinal); });
}

sgl_status sgl_context_create(sgl_context** context, const sgl_context_options* options) {
  constexpr const char* op = "context_create";
  return guard(op, [&] {
    require(op, "context", context) = nullptr;
    const sgl_context_options& wanted = require(op, "options", options);
    auto created = std::make_unique<sgl_context>(sgl_context{wanted.kind, create_backend(wanted)});
    *context = created.release();
  });
}

void sgl_context_destroy(sgl_context* context) { delete context; }

sgl_status sgl_context_synchronize(sgl_context* context) {
  constexpr const char* op = "context_synchronize";
  return guard(op, [&] { backend_of(op, context).synchronize(); });
}

sgl_status sgl_context_num_threads(sgl_context* context, int32_t* num_threads) {
  constexpr const char* op = "context_num_threads";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    require(op, "num_threads", num_threads) = backend.num_threads();
  });
}

sgl_status sgl_memory_allocate(sgl_context* context, void** data, uint64_t num_bytes) {
  constexpr const char* op = "memory_allocate";
  return guard(op, [&] {
    require(op, "data", data) = nullptr;
    *data = backend_of(op, context).allocate(num_bytes);
  });
}

void sgl_memory_free(sgl_context* context, void* data) {
  if (context == nullptr || data == nullptr) return;
  guard("memory_free", [&] { context->backend->free(data); });
}

sgl_status sgl_host_allocate(sgl_context* context, void** data, uint64_t num_bytes) {
  constexpr const char* op = "host_allocate";
  return guard(op, [&] {
    require(op, "data", data) = nullptr;
    *data = backend_of(op, context).allocate_host(num_bytes);
  });
}

void sgl_host_free(sgl_context* context, void* data) {
  if (context == nullptr || data == nullptr) return;
  guard("host_free", [&] { context->backend->free_host(data); });
}

sgl_status sgl_memory_copy(sgl_context* context, void* destination, const void* source, uint64_t num_bytes) {
  constexpr const char* op = "memory_copy";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    if (num_bytes == 0) return;
    require(op, "destination", static_cast<char*>(destination));
    require(op, "source", static_cast<const char*>(source));
    backend.copy(destination, source, num_bytes);
  });
}

sgl_status sgl_memory_set(sgl_context* context, void* destination, int32_t byte_value, uint64_t num_bytes) {
  constexpr const char* op = "memory_set";
  return guard(op, [&] {
    Backend& backend = backend_of(op, context);
    if (byte_value < 0 || byte_value > 255) {
      fail(SGL_INVALID_ARGUMENT, "%s: byte_value is %" PRId32 ": expected 0 to 255", op, byte_value);
    }
    if (num_bytes == 0) return;
    require(op, "destination", static_cast<char*>(destination));
    backend.set(destination, byte_value, num_bytes);
  });
}

sgl_status sgl_event_create(sgl_context* context, sgl_event** event) {
  constexpr const char* op = "event_create";
  return guard(op, [&] {
    require(op, "event", event) = nullptr;
    *event = backend_of(op, context).create_event().release();
  });
}

void sgl_event_destroy(sgl_event* event) { delete event; }

sgl_status sgl_event_record(sgl_context* context, sgl_event* event) {
  constexpr const char* op = "event_record";
  return guard(op, [&] { backend_of(op, context).record(require(op, "event", event)); });
}

sgl_status sgl_event_synchronize(sgl_event* event) {
  constexpr const char* op = "event_synchronize";
  return guard(op, [&] { require(op, "event", event).synchronize(); });
}

sgl_status sgl_event_query(sgl_event* event, int32_t* is_complete) {
  constexpr const char* op = "event_query";
  return guard(op, [&] { require(op, "is_complete", is_complete) = require(op, "event", event).is_complete() ? 1 : 0; });
}

sgl_status sgl_event_elapsed(double* microseconds, sgl_event* start, sgl_event* stop) {
  constexpr const char* op = "event_elapsed";
  return guard(op, [&] {
    const sgl_event& begin = require(op, "start", start);
    require(op, "microseconds", microseconds) = require(op, "stop", stop).elapsed_since(begin);
  });
}
