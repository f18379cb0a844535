#pragma once

#include <cstdint>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

namespace sgl::profile {

/// Texts by small numbers, which stay valid as long as the table. Thread safe.
class NameTable {
 public:
  int32_t intern(std::string_view text) {
    const std::lock_guard lock(gate_);
    const auto known = ids_.find(text);
    if (known != ids_.end()) return known->second;
    // A deque keeps its elements where they are, so the keys may point into it.
    const std::string& kept = texts_.emplace_back(text);
    const int32_t id = static_cast<int32_t>(texts_.size()) - 1;
    ids_.emplace(kept, id);
    return id;
  }

  /// Null for a number that was never given.
  const char* text(int32_t id) const {
    const std::lock_guard lock(gate_);
    return id >= 0 && static_cast<size_t>(id) < texts_.size() ? texts_[id].c_str() : nullptr;
  }

 private:
  mutable std::mutex gate_;
  std::deque<std::string> texts_;
  std::unordered_map<std::string_view, int32_t> ids_;
};

}  // namespace sgl::profile
