#include "profile/nvtx.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <regex>
#include <vector>

namespace sgl::profile {
namespace {

const std::string kTool = std::string(SGL_TEST_LIBRARIES) + "/libfake_nvtx_tool.so";

std::vector<std::string> lines_of(const std::string& path) {
  std::vector<std::string> lines;
  std::ifstream file(path);
  for (std::string line; std::getline(file, line);)
    lines.push_back(std::regex_replace(line, std::regex("^(\\d+) \\d+ "), "$1 "));
  return lines;
}

TEST(Nvtx, Ranges_reach_the_tool_with_text_colour_and_nesting) {
  const std::string log = std::filesystem::temp_directory_path() / ("nvtx_test." + std::to_string(getpid()));
  setenv("FAKE_NVTX_LOG", log.c_str(), 1);
  const Nvtx nvtx(kTool);
  ASSERT_TRUE(nvtx.is_active());
  nvtx.push("{'Module': 'a.b', 'Inputs': [[8, 4096]]}", 0);
  nvtx.push("scheduler.run_batch", 0xff00ff00u);
  nvtx.pop();
  nvtx.pop();
  EXPECT_EQ(lines_of(log), (std::vector<std::string>{"0 push 00000000 v3 s48 m1 {'Module': 'a.b', 'Inputs': [[8, 4096]]}",
                                                     "1 push ff00ff00 v3 s48 m1 scheduler.run_batch", "1 pop", "0 pop"}));
  std::filesystem::remove(log);
}

TEST(Nvtx, Without_a_tool_ranges_do_nothing) {
  for (const char* path : {"", "/nowhere/libtool.so"}) {
    const Nvtx nvtx(path);
    EXPECT_FALSE(nvtx.is_active());
    nvtx.push("x", 1);
    nvtx.pop();
  }
}

TEST(Nvtx, A_library_that_is_no_tool_is_left_alone) {
  const Nvtx nvtx(std::string(SGL_TEST_LIBRARIES) + "/libfake_cupti.so");
  EXPECT_FALSE(nvtx.is_active());
}

}  // namespace
}  // namespace sgl::profile
