#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>

#include "abi/backend.hpp"

namespace sgl {

/// Of a norm.
void check_eps(const char* op, float eps);

/// Symbolic checks of an operator's tensors. Each dimension and element type is a symbol that the first tensor binds and later
/// ones must agree with, so a failure can name both sides:
///
///   rms_norm: weight is [4096] bf16, x is [17, 5120] bf16: last dims differ
///
/// All checks throw INVALID_ARGUMENT. Nothing allocates unless a check fails.
class Match {
 public:
  /// A symbolic dimension, times a constant; or, with `symbol` < 0, the constant itself.
  struct Dim {
    Dim(int64_t constant) : symbol(-1), factor(constant) {}  // NOLINT: shapes are written {rows, 1}
    Dim(int symbol, int64_t factor) : symbol(symbol), factor(factor) {}
    friend Dim operator*(int64_t factor, Dim dim) { return {dim.symbol, dim.factor * factor}; }

    int symbol;
    int64_t factor;
  };

  /// A symbolic element type.
  struct Type {
    int symbol;
  };

  using Shape = std::initializer_list<Dim>;

  /// One tensor under check; every method returns it again.
  class Tensor {
   public:
    Tensor& is(sgl_dtype type);
    Tensor& is(Type type);
    /// One of two types, e.g. the activation type or f32.
    Tensor& is(Type type, sgl_dtype other);
    /// The alternative of the tensor's rank.
    Tensor& shape(Shape a);
    Tensor& shape(Shape a, Shape b);
    Tensor& same_rank_as(const Tensor& other);
    /// Equal to the shape of an earlier tensor, whatever its rank.
    Tensor& same_shape_as(const Tensor& other);
    /// Elements of the last dimension are neighbours.
    Tensor& last_dense();
    /// Elements follow each other without gaps.
    Tensor& dense();
    /// Shares no memory with an earlier tensor.
    Tensor& disjoint_from(const Tensor& other);

    /// Has no elements.
    bool is_empty() const;

   private:
    friend class Match;
    Tensor(Match& match, int index) : match_(match), index_(index) {}
    const sgl_tensor& view() const;
    void bind(Dim dim, int axis);

    Match& match_;
    int index_;
  };

  explicit Match(const char* op) : op_(op) {}
  Match(const Match&) = delete;
  Match& operator=(const Match&) = delete;

  /// A dimension; `name` is for messages about ranks.
  Dim dim(const char* name);
  /// A dimension known beforehand, where `what` says from where: "the plan".
  Dim dim(const char* name, int64_t size, const char* what);
  Type type(std::initializer_list<sgl_dtype> allowed);

  /// Checks that the tensor itself is sound: not null, a known type, rank 1 to 4, aligned memory behind every element.
  Tensor tensor(const char* name, const sgl_tensor* tensor);
  /// A packed weight, which takes part as [out_features, in_features], or with the groups before them.
  Tensor weight(const char* name, const sgl_weight* weight, bool is_grouped = false);

  /// Whether a checked tensor has no elements, so that there is nothing to do.
  static bool is_empty(const sgl_tensor* tensor);

  int64_t size_of(Dim dim) const { return dim.symbol < 0 ? dim.factor : dims_[dim.symbol].size * dim.factor; }

 private:
  struct NamedDim {
    const char* name;
    int64_t size;  // -1 until bound
    int tensor;    // that bound it; -1 for a known one
    int axis;
    const char* what;  // origin of a known one
  };
  struct NamedType {
    uint32_t allowed;  // bit mask of sgl_dtype
    int tensor;        // that bound it; -1 until then
  };
  struct NamedTensor {
    const char* name;
    const sgl_tensor* view;
  };

  static constexpr int kMaxTensors = 12;
  static constexpr int kMaxDims = 12;
  static constexpr int kMaxTypes = 2;

  [[noreturn]] void fail_tensor(int tensor, const std::string& problem) const;
  [[noreturn]] void fail_pair(int tensor, int other, const std::string& problem) const;
  std::string describe(int tensor) const;
  std::string spell(Shape shape) const;
  bool may_be(int tensor, Type type) const;

  const char* op_;
  int num_tensors_ = 0;
  int num_dims_ = 0;
  int num_types_ = 0;
  NamedTensor tensors_[kMaxTensors];
  NamedDim dims_[kMaxDims];
  NamedType types_[kMaxTypes];
  sgl_tensor weight_views_[2];
  int num_weights_ = 0;
};

/// "bf16"; "dtype 77" for a value that is no element type.
std::string name_of(sgl_dtype type);
/// 0 for a value that is no element type.
int element_bytes(sgl_dtype type);

}  // namespace sgl
