#include "profile/cupti_library.hpp"

#include <dlfcn.h>

#include <cstdlib>
#include <vector>

namespace sgl::profile {
namespace {

std::string variable(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

std::vector<std::string> candidates() {
  if (const std::string named = variable("SGL_CUPTI_LIBRARY"); !named.empty()) return {named};
  std::vector<std::string> paths;
  // Of the same major version as the CUDA part is built for, newest first.
  const std::string files[] = {"libcupti.so.13", "libcupti.so.12"};
  for (const std::string& file : files) paths.push_back(file);
  std::vector<std::string> roots;
  for (const char* name : {"CUDA_HOME", "CUDA_PATH"}) {
    if (const std::string root = variable(name); !root.empty()) roots.push_back(root);
  }
  roots.push_back("/usr/local/cuda");
  for (const std::string& root : roots) {
    for (const char* folder : {"/extras/CUPTI/lib64/", "/lib64/", "/targets/x86_64-linux/lib/"}) {
      for (const std::string& file : files) paths.push_back(root + folder + file);
      paths.push_back(root + folder + "libcupti.so");
    }
  }
  return paths;
}

template <class Function>
bool resolve(void* library, const char* name, Function*& function) {
  function = reinterpret_cast<Function*>(dlsym(library, name));
  return function != nullptr;
}

}  // namespace

CuptiLibrary open_cupti(const std::string& path) {
  CuptiLibrary cupti;
  void* library = nullptr;
  std::string tried;
  for (const std::string& candidate : path.empty() ? candidates() : std::vector{path}) {
    library = dlopen(candidate.c_str(), RTLD_NOW | RTLD_LOCAL);
    if (library != nullptr) break;
    if (tried.empty()) tried = dlerror();
  }
  if (library == nullptr) {
    cupti.reason =
        "libcupti cannot be opened (" + tried + "); install the CUDA toolkit's CUPTI or name it in SGL_CUPTI_LIBRARY";
    return cupti;
  }
  cupti::Functions& f = cupti.functions;
  const bool is_whole =
      resolve(library, "cuptiGetVersion", f.get_version) && resolve(library, "cuptiGetResultString", f.get_result_string) &&
      resolve(library, "cuptiGetTimestamp", f.get_timestamp) &&
      resolve(library, "cuptiActivityRegisterCallbacks", f.register_callbacks) &&
      resolve(library, "cuptiActivityEnable", f.enable) && resolve(library, "cuptiActivityDisable", f.disable) &&
      resolve(library, "cuptiActivityFlushAll", f.flush_all) &&
      resolve(library, "cuptiActivityGetNextRecord", f.get_next_record) &&
      resolve(library, "cuptiActivityGetNumDroppedRecords", f.get_num_dropped) &&
      resolve(library, "cuptiGetCallbackName", f.get_callback_name);
  if (!is_whole) {
    cupti.reason = std::string("libcupti lacks a function: ") + dlerror();
    return cupti;
  }
  // Not in every version.
  resolve(library, "cuptiActivityRegisterTimestampCallback", f.register_timestamp);
  resolve(library, "cuptiSetThreadIdType", f.set_thread_id_type);
  cupti.is_open = true;
  return cupti;
}

std::string external_profiler() {
  if (!variable("NSYS_PROFILING_SESSION_ID").empty() || !variable("QUADD_INJECTION_PROXY").empty()) return "Nsight Systems";
  if (variable("LD_PRELOAD").find("ToolsInjection") != std::string::npos) return "Nsight Systems";
  if (!variable("NV_NSIGHT_INJECTION_TRANSPORT_TYPE").empty() || !variable("NV_COMPUTE_PROFILER_PERFWORKS_DIR").empty()) {
    return "Nsight Compute";
  }
  if (const std::string injection = variable("CUDA_INJECTION64_PATH"); !injection.empty()) return injection;
  return "";
}

}  // namespace sgl::profile
