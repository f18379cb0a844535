#pragma once

namespace sgl::cuda {

/// A context's tie to other ranks whose kernels its own wait for on the device. What goes wrong there shows only after the work
/// was queued, so whoever waits for the device asks afterwards; and a graph with such kernels is launched together.
class PeerLink {
 public:
  virtual ~PeerLink() = default;

  /// Throws COMM when the group was aborted or a kernel gave up waiting.
  virtual void check_alive(const char* op) = 0;
  virtual void before_launch(const char* op) = 0;
  virtual void after_launch(const char* op) = 0;
};

}  // namespace sgl::cuda
