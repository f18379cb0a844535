#include <dlfcn.h>
#include <gtest/gtest.h>
#include <time.h>

#include <cstdlib>
#include <map>
#include <string>
#include <vector>

#include "sgl/sgl.h"

namespace {

const std::string kFolder = SGL_TEST_LIBRARIES;

/// The device, told to the trace through a fake libcupti.
class Device {
 public:
  explicit Device(const std::string& library) : handle_(dlopen(library.c_str(), RTLD_NOW)) {}

  template <class... Args>
  void operator()(const char* function, Args... args) const {
    reinterpret_cast<void (*)(Args...)>(dlsym(handle_, function))(args...);
  }
  uint64_t now() const { return reinterpret_cast<uint64_t (*)()>(dlsym(handle_, "fake_cupti_now"))(); }
  bool is_attached() const { return reinterpret_cast<int (*)()>(dlsym(handle_, "fake_cupti_is_attached"))() != 0; }

 private:
  void* handle_;
};

class DeviceTrace : public ::testing::Test {
 protected:
  void open(int64_t buffer_bytes = 0, int64_t max_bytes = 0, const char* library = "libfake_cupti.so") {
    path_ = kFolder + "/" + library;
    const sgl_device_trace_options options{path_.c_str(), buffer_bytes, max_bytes};
    ASSERT_EQ(sgl_device_trace_open(&trace_, &options), SGL_OK) << sgl_last_error();
    device_ = std::make_unique<Device>(path_);
  }
  ~DeviceTrace() override { sgl_device_trace_close(trace_); }

  std::vector<sgl_activity> read() {
    std::vector<sgl_activity> all;
    sgl_activity block[7];
    for (int32_t count = 1; count > 0;) {
      EXPECT_EQ(sgl_device_trace_read(trace_, block, 7, &count), SGL_OK);
      all.insert(all.end(), block, block + count);
    }
    return all;
  }
  sgl_device_trace_loss loss() {
    sgl_device_trace_loss loss{};
    EXPECT_EQ(sgl_device_trace_get_loss(trace_, &loss), SGL_OK);
    return loss;
  }
  std::string name(const sgl_activity& a) { return sgl_device_trace_name(trace_, a.name); }

  std::string path_;
  sgl_device_trace* trace_ = nullptr;
  std::unique_ptr<Device> device_;
};

TEST_F(DeviceTrace, Every_kind_arrives_with_its_fields) {
  open();
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  const Device& d = *device_;
  d("fake_cupti_call", 1u, 211u, uint64_t{100}, uint64_t{110}, 77u, 1u);
  d("fake_cupti_kernel", "_Z3foov", uint64_t{120}, uint64_t{150}, 7u, 1u, uint64_t{0});
  d("fake_cupti_call", 1u, 41u, uint64_t{160}, uint64_t{165}, 77u, 2u);
  d("fake_cupti_copy", uint64_t{170}, uint64_t{175}, 7u, 2u, uint64_t{4096});
  d("fake_cupti_set", uint64_t{180}, uint64_t{181}, 7u, 3u, uint64_t{64});
  d("fake_cupti_sync", 3u, uint64_t{190}, uint64_t{200}, 7u, 4u);
  d("fake_cupti_sync", 4u, uint64_t{190}, uint64_t{200}, 0xffffffffu, 5u);
  d("fake_cupti_call", 0u, 9u, uint64_t{201}, uint64_t{202}, 78u, 6u);
  d("fake_cupti_kernel", "_Z3barv", uint64_t{210}, uint64_t{211}, 9u, 8u, uint64_t{42});
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);

  const std::vector<sgl_activity> all = read();
  ASSERT_EQ(all.size(), 9u);
  EXPECT_EQ(name(all[0]), "cudaLaunchKernel");
  EXPECT_EQ(all[0].kind, SGL_ACTIVITY_RUNTIME);
  EXPECT_EQ(all[0].thread, 77u);
  EXPECT_EQ(all[0].start_ns, 100);
  EXPECT_EQ(name(all[1]), "foo()");
  EXPECT_EQ(all[1].kind, SGL_ACTIVITY_KERNEL);
  EXPECT_EQ(all[1].end_ns, 150);
  EXPECT_EQ(all[1].grid[0], 132);
  EXPECT_EQ(all[1].block[0], 256);
  EXPECT_EQ(all[1].registers_per_thread, 32u);
  EXPECT_EQ(all[1].static_shared_bytes, 1024u);
  EXPECT_EQ(all[1].dynamic_shared_bytes, 2048u);
  EXPECT_EQ(all[1].correlation, 1u);
  EXPECT_EQ(name(all[2]), "cudaMemcpyAsync");
  EXPECT_EQ(name(all[3]), "Memcpy HtoD (Pinned -> Device)");
  EXPECT_EQ(all[3].num_bytes, 4096);
  EXPECT_EQ(name(all[4]), "Memset (Device)");
  EXPECT_EQ(name(all[5]), "Stream Sync");
  EXPECT_EQ(all[5].stream, 7);
  EXPECT_EQ(all[6].stream, -1);
  EXPECT_EQ(name(all[7]), "cuMemAlloc_v2");
  EXPECT_EQ(all[7].kind, SGL_ACTIVITY_DRIVER);
  EXPECT_EQ(all[8].graph_node, 42u);
  EXPECT_EQ(all[8].graph, 5u);
  EXPECT_EQ(loss().dropped_records, 0);
}

TEST_F(DeviceTrace, Records_without_a_buffer_are_counted_and_none_goes_missing_silently) {
  open(1024, 2048);
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  constexpr int kCalls = 500;
  for (uint32_t i = 0; i < kCalls; i++) (*device_)("fake_cupti_call", 1u, 211u, uint64_t{i}, uint64_t{i} + 1, 1u, i);
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  const size_t kept = read().size();
  EXPECT_GT(loss().dropped_records, 0);
  EXPECT_EQ(static_cast<int64_t>(kept) + loss().dropped_records, kCalls);

  // What was lost belongs to that window only.
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  EXPECT_EQ(loss().dropped_records, 0);
}

TEST_F(DeviceTrace, Buffers_that_are_read_on_the_way_are_used_again) {
  open(1024, 2048);
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  size_t kept = 0;
  constexpr uint32_t kCalls = 5000;
  for (uint32_t i = 0; i < kCalls; i++) {
    (*device_)("fake_cupti_call", 1u, 211u, uint64_t{i}, uint64_t{i} + 1, 1u, i);
    if (i % 16 == 0) kept += read().size();
  }
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  kept += read().size();
  EXPECT_EQ(kept, kCalls);
  EXPECT_EQ(loss().dropped_records, 0);
}

TEST_F(DeviceTrace, Nothing_is_recorded_outside_a_window) {
  open();
  (*device_)("fake_cupti_call", 1u, 211u, uint64_t{1}, uint64_t{2}, 1u, 1u);
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  (*device_)("fake_cupti_call", 1u, 211u, uint64_t{3}, uint64_t{4}, 1u, 2u);
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  (*device_)("fake_cupti_call", 1u, 211u, uint64_t{5}, uint64_t{6}, 1u, 3u);
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  const std::vector<sgl_activity> all = read();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].correlation, 2u);
}

TEST_F(DeviceTrace, Cupti_is_attached_by_the_first_start) {
  // A library of its own: of the others' it is not known whether a test has attached it.
  open(0, 0, "libfake_cupti_untouched.so");
  EXPECT_FALSE(device_->is_attached());
  int32_t version = 0, has_own_clock = 1;
  ASSERT_EQ(sgl_device_trace_get_version(trace_, &version, &has_own_clock), SGL_OK);
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  ASSERT_EQ(sgl_device_trace_flush(trace_), SGL_OK);
  EXPECT_FALSE(device_->is_attached());
  for (int window = 0; window < 3; window++) {
    ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
    EXPECT_TRUE(device_->is_attached());
    (*device_)("fake_cupti_call", 1u, 211u, uint64_t{3}, uint64_t{4}, 1u, 2u);
    ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
    EXPECT_EQ(read().size(), 1u);
  }
}

TEST_F(DeviceTrace, Stamps_are_those_of_the_monotonic_clock) {
  open();
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  timespec before, after;
  clock_gettime(CLOCK_MONOTONIC, &before);
  const uint64_t stamp = device_->now();
  clock_gettime(CLOCK_MONOTONIC, &after);
  const auto ns = [](const timespec& t) { return static_cast<uint64_t>(t.tv_sec) * 1'000'000'000u + t.tv_nsec; };
  EXPECT_LE(ns(before), stamp);
  EXPECT_LE(stamp, ns(after));
}

TEST_F(DeviceTrace, A_cupti_without_a_clock_of_ours_is_shifted) {
  open(0, 0, "libfake_cupti_old.so");
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  int32_t version = 0, has_own_clock = 1;
  ASSERT_EQ(sgl_device_trace_get_version(trace_, &version, &has_own_clock), SGL_OK);
  EXPECT_EQ(version, 22);
  EXPECT_EQ(has_own_clock, 0);
  timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  const int64_t before = t.tv_sec * 1'000'000'000ll + t.tv_nsec;
  ASSERT_EQ(sgl_device_trace_start(trace_), SGL_OK);
  // The old fake's clock stands at 10^12.
  (*device_)("fake_cupti_call", 1u, 211u, uint64_t{1'000'000'000'000}, uint64_t{1'000'000'000'500}, 1u, 2u);
  ASSERT_EQ(sgl_device_trace_stop(trace_), SGL_OK);
  clock_gettime(CLOCK_MONOTONIC, &t);
  const int64_t after = t.tv_sec * 1'000'000'000ll + t.tv_nsec;
  const std::vector<sgl_activity> all = read();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_GE(all[0].start_ns, before);
  EXPECT_LE(all[0].start_ns, after);
  EXPECT_EQ(all[0].end_ns - all[0].start_ns, 500);
}

TEST(DeviceTraceOpen, Refusals_say_why) {
  sgl_device_trace* trace = nullptr;
  sgl_device_trace_options options{"/nowhere/libcupti.so", 0, 0};
  EXPECT_EQ(sgl_device_trace_open(&trace, &options), SGL_UNSUPPORTED);
  EXPECT_NE(std::string(sgl_last_error()).find("SGL_CUPTI_LIBRARY"), std::string::npos) << sgl_last_error();

  const std::string path = kFolder + "/libfake_cupti.so";
  options = {path.c_str(), 100, 0};
  EXPECT_EQ(sgl_device_trace_open(&trace, &options), SGL_INVALID_ARGUMENT);

  options = {path.c_str(), 0, 0};
  setenv("NSYS_PROFILING_SESSION_ID", "1", 1);
  EXPECT_EQ(sgl_device_trace_open(&trace, &options), SGL_UNSUPPORTED);
  EXPECT_NE(std::string(sgl_last_error()).find("Nsight Systems is attached"), std::string::npos) << sgl_last_error();
  unsetenv("NSYS_PROFILING_SESSION_ID");

  ASSERT_EQ(sgl_device_trace_open(&trace, &options), SGL_OK) << sgl_last_error();
  sgl_device_trace* second = nullptr;
  EXPECT_EQ(sgl_device_trace_open(&second, &options), SGL_INVALID_ARGUMENT);
  sgl_device_trace_close(trace);
}

TEST(Profiler, The_cpu_has_no_cuda_profiler) {
  sgl_context* context = nullptr;
  const sgl_context_options options{SGL_DEVICE_CPU, 0, 1, 0};
  ASSERT_EQ(sgl_context_create(&context, &options), SGL_OK);
  EXPECT_EQ(sgl_profiler_start(context), SGL_UNSUPPORTED);
  EXPECT_EQ(sgl_profiler_stop(context), SGL_UNSUPPORTED);
  sgl_device_properties properties;
  EXPECT_EQ(sgl_context_get_properties(context, &properties), SGL_UNSUPPORTED);
  sgl_context_destroy(context);
}

}  // namespace
