#pragma once

#include <sys/mman.h>

#include <cstddef>
#include <cstdint>
#include <new>

namespace sgl::cpu {

/// Zeroed, 64-byte aligned memory on huge pages where the kernel has them: a stream over packed weights or packed activations
/// would otherwise miss the TLB at every 4 KiB.
class PageBuffer {
 public:
  PageBuffer() = default;
  /// Throws std::bad_alloc.
  explicit PageBuffer(size_t num_bytes) {
    if (num_bytes == 0) return;
    // A mapping is aligned to 4 KiB only; the spare huge page makes room for an aligned start.
    const size_t spare = num_bytes >= kHugePageBytes ? kHugePageBytes : 0;
    void* mapping = mmap(nullptr, num_bytes + spare, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (mapping == MAP_FAILED) throw std::bad_alloc();
    mapping_ = mapping;
    mapping_bytes_ = num_bytes + spare;
    data_ = static_cast<std::byte*>(mapping);
    if (spare != 0) {
      const auto address = reinterpret_cast<uintptr_t>(mapping);
      data_ += (kHugePageBytes - address % kHugePageBytes) % kHugePageBytes;
      madvise(data_, num_bytes, MADV_HUGEPAGE);  // a refusal costs speed only
    }
  }
  ~PageBuffer() {
    if (mapping_ != nullptr) munmap(mapping_, mapping_bytes_);
  }
  PageBuffer(const PageBuffer&) = delete;
  PageBuffer& operator=(const PageBuffer&) = delete;
  PageBuffer& operator=(PageBuffer&& other) noexcept {
    swap(mapping_, other.mapping_);
    swap(mapping_bytes_, other.mapping_bytes_);
    swap(data_, other.data_);
    return *this;
  }

  std::byte* data() const { return data_; }

 private:
  static constexpr size_t kHugePageBytes = size_t{2} << 20;

  template <class T>
  static void swap(T& a, T& b) {
    T t = a;
    a = b;
    b = t;
  }

  void* mapping_ = nullptr;
  size_t mapping_bytes_ = 0;
  std::byte* data_ = nullptr;
};

/// Working memory of a context's operators, one at a time. Grows to the largest request and never shrinks, so a steady engine
/// allocates nothing.
class Scratch {
 public:
  /// At least `num_bytes`, 64-byte aligned, contents undefined; valid until the next call.
  std::byte* reserve(size_t num_bytes) {
    if (num_bytes > capacity_) {
      buffer_ = PageBuffer();
      capacity_ = 0;
      const size_t grown = num_bytes + num_bytes / 2;
      buffer_ = PageBuffer(grown);
      capacity_ = grown;
    }
    return buffer_.data();
  }

 private:
  PageBuffer buffer_;
  size_t capacity_ = 0;
};

/// Places arrays, each on cache lines of its own, one after another in an allocation of `num_bytes` once all are placed.
class ScratchLayout {
 public:
  /// Offset in bytes of an array of `count` elements.
  template <class T>
  size_t place(int64_t count) {
    const size_t offset = num_bytes_;
    num_bytes_ += (static_cast<size_t>(count) * sizeof(T) + 63) / 64 * 64;
    return offset;
  }

  size_t num_bytes() const { return num_bytes_; }

 private:
  size_t num_bytes_ = 0;
};

}  // namespace sgl::cpu
