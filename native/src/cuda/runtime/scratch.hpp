#pragma once

#include <cstddef>
#include <vector>

namespace sgl::cuda {

class CudaContext;

/// Working device memory of a context's operators, one at a time: work in one stream is ordered, so the next operator may reuse
/// it. Grows to the largest request and never shrinks. A block that a captured graph may name stays allocated until the
/// context goes.
class Scratch {
 public:
  Scratch() = default;
  ~Scratch();
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  /// At least `num_bytes`, 256-byte aligned, contents undefined; valid until the next call.
  std::byte* reserve(const CudaContext& context, size_t num_bytes);

 private:
  std::byte* block_ = nullptr;
  size_t capacity_ = 0;
  bool was_captured_ = false;
  std::vector<std::byte*> retired_;
};

/// Cuts one reservation into 256-byte aligned arrays: first `take` everything with a null base to learn the size.
class Slicer {
 public:
  explicit Slicer(std::byte* base) : base_(base) {}

  template <class T>
  T* take(size_t count) {
    T* slice = reinterpret_cast<T*>(base_ + num_bytes_);
    num_bytes_ += (count * sizeof(T) + 255) / 256 * 256;
    return slice;
  }

  size_t num_bytes() const { return num_bytes_; }

 private:
  std::byte* base_;
  size_t num_bytes_ = 0;
};

}  // namespace sgl::cuda
