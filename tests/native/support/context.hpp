#pragma once

#include <gtest/gtest.h>

#include "sgl/sgl.h"
#include "support/device.hpp"
#include "support/host_tensor.hpp"

namespace sgl::test {

/// A context of the tests' device for the length of a scope.
class Context {
 public:
  explicit Context(int num_threads = 2);
  ~Context();
  Context(const Context&) = delete;
  Context& operator=(const Context&) = delete;

  operator sgl_context*() const { return context_; }

 private:
  sgl_context* context_ = nullptr;
};

/// `status`, or the failure of waiting on a GPU for what was queued on all contexts.
sgl_status completed(sgl_status status);

/// A packed weight for the length of a scope, loaded from [out_features, in_features] or [num_groups, ...] of any float type.
class Weight {
 public:
  Weight(sgl_context* context, sgl_dtype storage, const HostTensor& rows);
  ~Weight() { sgl_weight_destroy(weight_); }
  Weight(const Weight&) = delete;
  Weight& operator=(const Weight&) = delete;

  operator sgl_weight*() const { return weight_; }

 private:
  sgl_weight* weight_ = nullptr;
};

/// A test with a context of two threads and its own random numbers.
class CpuTest : public ::testing::Test {
 protected:
  Context context;
  Random random;
};

}  // namespace sgl::test

#define EXPECT_OK(call) EXPECT_EQ(SGL_OK, ::sgl::test::completed(call)) << sgl_last_error()
#define ASSERT_OK(call) ASSERT_EQ(SGL_OK, ::sgl::test::completed(call)) << sgl_last_error()

/// The call fails with `status` and exactly `message`.
#define EXPECT_FAILS(status, message, call)  \
  do {                                       \
    EXPECT_EQ(status, (call));               \
    EXPECT_STREQ(message, sgl_last_error()); \
  } while (false)
