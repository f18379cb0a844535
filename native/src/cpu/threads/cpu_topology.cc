#include "cpu/threads/cpu_topology.hpp"

#include <sched.h>

#include <algorithm>
#include <fstream>
#include <limits>
#include <set>
#include <sstream>

#include "cpu/threads/thread_pool.hpp"

namespace sgl::cpu {
namespace {

constexpr double kUnlimited = std::numeric_limits<double>::infinity();

/// First line of a file; empty if it cannot be read.
std::string first_line(const std::string& path) {
  std::ifstream file(path);
  std::string line;
  std::getline(file, line);
  return line;
}

/// "max 100000" or "150000 100000": quota and period in microseconds.
double quota_v2(const std::string& group) {
  std::istringstream words(first_line(group + "/cpu.max"));
  double quota = 0, period = 0;
  return words >> quota >> period && quota > 0 && period > 0 ? quota / period : kUnlimited;
}

/// The quota is -1 where there is none.
double quota_v1(const std::string& group) {
  std::istringstream quota_word(first_line(group + "/cpu.cfs_quota_us"));
  std::istringstream period_word(first_line(group + "/cpu.cfs_period_us"));
  double quota = 0, period = 0;
  return quota_word >> quota && period_word >> period && quota > 0 && period > 0 ? quota / period : kUnlimited;
}

/// Smallest quota of a group and its ancestors under `mount`. A container often sees its own group at the mount's root while
/// /proc names a path outside, so paths that do not exist count as unlimited.
double smallest_quota(const std::string& mount, std::string group, double (*quota_of)(const std::string&)) {
  double smallest = quota_of(mount);
  while (group.size() > 1) {
    smallest = std::min(smallest, quota_of(mount + group));
    group.resize(group.rfind('/'));
  }
  return smallest;
}

std::vector<int> affinity_mask() {
  std::vector<int> cpus;
  // The kernel may have more CPUs than a fixed cpu_set_t holds; it says so with an error, so grow until it fits.
  for (int capacity = CPU_SETSIZE; capacity <= 1 << 20; capacity *= 2) {
    cpu_set_t* mask = CPU_ALLOC(capacity);
    const size_t num_bytes = CPU_ALLOC_SIZE(capacity);
    const bool fits = mask != nullptr && sched_getaffinity(0, num_bytes, mask) == 0;
    for (int cpu = 0; fits && cpu < capacity; ++cpu) {
      if (CPU_ISSET_S(cpu, num_bytes, mask)) cpus.push_back(cpu);
    }
    CPU_FREE(mask);
    if (fits) break;
  }
  return cpus;
}

}  // namespace

double cpu_quota(const std::string& root) {
  const std::string mount = root + "/sys/fs/cgroup";
  double smallest = std::min(quota_v2(mount), quota_v1(mount + "/cpu"));
  // Lines are "hierarchy:controllers:/path"; v2 has no controllers.
  std::ifstream groups(root + "/proc/self/cgroup");
  for (std::string line; std::getline(groups, line);) {
    const size_t first = line.find(':');
    const size_t second = line.find(':', first + 1);
    if (first == std::string::npos || second == std::string::npos) continue;
    const std::string controllers = "," + line.substr(first + 1, second - first - 1) + ",";
    const std::string group = line.substr(second + 1);
    if (group.empty() || group[0] != '/') continue;
    if (controllers == ",,") smallest = std::min(smallest, smallest_quota(mount, group, quota_v2));
    if (controllers.find(",cpu,") != std::string::npos) {
      smallest = std::min(smallest, smallest_quota(mount + "/cpu", group, quota_v1));
    }
  }
  return smallest;
}

int usable_cores(const std::vector<int>& cpus, const std::string& root) {
  std::set<std::string> cores;
  for (const int cpu : cpus) {
    const std::string directory = root + "/sys/devices/system/cpu/cpu" + std::to_string(cpu) + "/topology/";
    std::string siblings = first_line(directory + "core_cpus_list");
    if (siblings.empty()) siblings = first_line(directory + "thread_siblings_list");
    cores.insert(siblings.empty() ? "cpu" + std::to_string(cpu) : siblings);
  }
  const double quota = cpu_quota(root);
  const int count = static_cast<int>(cores.size());
  return std::max(1, quota < count ? static_cast<int>(quota) : count);
}

int num_physical_cores() {
  static const int count = usable_cores(affinity_mask());
  return count;
}

}  // namespace sgl::cpu
