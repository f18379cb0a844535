#pragma once

#include <atomic>
#include <deque>
#include <memory>
#include <mutex>
#include <vector>

#include "profile/cupti_library.hpp"
#include "profile/name_table.hpp"
#include "sgl/profile.h"

/// CUPTI calls back into plain functions without a user's pointer, so one trace is open in a process.
struct sgl_device_trace {
 public:
  sgl_device_trace(const sgl::profile::CuptiLibrary& library, int64_t buffer_bytes, int64_t max_bytes);
  ~sgl_device_trace();
  sgl_device_trace(const sgl_device_trace&) = delete;
  sgl_device_trace& operator=(const sgl_device_trace&) = delete;

  void start();
  void stop();
  void flush();
  int read(sgl_activity* records, int capacity);
  const char* name(int32_t id) const { return names_.text(id); }
  sgl_device_trace_loss loss();
  uint32_t version() const { return version_; }
  bool has_own_clock() const { return has_own_clock_; }

 private:
  struct Buffer {
    std::unique_ptr<uint8_t[]> data;
    size_t valid_size;
  };

  static void buffer_requested(uint8_t** buffer, size_t* size, size_t* max_num_records);
  static void buffer_completed(void* context, uint32_t stream, uint8_t* buffer, size_t size, size_t valid_size);

  uint8_t* take_buffer(size_t& size);
  void hand_over(uint8_t* buffer, size_t valid_size);
  void count_dropped(void* context, uint32_t stream);
  bool convert(const sgl::profile::cupti::Activity& record, sgl_activity& activity);
  int32_t kernel_name(const char* mangled);
  int32_t call_name(uint32_t domain, uint32_t callback);
  int32_t copy_name(int copy_kind, int source, int destination);
  void check(int result, const char* what) const;
  void attach();
  void discard();

  const sgl::profile::cupti::Functions cupti_;
  const int64_t buffer_bytes_;
  const int64_t max_bytes_;
  uint32_t version_ = 0;
  bool has_own_clock_ = false;
  // Added to CUPTI's stamps where it does not take ours.
  int64_t clock_shift_ns_ = 0;
  // Start, stop and flush; never held by CUPTI's thread.
  std::mutex control_;
  bool is_attached_ = false;
  bool is_on_ = false;
  // Buffers, which CUPTI's threads hand over.
  std::mutex gate_;
  std::deque<Buffer> completed_;
  std::vector<std::unique_ptr<uint8_t[]>> spare_;
  int64_t bytes_in_use_ = 0;
  std::atomic<int64_t> dropped_{0};
  std::atomic<int64_t> unknown_{0};
  // The reader's place in the oldest completed buffer.
  sgl::profile::cupti::Activity* position_ = nullptr;
  sgl::profile::NameTable names_;
  std::unordered_map<std::string, int32_t> kernel_names_;
  std::vector<int32_t> call_names_[2];
};
