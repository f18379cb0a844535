#pragma once

#include <cstdint>
#include <random>

namespace sgl::test {

/// SGL_TEST_SEED, or 1; a failing test prints it.
uint64_t base_seed();

/// Numbers of one test: a function of the base seed and the test's name, so that tests can be run alone.
class Random {
 public:
  Random();

  double uniform(double low, double high);
  double normal();
  /// low <= result <= high
  int64_t integer(int64_t low, int64_t high);
  bool chance(double probability) { return uniform(0, 1) < probability; }

 private:
  std::mt19937_64 engine_;
};

/// Makes gtest print the base seed beside every failure.
void print_seed_on_failure();

}  // namespace sgl::test
