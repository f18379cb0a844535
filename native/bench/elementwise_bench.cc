// The operators between the products, bound by moving their operands once. Usage: elementwise_bench [name filter]
#include <cstring>
#include <string>
#include <vector>

#include "measure.hpp"

namespace sgl::bench {
namespace {

constexpr int64_t kHidden = 2048;
constexpr int64_t kIntermediate = 8192;
constexpr int64_t kNumQHeads = 32, kNumKvHeads = 8, kHeadDim = 64, kMaxPosition = 4096;

/// A bf16 tensor of ones, or an f32 one.
class Operand {
 public:
  Operand(sgl_dtype dtype, std::vector<int64_t> shape) {
    view_.dtype = dtype;
    view_.rank = static_cast<int32_t>(shape.size());
    int64_t count = 1;
    for (int axis = view_.rank - 1; axis >= 0; --axis) {
      view_.shape[axis] = shape[static_cast<size_t>(axis)];
      view_.stride[axis] = count;
      count *= view_.shape[axis];
    }
    num_bytes_ = static_cast<double>(count) * (dtype == SGL_BF16 ? 2 : 4);
    words_.assign(static_cast<size_t>(num_bytes_ / 2) + 2, 0x3f80);
    view_.data = words_.data();
  }

  operator const sgl_tensor*() const { return &view_; }
  double num_bytes() const { return num_bytes_; }

 private:
  std::vector<uint16_t> words_;
  double num_bytes_;
  sgl_tensor view_{};
};

class Bench {
 public:
  Bench(sgl_context* context, Probes& probes, const char* filter) : context_(context), probes_(probes), filter_(filter) {}

  void run(int64_t num_rows) {
    const Operand x(SGL_BF16, {num_rows, kHidden}), y(SGL_BF16, {num_rows, kHidden}), residual(SGL_BF16, {num_rows, kHidden});
    const Operand weight(SGL_BF16, {kHidden}), wide(SGL_F32, {num_rows, kHidden});
    const Operand gate_up(SGL_BF16, {num_rows, 2 * kIntermediate}), activated(SGL_BF16, {num_rows, kIntermediate});
    const Operand q(SGL_BF16, {num_rows, kNumQHeads, kHeadDim}), k(SGL_BF16, {num_rows, kNumKvHeads, kHeadDim});
    const Operand table(SGL_F32, {kMaxPosition, kHeadDim});
    Operand positions(SGL_I32, {num_rows});
    std::memset(static_cast<const sgl_tensor*>(positions)->data, 0, static_cast<size_t>(positions.num_bytes()));

    line("rms_norm", num_rows, kHidden, 2 * x.num_bytes(), [&] { return sgl_rms_norm(context_, y, x, weight, 1e-5f); });
    line("add_rms_norm", num_rows, kHidden, 4 * x.num_bytes(),
         [&] { return sgl_add_rms_norm(context_, y, residual, x, weight, 1e-5f); });
    line("silu_mul", num_rows, kIntermediate, 1.5 * gate_up.num_bytes(),
         [&] { return sgl_silu_mul(context_, activated, gate_up); });
    line("add", num_rows, kHidden, 3 * x.num_bytes(), [&] { return sgl_add(context_, y, x, residual); });
    line("rope", num_rows, (kNumQHeads + kNumKvHeads) * kHeadDim, 2 * (q.num_bytes() + k.num_bytes()),
         [&] { return sgl_rope(context_, q, k, positions, table, SGL_ROPE_HALF_SPLIT); });
    line("convert", num_rows, kHidden, 1.5 * wide.num_bytes(), [&] { return sgl_convert(context_, y, wide); });
  }

 private:
  template <class Call>
  void line(const char* name, int64_t num_rows, int64_t width, double num_bytes, const Call& call) {
    if (std::strstr(name, filter_) == nullptr) return;
    const Case what{name, std::to_string(num_rows) + " x " + std::to_string(width), num_bytes, 0, SGL_BF16, num_bytes};
    measure(probes_, what, [&](int64_t) { check(call()); });
  }

  sgl_context* context_;
  Probes& probes_;
  const char* filter_;
};

}  // namespace
}  // namespace sgl::bench

int main(int argc, char** argv) {
  using namespace sgl::bench;
  const sgl_context_options options{SGL_DEVICE_CPU, 0, 0, 0};
  sgl_context* context = nullptr;
  check(sgl_context_create(&context, &options));
  int32_t num_threads = 0;
  check(sgl_context_num_threads(context, &num_threads));
  print_heading(num_threads);
  {
    Probes probes(num_threads);
    Bench bench(context, probes, argc > 1 ? argv[1] : "");
    for (const int64_t num_rows : {1, 4, 8, 16, 32, 512}) bench.run(num_rows);
  }
  sgl_context_destroy(context);
}
