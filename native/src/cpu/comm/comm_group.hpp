#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "abi/backend.hpp"
#include "cpu/threads/signal.hpp"

namespace sgl::cpu {

/// What a rank tells the others when it comes to a collective call: what they need of it, and what must be alike.
struct Posting {
  const char* op = "";
  sgl_dtype x_dtype{}, y_dtype{};
  int64_t num_elements = 0;  // of x, or 0 where ranks may differ
  int root = 0;

  void* x = nullptr;
  void* y = nullptr;
  int64_t x_stride = 0;                  // elements between rows of x
  const int64_t* send_counts = nullptr;  // all_to_all: [num_ranks]
};

/// The meeting point of ranks that are threads. A collective call is numbered; its number is the rank's `arrived` count. Two
/// postings and two staging areas a rank, used in turn, let a call end without a second meeting where no tensor is read
/// in place: whoever is two calls ahead has met everybody in between.
class CommGroup final : public sgl_comm_group {
 public:
  /// Messages up to this many bytes go through staging: one meeting instead of two, one copy more.
  static constexpr int64_t kStagedBytes = 32 << 10;

  explicit CommGroup(const sgl_comm_group_options& options);

  /// On the rank's thread, before its first call: what it stages then lies in the memory of its NUMA node. Others look there only
  /// after they have met it.
  void join(int rank);

  void abort(const char* reason) override;
  void reset() override;

  /// Posts, and meets the other ranks: returns when all have posted call number `call`. Throws COMM when the group is aborted,
  /// when somebody does not come in time, or when postings disagree.
  void meet(int rank, uint32_t call, const Posting& posting);
  /// Meets without a posting, after tensors were read in place: those of this call may change on return.
  void meet(int rank, uint32_t call, const char* op);

  const Posting& posting(int rank, uint32_t call) const { return ranks_[rank]->postings[call & 1]; }
  std::byte* staging(int rank, uint32_t call) const { return ranks_[rank]->staging.data() + (call & 1) * kStagedBytes; }
  uint32_t calls_of(int rank) const { return ranks_[rank]->arrived.load(); }

  void send(int from, int to, const sgl_tensor& x, size_t num_bytes);
  void receive(int from, int to, const sgl_tensor& y, size_t num_bytes);

 private:
  struct Rank {
    Signal arrived;
    Posting postings[2];
    std::vector<std::byte> staging;
  };

  /// Tensors on their way from one rank to another: a sender may be this many ahead.
  static constexpr uint32_t kMailboxSlots = 4;

  struct Mailbox {
    struct Slot {
      std::vector<std::byte> bytes;  // grows to the largest tensor
      size_t num_bytes = 0;
      sgl_dtype dtype{};
    };

    Signal sent;
    Signal received;
    Slot slots[kMailboxSlots];  // number `sent` goes to slot sent % kMailboxSlots
  };

  template <class Done>
  void wait(Signal& signal, const char* op, int peer, const Done& done);
  void check_alive(const char* op);
  [[noreturn]] void fail_together(const char* message);
  void check_agreement(int rank, uint32_t call);
  Mailbox& mailbox(int from, int to) const { return *mailboxes_[from * options.num_ranks + to]; }

  std::vector<std::unique_ptr<Rank>> ranks_;
  std::vector<std::unique_ptr<Mailbox>> mailboxes_;  // [num_ranks (from), num_ranks (to)]
  const int spins_;
  std::atomic<bool> is_aborted_{false};
  std::mutex reason_gate_;
  std::string reason_;
};

}  // namespace sgl::cpu
