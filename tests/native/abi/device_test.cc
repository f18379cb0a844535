#include "sgl/device.h"

#include <cstring>
#include <string>
#include <thread>

#include "cpu/isa/isa.hpp"
#include "sgl/graph.h"
#include "support/context.hpp"

namespace sgl::test {
namespace {

TEST(Library, Has_a_version_a_hash_and_a_layout) {
  EXPECT_STREQ(sgl_version(), "0.1.0");
  EXPECT_NE(sgl_abi_hash(), 0u);
  int32_t count = 0;
  const sgl_layout_entry* layout = sgl_abi_layout(&count);
  ASSERT_GT(count, 0);
  EXPECT_EQ(sgl_abi_layout(nullptr), layout);
  bool has_tensor = false, has_stride = false;
  for (int32_t i = 0; i < count; ++i) {
    if (std::strcmp(layout[i].type, "sgl_tensor") != 0) continue;
    if (*layout[i].field == '\0') has_tensor = layout[i].size == sizeof(sgl_tensor);
    if (std::strcmp(layout[i].field, "stride") == 0) has_stride = layout[i].offset == offsetof(sgl_tensor, stride);
  }
  EXPECT_TRUE(has_tensor);
  EXPECT_TRUE(has_stride);
}

TEST(LastError, Belongs_to_its_thread) {
  EXPECT_EQ(sgl_device_count(nullptr, SGL_DEVICE_CPU), SGL_INVALID_ARGUMENT);
  std::string seen = "not run";
  std::thread([&] { seen = sgl_last_error(); }).join();
  EXPECT_EQ(seen, "");
  EXPECT_STREQ(sgl_last_error(), "device_count: count is null");
}

TEST(LastError, Stays_through_calls_that_succeed) {
  EXPECT_EQ(sgl_device_count(nullptr, SGL_DEVICE_CPU), SGL_INVALID_ARGUMENT);
  int32_t count = 0;
  EXPECT_OK(sgl_device_count(&count, SGL_DEVICE_CPU));
  EXPECT_STREQ(sgl_last_error(), "device_count: count is null");
}

TEST(Device, There_is_one_cpu) {
  int32_t count = 0;
  ASSERT_OK(sgl_device_count(&count, SGL_DEVICE_CPU));
  EXPECT_EQ(count, 1);
  EXPECT_STREQ(sgl_device_unavailable_reason(SGL_DEVICE_CPU), "");
  sgl_device_info info;
  std::memset(&info, 0xee, sizeof info);
  ASSERT_OK(sgl_device_get_info(&info, SGL_DEVICE_CPU, 0));
  EXPECT_EQ(info.kind, SGL_DEVICE_CPU);
  EXPECT_EQ(info.ordinal, 0);
  EXPECT_EQ(info.compute_major, 0);
  EXPECT_EQ(info.supports_graphs, 0);
  EXPECT_GE(info.num_processors, 1);
  EXPECT_GT(info.free_memory_bytes, 0u);
  EXPECT_LE(info.free_memory_bytes, info.total_memory_bytes);
  EXPECT_GT(std::strlen(info.name), 0u);
  EXPECT_STREQ(info.isa, cpu::name_of(cpu::current_isa()));
}

TEST(Device, Cuda_is_there_or_says_why_not) {
  int32_t count = -1;
  ASSERT_OK(sgl_device_count(&count, SGL_DEVICE_CUDA));
  const std::string reason = sgl_device_unavailable_reason(SGL_DEVICE_CUDA);
  EXPECT_EQ(count == 0, !reason.empty()) << count << " devices, reason \"" << reason << "\"";
  if (count > 0) return;
  sgl_context* context = nullptr;
  const sgl_context_options options{SGL_DEVICE_CUDA, 0, 0, 0};
  EXPECT_FAILS(SGL_UNSUPPORTED, ("context_create: no cuda device: " + reason).c_str(), sgl_context_create(&context, &options));
  EXPECT_EQ(context, nullptr);
}

TEST(Device, Unknown_kinds_and_ordinals_are_refused) {
  int32_t count = 0;
  sgl_device_info info;
  const auto unknown = static_cast<sgl_device_kind>(9);
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "device_count: kind is 9: expected 0 (cpu) or 1 (cuda)",
               sgl_device_count(&count, unknown));
  EXPECT_STREQ(sgl_device_unavailable_reason(unknown), "device_unavailable_reason: kind is 9: expected 0 (cpu) or 1 (cuda)");
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "device_get_info: cpu device 1 of 1: expected 0 to 0",
               sgl_device_get_info(&info, SGL_DEVICE_CPU, 1));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "device_get_info: cpu device -1 of 1: expected 0 to 0",
               sgl_device_get_info(&info, SGL_DEVICE_CPU, -1));
}

TEST(Context, Has_the_threads_it_was_given) {
  sgl_device_info info;
  ASSERT_OK(sgl_device_get_info(&info, SGL_DEVICE_CPU, 0));
  for (const int32_t wanted : {0, 1, 3}) {
    const Context context(wanted);
    int32_t num_threads = 0;
    ASSERT_OK(sgl_context_num_threads(context, &num_threads));
    EXPECT_EQ(num_threads, wanted == 0 ? info.num_processors : wanted);
    EXPECT_OK(sgl_context_synchronize(context));
  }
}

TEST(Context, Refuses_a_number_of_threads_that_makes_no_sense) {
  sgl_context* context = nullptr;
  sgl_context_options options{SGL_DEVICE_CPU, 0, -3, 0};
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "context_create: num_threads is -3: expected 0 (one per physical core) to 1024",
               sgl_context_create(&context, &options));
  options.num_threads = 1025;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "context_create: num_threads is 1025: expected 0 (one per physical core) to 1024",
               sgl_context_create(&context, &options));
}

TEST_F(CpuTest, Memory_is_aligned_and_all_of_it_usable) {
  for (const uint64_t num_bytes : {0ull, 1ull, 255ull, 4097ull, 5ull << 20}) {
    void* data = nullptr;
    ASSERT_OK(sgl_memory_allocate(context, &data, num_bytes));
    ASSERT_NE(data, nullptr);
    EXPECT_EQ(reinterpret_cast<uintptr_t>(data) % 256, 0u);
    ASSERT_OK(sgl_memory_set(context, data, 0xab, num_bytes));
    for (uint64_t i = 0; i < num_bytes; ++i) ASSERT_EQ(static_cast<unsigned char*>(data)[i], 0xab);
    sgl_memory_free(context, data);
    ASSERT_OK(sgl_host_allocate(context, &data, num_bytes));
    sgl_host_free(context, data);
  }
}

TEST_F(CpuTest, Memory_that_cannot_be_had_is_out_of_memory) {
  for (const uint64_t num_bytes : {uint64_t{1} << 50, UINT64_MAX, UINT64_MAX - 255}) {
    void* data = &data;
    EXPECT_EQ(sgl_memory_allocate(context, &data, num_bytes), SGL_OUT_OF_MEMORY);
    EXPECT_EQ(data, nullptr);
    EXPECT_EQ(std::string(sgl_last_error()).rfind("asked for " + std::to_string(num_bytes) + " bytes of host memory; ", 0), 0u)
        << sgl_last_error();
  }
}

TEST_F(CpuTest, Copies_and_sets_bytes) {
  std::vector<unsigned char> source(1000), destination(1000, 0);
  for (size_t i = 0; i < source.size(); ++i) source[i] = static_cast<unsigned char>(random.integer(0, 255));
  ASSERT_OK(sgl_memory_copy(context, destination.data(), source.data(), 999));
  EXPECT_EQ(std::memcmp(destination.data(), source.data(), 999), 0);
  EXPECT_EQ(destination[999], 0);
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "memory_set: byte_value is 256: expected 0 to 255",
               sgl_memory_set(context, destination.data(), 256, 1));
}

TEST_F(CpuTest, Events_measure_time) {
  sgl_event *start = nullptr, *stop = nullptr;
  ASSERT_OK(sgl_event_create(context, &start));
  ASSERT_OK(sgl_event_create(context, &stop));
  double microseconds = -1;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "event_elapsed: start was never recorded", sgl_event_elapsed(&microseconds, start, stop));
  EXPECT_OK(sgl_event_synchronize(start));
  ASSERT_OK(sgl_event_record(context, start));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "event_elapsed: stop was never recorded", sgl_event_elapsed(&microseconds, start, stop));
  ASSERT_OK(sgl_event_record(context, stop));
  int32_t is_complete = 0;
  ASSERT_OK(sgl_event_query(stop, &is_complete));
  EXPECT_EQ(is_complete, 1);
  ASSERT_OK(sgl_event_elapsed(&microseconds, start, stop));
  EXPECT_GE(microseconds, 0);
  sgl_event_destroy(start);
  sgl_event_destroy(stop);
}

TEST_F(CpuTest, Graphs_are_unsupported) {
  sgl_graph* graph = nullptr;
  EXPECT_FAILS(SGL_UNSUPPORTED, "graph_capture_begin: the CPU backend has no graphs (sgl_device_info.supports_graphs is 0)",
               sgl_graph_capture_begin(context));
  EXPECT_FAILS(SGL_UNSUPPORTED, "graph_capture_end: the CPU backend has no graphs (sgl_device_info.supports_graphs is 0)",
               sgl_graph_capture_end(context, &graph));
  EXPECT_EQ(graph, nullptr);
}

}  // namespace
}  // namespace sgl::test
