#pragma once

#include <gtest/gtest.h>

#include <vector>

#include "support/host_tensor.hpp"

namespace sgl::test {

/// An element is close when |actual - expected| <= absolute + relative * |expected|.
struct Tolerance {
  double absolute;
  double relative;
  /// Of the whole tensors.
  double cosine = 0.9999;
};

/// What one rounding of a result to `dtype` costs, with f32 arithmetic before it.
Tolerance rounding_of(sgl_dtype dtype);

/// Non-finite elements equal, gaps untouched, every element close, and the cosine of both high. A failure gives the largest
/// errors and the coordinates of the worst element. `expected` is dense and row-major.
::testing::AssertionResult is_close(const HostTensor& actual, const std::vector<double>& expected, Tolerance tolerance);

}  // namespace sgl::test
