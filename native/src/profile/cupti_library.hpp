#pragma once

#include <string>

#include "profile/cupti_abi.hpp"

namespace sgl::profile {

/// A libcupti that has been opened, or why there is none, for the user.
struct CuptiLibrary {
  cupti::Functions functions{};
  bool is_open = false;
  std::string reason;
};

/// Opens `path`, or where it is empty the first that is found in SGL_CUPTI_LIBRARY, the loader's path, CUDA_HOME and
/// /usr/local/cuda. It stays loaded.
CuptiLibrary open_cupti(const std::string& path);

/// The name of the external profiler that has put itself into this process, by what it sets in the environment; empty for none.
std::string external_profiler();

}  // namespace sgl::profile
