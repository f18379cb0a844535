#include <algorithm>
#include <cinttypes>
#include <cstring>
#include <vector>

#include "abi/error.hpp"
#include "abi/match.hpp"
#include "cpu/comm/comm.hpp"
#include "cpu/comm/comm_group.hpp"
#include "cpu/comm/reduce_kernels.hpp"
#include "cpu/norm/norm.hpp"

// What a call costs, with n bytes a rank and p ranks: all_reduce reads p * (n / p) and writes p * (n / p) bytes a rank, each
// rank summing its share of the elements straight into everybody's y; small ones are copied to staging and summed by all.

namespace sgl::cpu {
namespace {

/// Elements that one worker sums before it takes the next piece; a multiple of a cache line of either type.
constexpr int64_t kGrain = 16384;

int64_t num_elements(const sgl_tensor& tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor.rank; ++i) count *= tensor.shape[i];
  return count;
}

size_t num_bytes(const sgl_tensor& tensor) { return num_elements(tensor) * element_bytes(tensor.dtype); }

std::byte* bytes_of(const sgl_tensor& tensor) { return static_cast<std::byte*>(tensor.data); }

class Communicator final : public sgl_communicator {
 public:
  Communicator(CpuContext& context, CommGroup& group, int rank)
      : sgl_communicator(group, rank),
        context_(context),
        group_(group),
        kernels_(SGL_SELECT_KERNELS(context.isa, kReduceKernels)),
        xs_(group.options.num_ranks),
        ys_(group.options.num_ranks) {
    group.join(rank);
  }

  void all_reduce(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor* residual) override {
    const int64_t count = num_elements(x);
    const void* rest = residual == nullptr ? nullptr : residual->data;
    const uint32_t call = next_call();
    const bool is_staged = stage(call, x, num_bytes(x));
    group_.meet(rank, call, post("all_reduce", x, y, count));
    gather_pointers(call, is_staged);
    if (is_staged) {
      void* out = y.data;
      sum(y.dtype, x.dtype, {&out, 1, xs_.data(), num_ranks, rest}, 0, count);
      return;
    }
    // A share is whole cache lines, so that no two ranks write to one.
    const int64_t share = ((count + num_ranks - 1) / num_ranks + 63) / 64 * 64;
    const int64_t begin = std::min(count, rank * share), end = std::min(count, begin + share);
    sum(y.dtype, x.dtype, {ys_.data(), num_ranks, xs_.data(), num_ranks, rest}, begin, end);
    group_.meet(rank, call + 1, "all_reduce");
  }

  void all_reduce_add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight,
                               float eps) override {
    all_reduce(residual, x, &residual);
    if (num_elements(y) > 0) rms_norm(context_, y, residual, weight, eps);
  }

  void reduce_scatter(const sgl_tensor& y, const sgl_tensor& x) override {
    const int64_t count = num_elements(y);
    const uint32_t call = next_call();
    group_.meet(rank, call, post("reduce_scatter", x, y, num_elements(x)));
    gather_pointers(call, false);
    for (const void*& peer_x : xs_) peer_x = static_cast<const std::byte*>(peer_x) + rank * num_bytes(y);
    void* out = y.data;
    sum(y.dtype, x.dtype, {&out, 1, xs_.data(), num_ranks, nullptr}, 0, count);
    group_.meet(rank, call + 1, "reduce_scatter");
  }

  void all_gather_rows(const sgl_tensor& y, const sgl_tensor& x) override {
    const size_t bytes = num_bytes(x);
    gather("all_gather_rows", y, x,
           [&](int peer, const std::byte* source, int64_t) { std::memcpy(bytes_of(y) + peer * bytes, source, bytes); });
  }

  void all_gather_columns(const sgl_tensor& y, const sgl_tensor& x) override {
    const int64_t element = element_bytes(x.dtype), width = x.shape[1] * element;
    gather("all_gather_columns", y, x, [&](int peer, const std::byte* source, int64_t row_bytes) {
      for (int64_t row = 0; row < x.shape[0]; ++row) {
        std::memcpy(bytes_of(y) + row * y.stride[0] * element + peer * width, source + row * row_bytes, width);
      }
    });
  }

  void all_to_all(const sgl_tensor& y, const sgl_tensor& x, const int64_t* receive_counts,
                  const int64_t* send_counts) override {
    const uint32_t call = next_call();
    Posting posting = post("all_to_all", x, y, 0);
    posting.send_counts = send_counts;
    group_.meet(rank, call, posting);
    const size_t row_bytes = x.shape[1] * element_bytes(x.dtype);
    std::byte* out = bytes_of(y);
    for (int peer = 0; peer < num_ranks; ++peer) {
      const Posting& theirs = group_.posting(peer, call);
      if (theirs.send_counts[rank] != receive_counts[peer]) {
        group_.abort("all_to_all: what a rank sends is not what its peer receives");
        fail(SGL_COMM, "all_to_all: rank %d sends %" PRId64 " rows to rank %d, which expects %" PRId64, peer,
             theirs.send_counts[rank], rank, receive_counts[peer]);
      }
      int64_t first = 0;
      for (int before = 0; before < rank; ++before) first += theirs.send_counts[before];
      const size_t bytes = receive_counts[peer] * row_bytes;
      if (bytes > 0) std::memcpy(out, static_cast<const std::byte*>(theirs.x) + first * row_bytes, bytes);
      out += bytes;
    }
    group_.meet(rank, call + 1, "all_to_all");
  }

  void broadcast(const sgl_tensor& x, int root) override {
    const size_t bytes = num_bytes(x);
    const uint32_t call = next_call();
    const bool is_staged = bytes <= CommGroup::kStagedBytes;
    if (is_staged && rank == root && bytes > 0) std::memcpy(group_.staging(rank, call), x.data, bytes);
    Posting posting = post("broadcast", x, x, num_elements(x));
    posting.root = root;
    group_.meet(rank, call, posting);
    const void* source = is_staged ? group_.staging(root, call) : group_.posting(root, call).x;
    if (rank != root && bytes > 0) std::memcpy(x.data, source, bytes);
    if (!is_staged) group_.meet(rank, call + 1, "broadcast");
  }

  void send(const sgl_tensor& x, int peer) override { group_.send(rank, peer, x, num_bytes(x)); }
  void receive(const sgl_tensor& y, int peer) override { group_.receive(peer, rank, y, num_bytes(y)); }

  bool supports_capture() const override { return false; }

  void barrier() override {
    Posting posting;
    posting.op = "barrier";
    group_.meet(rank, next_call(), posting);
  }

 private:
  uint32_t next_call() const { return group_.calls_of(rank) + 1; }

  static Posting post(const char* op, const sgl_tensor& x, const sgl_tensor& y, int64_t count) {
    Posting posting;
    posting.op = op;
    posting.x_dtype = x.dtype;
    posting.y_dtype = y.dtype;
    posting.num_elements = count;
    posting.x = x.data;
    posting.y = y.data;
    posting.x_stride = x.stride[0];
    return posting;
  }

  /// Copies a small dense tensor to this rank's staging; false if it is too large.
  bool stage(uint32_t call, const sgl_tensor& x, size_t bytes) const {
    if (bytes > CommGroup::kStagedBytes) return false;
    if (bytes > 0) std::memcpy(group_.staging(rank, call), x.data, bytes);
    return true;
  }

  void gather_pointers(uint32_t call, bool is_staged) {
    for (int peer = 0; peer < num_ranks; ++peer) {
      const Posting& theirs = group_.posting(peer, call);
      xs_[peer] = is_staged ? group_.staging(peer, call) : theirs.x;
      ys_[peer] = theirs.y;
    }
  }

  void sum(sgl_dtype y_type, sgl_dtype x_type, const ReduceArgs& args, int64_t begin, int64_t end) const {
    const ReduceRange range = kernels_.ranges[y_type == SGL_BF16][x_type == SGL_BF16];
    context_.pool.for_each(end - begin, kGrain, [&](int, int64_t from, int64_t to) { range(args, begin + from, begin + to); });
  }

  /// copy(peer, its x, bytes between its rows) for every rank.
  template <class Copy>
  void gather(const char* op, const sgl_tensor& y, const sgl_tensor& x, const Copy& copy) {
    const int64_t element = element_bytes(x.dtype);
    const uint32_t call = next_call();
    const bool is_dense = x.rank < 2 || x.shape[0] <= 1 || x.stride[0] == x.shape[1];
    // Whether to stage must be the same on all ranks, and a rank knows only its own strides.
    const bool is_staged = num_bytes(x) <= CommGroup::kStagedBytes;
    if (is_staged && is_dense) {
      stage(call, x, num_bytes(x));
    } else if (is_staged) {
      for (int64_t row = 0; row < x.shape[0]; ++row) {
        std::memcpy(group_.staging(rank, call) + row * x.shape[1] * element, bytes_of(x) + row * x.stride[0] * element,
                    x.shape[1] * element);
      }
    }
    group_.meet(rank, call, post(op, x, y, num_elements(x)));
    for (int peer = 0; peer < num_ranks; ++peer) {
      const Posting& theirs = group_.posting(peer, call);
      if (is_staged) {
        copy(peer, group_.staging(peer, call), x.shape[1] * element);
      } else {
        copy(peer, static_cast<const std::byte*>(theirs.x), theirs.x_stride * element);
      }
    }
    if (!is_staged) group_.meet(rank, call + 1, op);
  }

  CpuContext& context_;
  CommGroup& group_;
  const ReduceKernels& kernels_;
  std::vector<const void*> xs_;
  std::vector<void*> ys_;
};

}  // namespace

std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options) {
  return std::make_unique<CommGroup>(options);
}

std::unique_ptr<sgl_communicator> create_communicator(CpuContext& context, sgl_comm_group& group, int rank) {
  return std::make_unique<Communicator>(context, static_cast<CommGroup&>(group), rank);
}

}  // namespace sgl::cpu
