#pragma once

#include <string>
#include <vector>

namespace sgl::cpu {

/// Distinct physical cores among `cpus` (hyperthreads of one core count once), no more than the CPU quota of this process's
/// control group, at least 1. `root` replaces "/" before sys and proc, for tests.
int usable_cores(const std::vector<int>& cpus, const std::string& root = "");

/// CPUs that the quota of this process's control group (v2 or v1, and its ancestors) is worth; infinity without a quota.
double cpu_quota(const std::string& root = "");

}  // namespace sgl::cpu
