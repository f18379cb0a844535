#include <atomic>
#include <mutex>
#include <string>
#include <vector>

#include "abi/error.hpp"
#include "abi/match.hpp"
#include "cuda/comm/comm.hpp"
#include "cuda/comm/nccl.hpp"
#include "cuda/kernels/activation/activation.hpp"
#include "cuda/kernels/quant/convert.hpp"
#include "cuda/runtime/error.hpp"

namespace sgl::cuda {
namespace {

int64_t num_elements(const sgl_tensor& tensor) {
  int64_t count = 1;
  for (int i = 0; i < tensor.rank; ++i) count *= tensor.shape[i];
  return count;
}

size_t num_bytes(const sgl_tensor& tensor) { return num_elements(tensor) * element_bytes(tensor.dtype); }

nccl::DataType reduced_type(sgl_dtype dtype) { return dtype == SGL_F32 ? nccl::kFloat32 : nccl::kBfloat16; }

/// Joins the ranks by NCCL's id, and knows their communicators, so that any thread can abort them.
class CommGroup final : public sgl_comm_group {
 public:
  explicit CommGroup(const sgl_comm_group_options& options) : sgl_comm_group(options), comms_(options.num_ranks) {
    nccl::check(nccl::library().get_unique_id(&id_), "comm_group_create");
  }

  nccl::Comm* join(int rank) {
    check_alive("communicator_create");
    nccl::Comm* comm = nullptr;
    nccl::check(nccl::library().comm_init_rank(&comm, options.num_ranks, id_, rank), "communicator_create");
    const std::lock_guard lock(gate_);
    comms_[rank] = comm;
    return comm;
  }

  void leave(int rank) {
    const std::lock_guard lock(gate_);
    // An aborted communicator is gone already.
    if (comms_[rank] != nullptr) nccl::library().comm_destroy(comms_[rank]);
    comms_[rank] = nullptr;
  }

  void abort(const char* reason) override {
    const std::lock_guard lock(gate_);
    if (is_aborted_.load(std::memory_order_relaxed)) return;
    reason_ = reason;
    is_aborted_.store(true, std::memory_order_release);
    for (nccl::Comm*& comm : comms_) {
      if (comm != nullptr) nccl::library().comm_abort(comm);
      comm = nullptr;
    }
  }

  void reset() override {
    if (is_aborted_.load(std::memory_order_acquire)) {
      fail(SGL_UNSUPPORTED, "comm_group_reset: NCCL's communicators cannot be used again after an abort; restart the server");
    }
  }

  void check_alive(const char* op) {
    if (!is_aborted_.load(std::memory_order_acquire)) return;
    const std::lock_guard lock(gate_);
    fail(SGL_COMM, "%s: the group of ranks was aborted: %s", op, reason_.c_str());
  }

 private:
  nccl::UniqueId id_{};
  std::mutex gate_;
  std::vector<nccl::Comm*> comms_;  // [num_ranks], null before joining and after leaving
  std::string reason_;
  std::atomic<bool> is_aborted_{false};
};

class Communicator final : public sgl_communicator {
 public:
  Communicator(CudaContext& context, CommGroup& group, int rank)
      : sgl_communicator(group, rank), context_(context), group_(group), nccl_(nccl::library()), comm_(group.join(rank)) {}
  ~Communicator() override {
    context_.enter();
    group_.leave(rank);
  }

  void all_reduce(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor* residual) override {
    enter("all_reduce");
    const int64_t count = num_elements(x);
    if (count == 0) return;
    const bool converts = x.dtype != y.dtype;
    if (residual == nullptr && !converts) {
      check(nccl_.all_reduce(x.data, y.data, count, reduced_type(x.dtype), nccl::kSum, comm_, context_.stream), "all_reduce");
      return;
    }
    Slicer sizes(nullptr);
    sizes.take<float>(count);
    sizes.take<float>(count);
    Slicer slices(context_.scratch.reserve(context_, sizes.num_bytes()));
    const sgl_tensor sum{slices.take<float>(count), x.dtype, 1, {count}, {1}};
    const sgl_tensor rounded{slices.take<float>(count), y.dtype, 1, {count}, {1}};
    const sgl_tensor out{y.data, y.dtype, 1, {count}, {1}};
    check(nccl_.all_reduce(x.data, sum.data, count, reduced_type(x.dtype), nccl::kSum, comm_, context_.stream), "all_reduce");
    if (converts) convert(context_, residual == nullptr ? out : rounded, sum);
    if (residual == nullptr) return;
    const sgl_tensor rest{residual->data, residual->dtype, 1, {count}, {1}};
    add(context_, out, rest, converts ? rounded : sum);
  }

  void all_gather_rows(const sgl_tensor& y, const sgl_tensor& x) override {
    enter("all_gather_rows");
    if (num_bytes(x) == 0) return;
    check(nccl_.all_gather(x.data, y.data, num_bytes(x), nccl::kUint8, comm_, context_.stream), "all_gather_rows");
  }

  /// Gathers the blocks one below the other, then moves each to its columns.
  void all_gather_columns(const sgl_tensor& y, const sgl_tensor& x) override {
    constexpr const char* op = "all_gather_columns";
    enter(op);
    const size_t bytes = num_bytes(x), element = element_bytes(x.dtype), width = x.shape[1] * element;
    if (bytes == 0) return;
    Slicer sizes(nullptr);
    sizes.take<std::byte>(bytes);
    sizes.take<std::byte>(bytes * num_ranks);
    Slicer slices(context_.scratch.reserve(context_, sizes.num_bytes()));
    std::byte* packed = slices.take<std::byte>(bytes);
    std::byte* gathered = slices.take<std::byte>(bytes * num_ranks);
    const size_t rows = x.shape[0];
    cuda::check(
        cudaMemcpy2DAsync(packed, width, x.data, x.stride[0] * element, width, rows, cudaMemcpyDeviceToDevice, context_.stream),
        op);
    check(nccl_.all_gather(packed, gathered, bytes, nccl::kUint8, comm_, context_.stream), op);
    for (int peer = 0; peer < num_ranks; ++peer) {
      cuda::check(cudaMemcpy2DAsync(static_cast<std::byte*>(y.data) + peer * width, y.stride[0] * element,
                                    gathered + peer * bytes, width, width, rows, cudaMemcpyDeviceToDevice, context_.stream),
                  op);
    }
  }

  void reduce_scatter(const sgl_tensor& y, const sgl_tensor& x) override {
    enter("reduce_scatter");
    if (num_elements(y) == 0) return;
    check(nccl_.reduce_scatter(x.data, y.data, num_elements(y), reduced_type(x.dtype), nccl::kSum, comm_, context_.stream),
          "reduce_scatter");
  }

  void all_to_all(const sgl_tensor& y, const sgl_tensor& x, const int64_t* receive_counts,
                  const int64_t* send_counts) override {
    constexpr const char* op = "all_to_all";
    enter(op);
    const size_t row_bytes = x.shape[1] * element_bytes(x.dtype);
    const auto* in = static_cast<const std::byte*>(x.data);
    auto* out = static_cast<std::byte*>(y.data);
    check(nccl_.group_start(), op);
    for (int peer = 0; peer < num_ranks; ++peer) {
      const size_t sent = send_counts[peer] * row_bytes, received = receive_counts[peer] * row_bytes;
      if (sent > 0) check(nccl_.send(in, sent, nccl::kUint8, peer, comm_, context_.stream), op);
      if (received > 0) check(nccl_.receive(out, received, nccl::kUint8, peer, comm_, context_.stream), op);
      in += sent;
      out += received;
    }
    check(nccl_.group_end(), op);
  }

  void broadcast(const sgl_tensor& x, int root) override {
    enter("broadcast");
    if (num_bytes(x) == 0) return;
    check(nccl_.broadcast(x.data, x.data, num_bytes(x), nccl::kUint8, root, comm_, context_.stream), "broadcast");
  }

  void send(const sgl_tensor& x, int peer) override {
    enter("send");
    check(nccl_.send(x.data, num_bytes(x), nccl::kUint8, peer, comm_, context_.stream), "send");
  }

  void receive(const sgl_tensor& y, int peer) override {
    enter("receive");
    check(nccl_.receive(y.data, num_bytes(y), nccl::kUint8, peer, comm_, context_.stream), "receive");
  }

  void barrier() override {
    enter("barrier");
    void* word = context_.scratch.reserve(context_, sizeof(float));
    check(nccl_.all_reduce(word, word, 1, nccl::kFloat32, nccl::kSum, comm_, context_.stream), "barrier");
  }

 private:
  void enter(const char* op) {
    context_.enter();
    group_.check_alive(op);
  }

  /// An error of one rank is everybody's: the others would wait for it.
  void check(nccl::Result result, const char* op) {
    if (result == nccl::kSuccess) return;
    group_.abort(nccl_.get_error_string(result));
    nccl::check(result, op);
  }

  CudaContext& context_;
  CommGroup& group_;
  const nccl::Library& nccl_;
  nccl::Comm* const comm_;
};

}  // namespace

std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options) {
  return std::make_unique<CommGroup>(options);
}

std::unique_ptr<sgl_communicator> create_communicator(CudaContext& context, sgl_comm_group& group, int rank) {
  return std::make_unique<Communicator>(context, static_cast<CommGroup&>(group), rank);
}

}  // namespace sgl::cuda
