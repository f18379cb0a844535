#include "cpu/comm/comm_group.hpp"

#include <chrono>
#include <cinttypes>
#include <cstdio>
#include <cstring>

#include "abi/error.hpp"
#include "cpu/threads/thread_pool.hpp"

namespace sgl::cpu {
namespace {

using Clock = std::chrono::steady_clock;

// More ranks than cores must not spin: the one waited for may need the core.
constexpr int kCrowdedSpins = 50;

}  // namespace

CommGroup::CommGroup(const sgl_comm_group_options& options)
    : sgl_comm_group(options), spins_(options.num_ranks <= num_physical_cores() ? kSpins : kCrowdedSpins) {
  for (int rank = 0; rank < options.num_ranks; ++rank) ranks_.push_back(std::make_unique<Rank>());
  for (int pair = 0; pair < options.num_ranks * options.num_ranks; ++pair) mailboxes_.push_back(std::make_unique<Mailbox>());
}

void CommGroup::join(int rank) { ranks_[rank]->staging.resize(2 * kStagedBytes); }

void CommGroup::abort(const char* reason) {
  const std::lock_guard lock(reason_gate_);
  if (is_aborted_.load(std::memory_order_relaxed)) return;
  reason_ = reason;
  is_aborted_.store(true, std::memory_order_release);
}

void CommGroup::reset() {
  uint32_t last = 0;
  for (const auto& rank : ranks_) last = static_cast<int32_t>(rank->arrived.load() - last) > 0 ? rank->arrived.load() : last;
  for (const auto& rank : ranks_) rank->arrived.store(last);
  for (const auto& box : mailboxes_) box->received.store(box->sent.load());
  const std::lock_guard lock(reason_gate_);
  reason_.clear();
  is_aborted_.store(false, std::memory_order_release);
}

void CommGroup::check_alive(const char* op) {
  if (!is_aborted_.load(std::memory_order_acquire)) return;
  const std::lock_guard lock(reason_gate_);
  fail(SGL_COMM, "%s: the group of ranks was aborted: %s", op, reason_.c_str());
}

void CommGroup::fail_together(const char* message) {
  abort(message);
  fail(SGL_COMM, "%s", message);
}

template <class Done>
void CommGroup::wait(Signal& signal, const char* op, int peer, const Done& done) {
  if (done(signal.load())) return;
  // The clock is read only once the wait is long.
  bool has_deadline = false;
  Clock::time_point deadline;
  bool is_late = false;
  const auto gives_up = [&] {
    if (is_aborted_.load(std::memory_order_acquire)) return true;
    const Clock::time_point now = Clock::now();
    if (!has_deadline) {
      has_deadline = true;
      deadline = now + std::chrono::milliseconds(options.timeout_ms);
    }
    return is_late = now >= deadline;
  };
  if (signal.wait(done, spins_, gives_up)) return;
  if (is_late) {
    char message[160];
    std::snprintf(message, sizeof message, "%s: rank %d did not come within %" PRId32 " ms", op, peer, options.timeout_ms);
    fail_together(message);
  }
  check_alive(op);
}

void CommGroup::meet(int rank, uint32_t call, const Posting& posting) {
  check_alive(posting.op);
  ranks_[rank]->postings[call & 1] = posting;
  meet(rank, call, posting.op);
  check_agreement(rank, call);
}

void CommGroup::meet(int rank, uint32_t call, const char* op) {
  Rank& self = *ranks_[rank];
  self.arrived.add(call - self.arrived.load(), [](uint32_t) { return true; });
  for (int peer = 0; peer < options.num_ranks; ++peer) {
    if (peer == rank) continue;
    wait(ranks_[peer]->arrived, op, peer, [call](uint32_t arrived) { return static_cast<int32_t>(arrived - call) >= 0; });
  }
}

void CommGroup::check_agreement(int rank, uint32_t call) {
  const Posting& mine = posting(rank, call);
  for (int peer = 0; peer < options.num_ranks; ++peer) {
    const Posting& theirs = posting(peer, call);
    if (std::strcmp(mine.op, theirs.op) == 0 && mine.x_dtype == theirs.x_dtype && mine.y_dtype == theirs.y_dtype &&
        mine.num_elements == theirs.num_elements && mine.root == theirs.root) {
      continue;
    }
    char message[320];
    std::snprintf(message, sizeof message,
                  "ranks disagree: rank %d calls %s of %" PRId64
                  " elements (types %d to %d, root %d), "
                  "rank %d calls %s of %" PRId64 " elements (types %d to %d, root %d)",
                  rank, mine.op, mine.num_elements, mine.x_dtype, mine.y_dtype, mine.root, peer, theirs.op, theirs.num_elements,
                  theirs.x_dtype, theirs.y_dtype, theirs.root);
    fail_together(message);
  }
}

void CommGroup::send(int from, int to, const sgl_tensor& x, size_t num_bytes) {
  check_alive("send");
  Mailbox& box = mailbox(from, to);
  const uint32_t sent = box.sent.load();
  wait(box.received, "send", to, [sent](uint32_t received) { return sent - received < kMailboxSlots; });
  Mailbox::Slot& slot = box.slots[sent % kMailboxSlots];
  if (slot.bytes.size() < num_bytes) slot.bytes.resize(num_bytes);
  if (num_bytes > 0) std::memcpy(slot.bytes.data(), x.data, num_bytes);
  slot.num_bytes = num_bytes;
  slot.dtype = x.dtype;
  box.sent.add(1, [](uint32_t) { return true; });
}

void CommGroup::receive(int from, int to, const sgl_tensor& y, size_t num_bytes) {
  check_alive("receive");
  Mailbox& box = mailbox(from, to);
  const uint32_t received = box.received.load();
  wait(box.sent, "receive", from, [received](uint32_t sent) { return sent != received; });
  const Mailbox::Slot& slot = box.slots[received % kMailboxSlots];
  if (slot.num_bytes != num_bytes || slot.dtype != y.dtype) {
    char message[200];
    std::snprintf(message, sizeof message, "receive: rank %d expects %zu bytes of type %d, rank %d sent %zu of type %d", to,
                  num_bytes, y.dtype, from, slot.num_bytes, slot.dtype);
    fail_together(message);
  }
  if (num_bytes > 0) std::memcpy(y.data, slot.bytes.data(), num_bytes);
  box.received.add(1, [](uint32_t) { return true; });
}

}  // namespace sgl::cpu
