#include "support/random.hpp"

#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <functional>
#include <string>

namespace sgl::test {
namespace {

uint64_t seed_of_test() {
  const ::testing::TestInfo* test = ::testing::UnitTest::GetInstance()->current_test_info();
  const std::string name = test ? std::string(test->test_suite_name()) + "." + test->name() : "";
  return base_seed() * 0x9e3779b97f4a7c15u ^ std::hash<std::string>()(name);
}

class SeedPrinter : public ::testing::EmptyTestEventListener {
  void OnTestPartResult(const ::testing::TestPartResult& result) override {
    if (result.failed()) {
      std::printf("rerun with SGL_TEST_SEED=%llu\n", static_cast<unsigned long long>(base_seed()));
    }
  }
};

}  // namespace

uint64_t base_seed() {
  static const uint64_t seed = [] {
    const char* text = std::getenv("SGL_TEST_SEED");
    return text ? std::strtoull(text, nullptr, 10) : 1;
  }();
  return seed;
}

Random::Random() : engine_(seed_of_test()) {}

double Random::uniform(double low, double high) { return std::uniform_real_distribution<double>(low, high)(engine_); }
double Random::normal() { return std::normal_distribution<double>()(engine_); }
int64_t Random::integer(int64_t low, int64_t high) { return std::uniform_int_distribution<int64_t>(low, high)(engine_); }

void print_seed_on_failure() { ::testing::UnitTest::GetInstance()->listeners().Append(new SeedPrinter); }

}  // namespace sgl::test
