#include <cstring>
#include <vector>

#include "sgl/device.h"
#include "support/context.hpp"

namespace sgl::test {
namespace {

using Runtime = CpuTest;

TEST_F(Runtime, Describes_its_device) {
  sgl_device_info info;
  ASSERT_OK(sgl_device_get_info(&info, SGL_DEVICE_CUDA, 0));
  EXPECT_EQ(SGL_DEVICE_CUDA, info.kind);
  EXPECT_GE(info.compute_major, 8);
  EXPECT_GE(info.num_processors, 1);
  EXPECT_EQ(1, info.supports_graphs);
  EXPECT_GT(info.free_memory_bytes, 0u);
  EXPECT_LE(info.free_memory_bytes, info.total_memory_bytes);
  EXPECT_EQ("sm_" + std::to_string(info.compute_major) + std::to_string(info.compute_minor), info.isa);
  EXPECT_NE(0u, std::strlen(info.name));
  int32_t num_threads = 0;
  ASSERT_OK(sgl_context_num_threads(context, &num_threads));
  EXPECT_EQ(1, num_threads);
}

TEST_F(Runtime, Memory_goes_there_and_back) {
  for (const size_t num_bytes : {1, 257, 100000}) {
    std::vector<unsigned char> sent(num_bytes), received(num_bytes, 0xee);
    for (unsigned char& byte : sent) byte = static_cast<unsigned char>(random.integer(0, 255));
    void *a = nullptr, *b = nullptr;
    ASSERT_OK(sgl_memory_allocate(context, &a, num_bytes));
    ASSERT_OK(sgl_memory_allocate(context, &b, num_bytes));
    EXPECT_EQ(0u, reinterpret_cast<uintptr_t>(a) % 256);
    ASSERT_OK(sgl_memory_copy(context, a, sent.data(), num_bytes));
    ASSERT_OK(sgl_memory_set(context, b, 0x11, num_bytes));
    ASSERT_OK(sgl_memory_copy(context, b, a, num_bytes));
    ASSERT_OK(sgl_memory_copy(context, received.data(), b, num_bytes));
    EXPECT_EQ(sent, received);
    sgl_memory_free(context, a);
    sgl_memory_free(context, b);
  }
}

TEST_F(Runtime, More_memory_than_there_is_says_how_much_was_asked_for) {
  void* data = nullptr;
  EXPECT_EQ(SGL_OUT_OF_MEMORY, sgl_memory_allocate(context, &data, uint64_t{1} << 50));
  EXPECT_NE(nullptr, std::strstr(sgl_last_error(), "memory_allocate: 1125899906842624 bytes were asked for"))
      << sgl_last_error();
  EXPECT_EQ(nullptr, data);
  EXPECT_OK(sgl_memory_allocate(context, &data, 1024)) << "a failed allocation must not spoil the next";
  sgl_memory_free(context, data);
}

TEST_F(Runtime, Events_order_and_time_the_stream) {
  sgl_event *start = nullptr, *stop = nullptr;
  ASSERT_OK(sgl_event_create(context, &start));
  ASSERT_OK(sgl_event_create(context, &stop));
  ASSERT_OK(sgl_event_synchronize(stop)) << "an event never recorded has nothing to wait for";
  double microseconds = -1;
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "event_elapsed: start was never recorded", sgl_event_elapsed(&microseconds, start, stop));
  void* data = nullptr;
  ASSERT_OK(sgl_memory_allocate(context, &data, 64 << 20));
  ASSERT_OK(sgl_event_record(context, start));
  for (int i = 0; i < 4; ++i) ASSERT_OK(sgl_memory_set(context, data, i, 64 << 20));
  ASSERT_OK(sgl_event_record(context, stop));
  ASSERT_OK(sgl_event_synchronize(stop));
  int32_t is_complete = 0;
  ASSERT_OK(sgl_event_query(stop, &is_complete));
  EXPECT_EQ(1, is_complete);
  ASSERT_OK(sgl_event_elapsed(&microseconds, start, stop));
  EXPECT_GT(microseconds, 0);
  sgl_event_destroy(start);
  sgl_event_destroy(stop);
  sgl_memory_free(context, data);
}

}  // namespace
}  // namespace sgl::test
