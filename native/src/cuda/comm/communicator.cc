#include <algorithm>
#include <cstdlib>
#include <memory>

#include "abi/error.hpp"
#include "abi/match.hpp"
#include "cuda/comm/comm.hpp"
#include "cuda/comm/comm_group.hpp"
#include "cuda/comm/nccl.hpp"
#include "cuda/comm/peer_collectives.hpp"
#include "cuda/kernels/activation/activation.hpp"
#include "cuda/kernels/norm/norm.hpp"
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

nccl::DataType reduced_type(sgl_dtype dtype) {
  return dtype == SGL_F32 ? nccl::kFloat32 : dtype == SGL_F16 ? nccl::kFloat16 : nccl::kBfloat16;
}

/// By peer kernels where they serve best or alone, by NCCL elsewhere.
class Communicator final : public sgl_communicator {
 public:
  Communicator(CudaContext& context, CommGroup& group, int rank) : sgl_communicator(group, rank), context_(context), group_(group) {
    // Refused here rather than at the first sum.
    choose_all_reduce({1, false, false, false}, 0, false, wanted_);
    group.join(context, rank);
    if (!group.topology().shares_device) nccl_ = &nccl::library();
    if (!peers_serve(group.topology())) return;
    peers_ = std::make_shared<PeerCollectives>(context, group, rank);
    context.peers.push_back(peers_);
  }
  ~Communicator() override {
    context_.enter();
    cudaStreamSynchronize(context_.stream);
    std::erase(context_.peers, peers_);
    group_.leave(rank);
  }

  bool supports_capture() const override { return peers_ != nullptr; }

  void all_reduce(const sgl_tensor& y, const sgl_tensor& x, const sgl_tensor* residual) override {
    enter("all_reduce");
    if (const AllReduceKind kind = choose(x); kind != AllReduceKind::kNccl) return peers_->all_reduce(y, x, residual, kind);
    const int64_t count = num_elements(x);
    if (count == 0) return;
    const bool converts = x.dtype != y.dtype;
    if (residual == nullptr && !converts) {
      check(nccl_->all_reduce(x.data, y.data, count, reduced_type(x.dtype), nccl::kSum, comm(), context_.stream), "all_reduce");
      return;
    }
    if (y.dtype == SGL_F16) {
      fail(SGL_UNSUPPORTED, "all_reduce: NCCL sums f16 from f16 alone, without a residual: use bf16 or f32");
    }
    Slicer sizes(nullptr);
    sizes.take<float>(count);
    sizes.take<float>(count);
    Slicer slices(context_.scratch.reserve(context_, sizes.num_bytes()));
    const sgl_tensor sum{slices.take<float>(count), x.dtype, 1, {count}, {1}};
    const sgl_tensor wide_rest{slices.take<float>(count), SGL_F32, 1, {count}, {1}};
    const sgl_tensor out{y.data, y.dtype, 1, {count}, {1}};
    check(nccl_->all_reduce(x.data, sum.data, count, reduced_type(x.dtype), nccl::kSum, comm(), context_.stream), "all_reduce");
    if (residual == nullptr) return convert(context_, out, sum);
    const sgl_tensor rest{residual->data, residual->dtype, 1, {count}, {1}};
    if (!converts) return add(context_, out, rest, sum);
    // In f32, to be rounded once.
    convert(context_, wide_rest, rest);
    add(context_, sum, wide_rest, sum);
    convert(context_, out, sum);
  }

  void all_reduce_add_rms_norm(const sgl_tensor& y, const sgl_tensor& residual, const sgl_tensor& x, const sgl_tensor& weight,
                               float eps) override {
    enter("all_reduce_add_rms_norm");
    if (choose(x) == AllReduceKind::kOneShot) {
      return peers_->one_shot_all_reduce_add_rms_norm(y, residual, x, weight, eps);
    }
    all_reduce(residual, x, &residual);
    if (num_elements(y) > 0) rms_norm(context_, y, residual, weight, eps);
  }

  void all_gather_rows(const sgl_tensor& y, const sgl_tensor& x) override {
    enter("all_gather_rows");
    if (peers_take_all()) return peers_->all_gather_rows(y, x);
    if (num_bytes(x) == 0) return;
    check(nccl_->all_gather(x.data, y.data, num_bytes(x), nccl::kUint8, comm(), context_.stream), "all_gather_rows");
  }

  /// Gathers the blocks one below the other, then moves each to its columns.
  void all_gather_columns(const sgl_tensor& y, const sgl_tensor& x) override {
    constexpr const char* op = "all_gather_columns";
    enter(op);
    if (peers_take_all()) return peers_->all_gather_columns(y, x);
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
    check(nccl_->all_gather(packed, gathered, bytes, nccl::kUint8, comm(), context_.stream), op);
    for (int peer = 0; peer < num_ranks; ++peer) {
      cuda::check(cudaMemcpy2DAsync(static_cast<std::byte*>(y.data) + peer * width, y.stride[0] * element,
                                    gathered + peer * bytes, width, width, rows, cudaMemcpyDeviceToDevice, context_.stream),
                  op);
    }
  }

  void reduce_scatter(const sgl_tensor& y, const sgl_tensor& x) override {
    enter("reduce_scatter");
    if (peers_take_all()) return peers_->reduce_scatter(y, x);
    if (num_elements(y) == 0) return;
    check(nccl_->reduce_scatter(x.data, y.data, num_elements(y), reduced_type(x.dtype), nccl::kSum, comm(), context_.stream),
          "reduce_scatter");
  }

  void all_to_all(const sgl_tensor& y, const sgl_tensor& x, const int64_t* receive_counts,
                  const int64_t* send_counts) override {
    constexpr const char* op = "all_to_all";
    enter(op);
    if (peers_take_all()) return peers_->all_to_all(y, x, receive_counts, send_counts);
    const size_t row_bytes = x.shape[1] * element_bytes(x.dtype);
    const auto* in = static_cast<const std::byte*>(x.data);
    auto* out = static_cast<std::byte*>(y.data);
    check(nccl_->group_start(), op);
    for (int peer = 0; peer < num_ranks; ++peer) {
      const size_t sent = send_counts[peer] * row_bytes, received = receive_counts[peer] * row_bytes;
      if (sent > 0) check(nccl_->send(in, sent, nccl::kUint8, peer, comm(), context_.stream), op);
      if (received > 0) check(nccl_->receive(out, received, nccl::kUint8, peer, comm(), context_.stream), op);
      in += sent;
      out += received;
    }
    check(nccl_->group_end(), op);
  }

  void broadcast(const sgl_tensor& x, int root) override {
    enter("broadcast");
    if (peers_take_all()) return peers_->broadcast(x, root);
    if (num_bytes(x) == 0) return;
    check(nccl_->broadcast(x.data, x.data, num_bytes(x), nccl::kUint8, root, comm(), context_.stream), "broadcast");
  }

  void send(const sgl_tensor& x, int peer) override {
    enter("send");
    check_sends("send");
    check(nccl_->send(x.data, num_bytes(x), nccl::kUint8, peer, comm(), context_.stream), "send");
  }

  void receive(const sgl_tensor& y, int peer) override {
    enter("receive");
    check_sends("receive");
    check(nccl_->receive(y.data, num_bytes(y), nccl::kUint8, peer, comm(), context_.stream), "receive");
  }

  void barrier() override {
    enter("barrier");
    if (peers_take_all()) return peers_->barrier();
    void* word = context_.scratch.reserve(context_, sizeof(float));
    check(nccl_->all_reduce(word, word, 1, nccl::kFloat32, nccl::kSum, comm(), context_.stream), "barrier");
  }

 private:
  void enter(const char* op) {
    context_.enter();
    group_.check_alive(op);
    if (context_.is_capturing && peers_ == nullptr) {
      fail(SGL_UNSUPPORTED, "%s: not allowed during a capture: NCCL inside graphs of one process may deadlock", op);
    }
  }

  AllReduceKind choose(const sgl_tensor& x) const {
    return choose_all_reduce(group_.topology(), static_cast<int64_t>(num_bytes(x)), context_.is_capturing, wanted_);
  }

  /// NCCL, where it is, does all but sums outside graphs.
  bool peers_take_all() const { return peers_ != nullptr && (group_.topology().shares_device || context_.is_capturing); }

  void check_sends(const char* op) const {
    if (peers_take_all()) {
      fail(SGL_UNSUPPORTED, "%s: ranks on one GPU, and captures, have no %s between two ranks: give each rank a GPU of its own", op, op);
    }
  }

  nccl::Comm* comm() const {
    nccl::Comm* const comm = group_.nccl_of(rank);
    if (comm == nullptr) group_.check_alive("nccl");
    return comm;
  }

  /// An error of one rank is everybody's: the others would wait for it.
  void check(nccl::Result result, const char* op) {
    if (result == nccl::kSuccess) return;
    group_.abort(nccl_->get_error_string(result));
    nccl::check(result, op);
  }

  CudaContext& context_;
  CommGroup& group_;
  const char* const wanted_ = std::getenv("SGLANG_CUSTOM_ALLREDUCE_ALGO");
  std::shared_ptr<PeerCollectives> peers_;  // null where peer kernels do not serve
  const nccl::Library* nccl_ = nullptr;     // null where ranks share a GPU
};

}  // namespace

std::unique_ptr<sgl_comm_group> create_comm_group(const sgl_comm_group_options& options) {
  return std::make_unique<CommGroup>(options);
}

std::unique_ptr<sgl_communicator> create_communicator(CudaContext& context, sgl_comm_group& group, int rank) {
  return std::make_unique<Communicator>(context, static_cast<CommGroup&>(group), rank);
}

}  // namespace sgl::cuda
