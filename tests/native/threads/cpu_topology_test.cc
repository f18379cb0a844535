#include "cpu/threads/cpu_topology.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "cpu/threads/thread_pool.hpp"

namespace sgl::cpu {
namespace {

/// A made-up root with sys and proc files.
class CpuTopology : public ::testing::Test {
 protected:
  void SetUp() override {
    std::string pattern = ::testing::TempDir() + "topologyXXXXXX";
    ASSERT_NE(mkdtemp(pattern.data()), nullptr);
    root_ = pattern;
  }
  void TearDown() override { std::filesystem::remove_all(root_); }

  void write(const std::string& path, const std::string& text) {
    const std::filesystem::path file = root_ + path;
    std::filesystem::create_directories(file.parent_path());
    std::ofstream(file) << text << "\n";
  }

  void core(int cpu, const std::string& siblings) {
    write("/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/core_cpus_list", siblings);
  }

  std::string root_;
};

TEST_F(CpuTopology, Hyperthreads_of_a_core_count_once) {
  core(0, "0,4");
  core(4, "0,4");
  core(1, "1,5");
  core(5, "1,5");
  EXPECT_EQ(usable_cores({0, 1, 4, 5}, root_), 2);
  EXPECT_EQ(usable_cores({0, 4}, root_), 1);
  EXPECT_EQ(usable_cores({4, 5}, root_), 2);
}

TEST_F(CpuTopology, Without_topology_every_cpu_is_a_core) {
  EXPECT_EQ(usable_cores({0, 1, 2}, root_), 3);
  EXPECT_EQ(usable_cores({}, root_), 1);
}

TEST_F(CpuTopology, A_quota_limits_the_cores) {
  write("/sys/fs/cgroup/cpu.max", "250000 100000");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 2.5);
  EXPECT_EQ(usable_cores({0, 1, 2, 3}, root_), 2);
  EXPECT_EQ(usable_cores({0}, root_), 1);
  write("/sys/fs/cgroup/cpu.max", "50000 100000");
  EXPECT_EQ(usable_cores({0, 1, 2, 3}, root_), 1);
  write("/sys/fs/cgroup/cpu.max", "max 100000");
  EXPECT_TRUE(std::isinf(cpu_quota(root_)));
}

TEST_F(CpuTopology, The_smallest_quota_of_a_group_and_its_ancestors_counts) {
  write("/proc/self/cgroup", "0::/a/b/c");
  write("/sys/fs/cgroup/a/cpu.max", "300000 100000");
  write("/sys/fs/cgroup/a/b/cpu.max", "700000 100000");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 3);
}

TEST_F(CpuTopology, Version_1_groups_have_quotas_too) {
  write("/proc/self/cgroup", "4:memory:/m\n3:cpu,cpuacct:/service");
  write("/sys/fs/cgroup/cpu/service/cpu.cfs_quota_us", "400000");
  write("/sys/fs/cgroup/cpu/service/cpu.cfs_period_us", "100000");
  EXPECT_DOUBLE_EQ(cpu_quota(root_), 4);
  write("/sys/fs/cgroup/cpu/service/cpu.cfs_quota_us", "-1");
  EXPECT_TRUE(std::isinf(cpu_quota(root_)));
}

TEST(PhysicalCores, There_is_at_least_one) { EXPECT_GE(num_physical_cores(), 1); }

}  // namespace
}  // namespace sgl::cpu
