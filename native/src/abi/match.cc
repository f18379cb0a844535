#include "abi/match.hpp"

#include <iterator>

#include "abi/error.hpp"

namespace sgl {

void check_eps(const char* op, float eps) {
  if (!(eps >= 0)) fail(SGL_INVALID_ARGUMENT, "%s: eps is %g: expected a number of at least 0", op, eps);
}
namespace {

struct TypeInfo {
  const char* name;
  int size;
};

constexpr TypeInfo kTypes[] = {{"f32", 4}, {"bf16", 2}, {"f16", 2},     {"i32", 4},
                               {"i64", 8}, {"u8", 1},   {"f8_e4m3", 1}, {"f8_e5m2", 1}};

bool is_type(sgl_dtype type) { return static_cast<unsigned>(type) < std::size(kTypes); }

std::string bracketed(const int64_t* values, int count) {
  std::string text = "[";
  for (int i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + std::to_string(values[i]);
  return text + "]";
}

int64_t num_elements(const sgl_tensor& tensor) {
  int64_t count = 1;
  for (int axis = 0; axis < tensor.rank; ++axis) count *= tensor.shape[axis];
  return count;
}

std::string axis_name(int axis, int rank) {
  constexpr const char* kOrdinals[] = {"first", "second", "third", "fourth"};
  return axis == rank - 1 ? "last" : kOrdinals[axis];
}

/// Bytes from the first to past the last element, all strides at least 0.
int64_t extent_bytes(const sgl_tensor& tensor) {
  int64_t last = 0;
  for (int axis = 0; axis < tensor.rank; ++axis) last += (tensor.shape[axis] - 1) * tensor.stride[axis];
  return (last + 1) * element_bytes(tensor.dtype);
}

/// An operator with more symbols than a Match holds is a mistake of ours that must not write past its arrays.
void require_room(int count, int most) {
  if (count >= most) fail(SGL_INTERNAL, "match: more than %d tensors, dimensions, types or weights", most);
}

}  // namespace

std::string name_of(sgl_dtype type) { return is_type(type) ? kTypes[type].name : "dtype " + std::to_string(type); }

int element_bytes(sgl_dtype type) { return is_type(type) ? kTypes[type].size : 0; }

// Symbols

Match::Dim Match::dim(const char* name) {
  require_room(num_dims_, kMaxDims);
  dims_[num_dims_] = {name, -1, -1, 0, nullptr};
  return {num_dims_++, 1};
}

Match::Dim Match::dim(const char* name, int64_t size, const char* what) {
  require_room(num_dims_, kMaxDims);
  dims_[num_dims_] = {name, size, -1, 0, what};
  return {num_dims_++, 1};
}

Match::Type Match::type(std::initializer_list<sgl_dtype> allowed) {
  require_room(num_types_, kMaxTypes);
  uint32_t mask = 0;
  for (const sgl_dtype type : allowed) mask |= 1u << type;
  types_[num_types_] = {mask, -1};
  return {num_types_++};
}

Match::Tensor Match::tensor(const char* name, const sgl_tensor* tensor) {
  require_room(num_tensors_, kMaxTensors);
  if (tensor == nullptr) fail(SGL_INVALID_ARGUMENT, "%s: %s is null", op_, name);
  if (tensor->rank < 1 || tensor->rank > 4) {
    fail(SGL_INVALID_ARGUMENT, "%s: %s has rank %d: expected 1 to 4", op_, name, tensor->rank);
  }
  const int index = num_tensors_++;
  tensors_[index] = {name, tensor};
  if (!is_type(tensor->dtype)) fail_tensor(index, "unknown element type");
  for (int axis = 0; axis < tensor->rank; ++axis) {
    if (tensor->shape[axis] < 0) fail_tensor(index, "negative dimension");
    if (tensor->stride[axis] < 0) fail_tensor(index, "negative stride");
  }
  // The offset of the last byte must be countable, so that no later sum of dimensions and strides can overflow.
  int64_t last = 0, count = 1;
  for (int axis = 0; axis < tensor->rank; ++axis) {
    int64_t reach;
    if (__builtin_mul_overflow(tensor->shape[axis], tensor->stride[axis], &reach) ||
        __builtin_add_overflow(last, reach, &last) || __builtin_mul_overflow(count, tensor->shape[axis], &count) ||
        last > INT64_MAX / 16 || count > INT64_MAX / 16) {
      fail_tensor(index, "larger than any memory");
    }
  }
  if (count > 0) {
    if (tensor->data == nullptr) fail_tensor(index, "its data is null");
    if (reinterpret_cast<uintptr_t>(tensor->data) % element_bytes(tensor->dtype) != 0) {
      fail_tensor(index, "its data is not aligned to an element");
    }
  }
  return Tensor(*this, index);
}

Match::Tensor Match::weight(const char* name, const sgl_weight* weight, bool is_grouped) {
  require_room(num_tensors_, kMaxTensors);
  require_room(num_weights_, static_cast<int>(std::size(weight_views_)));
  if (weight == nullptr) fail(SGL_INVALID_ARGUMENT, "%s: %s is null", op_, name);
  const sgl_weight_desc& desc = weight->desc;
  sgl_tensor& view = weight_views_[num_weights_++];
  view = is_grouped ? sgl_tensor{nullptr, desc.dtype, 3, {desc.num_groups, desc.out_features, desc.in_features}, {}}
                    : sgl_tensor{nullptr, desc.dtype, 2, {desc.out_features, desc.in_features}, {}};
  const int index = num_tensors_++;
  tensors_[index] = {name, &view};
  if (!is_grouped && desc.num_groups != 1) {
    fail_tensor(index, "it has " + std::to_string(desc.num_groups) + " groups, expected 1");
  }
  return Tensor(*this, index);
}

// Checks of one tensor

const sgl_tensor& Match::Tensor::view() const { return *match_.tensors_[index_].view; }

bool Match::is_empty(const sgl_tensor* tensor) { return num_elements(*tensor) == 0; }

bool Match::Tensor::is_empty() const { return Match::is_empty(&view()); }

Match::Tensor& Match::Tensor::is(sgl_dtype type) {
  if (view().dtype != type) match_.fail_tensor(index_, "expected " + name_of(type));
  return *this;
}

bool Match::may_be(int tensor, Type type) const {
  const NamedType& named = types_[type.symbol];
  const sgl_dtype actual = tensors_[tensor].view->dtype;
  return (named.allowed >> actual & 1) != 0 && (named.tensor < 0 || tensors_[named.tensor].view->dtype == actual);
}

Match::Tensor& Match::Tensor::is(Type type) {
  NamedType& named = match_.types_[type.symbol];
  if (!match_.may_be(index_, type)) {
    if (named.tensor >= 0) match_.fail_pair(index_, named.tensor, "types differ");
    std::string names;
    for (int allowed = 0; allowed < static_cast<int>(std::size(kTypes)); ++allowed) {
      if ((named.allowed >> allowed & 1) != 0) names += (names.empty() ? "" : " or ") + std::string(kTypes[allowed].name);
    }
    match_.fail_tensor(index_, "expected " + names);
  }
  if (named.tensor < 0) named.tensor = index_;
  return *this;
}

Match::Tensor& Match::Tensor::is(Type type, sgl_dtype other) { return view().dtype == other ? *this : is(type); }

Match::Tensor& Match::Tensor::shape(Shape a) {
  if (view().rank != static_cast<int>(a.size())) match_.fail_tensor(index_, "expected " + match_.spell(a));
  int axis = 0;
  for (const Dim dim : a) bind(dim, axis++);
  return *this;
}

Match::Tensor& Match::Tensor::shape(Shape a, Shape b) {
  if (view().rank == static_cast<int>(a.size())) return shape(a);
  if (view().rank == static_cast<int>(b.size())) return shape(b);
  match_.fail_tensor(index_, "expected " + match_.spell(a) + " or " + match_.spell(b));
}

void Match::Tensor::bind(Dim dim, int axis) {
  const sgl_tensor& tensor = view();
  const int64_t size = tensor.shape[axis];
  const std::string here = axis_name(axis, tensor.rank) + " dim";
  if (dim.symbol < 0) {
    if (size != dim.factor) match_.fail_tensor(index_, here + " must be " + std::to_string(dim.factor));
    return;
  }
  NamedDim& named = match_.dims_[dim.symbol];
  if (named.size < 0) {
    if (size % dim.factor != 0) match_.fail_tensor(index_, here + " must be a multiple of " + std::to_string(dim.factor));
    named = {named.name, size / dim.factor, index_, axis, nullptr};
    return;
  }
  if (size == named.size * dim.factor) return;
  if (named.tensor < 0) {
    match_.fail_tensor(
        index_, here + " (" + named.name + ") must be " + std::to_string(named.size * dim.factor) + ", that of " + named.what);
  }
  const sgl_tensor& first = *match_.tensors_[named.tensor].view;
  const std::string there = axis_name(named.axis, first.rank) + " dim";
  if (dim.factor != 1) {
    match_.fail_pair(index_, named.tensor,
                     here + " of " + match_.tensors_[index_].name + " must be " + std::to_string(dim.factor) + " times the " +
                         there + " of " + match_.tensors_[named.tensor].name);
  }
  if (here == there) match_.fail_pair(index_, named.tensor, here + "s differ");
  if (axis == named.axis) match_.fail_pair(index_, named.tensor, axis_name(axis, 5) + " dims differ");
  match_.fail_pair(
      index_, named.tensor,
      here + " of " + match_.tensors_[index_].name + " and " + there + " of " + match_.tensors_[named.tensor].name + " differ");
}

Match::Tensor& Match::Tensor::same_rank_as(const Tensor& other) {
  if (view().rank != other.view().rank) match_.fail_pair(index_, other.index_, "ranks differ");
  return *this;
}

Match::Tensor& Match::Tensor::same_shape_as(const Tensor& other) {
  const sgl_tensor& a = view();
  const sgl_tensor& b = other.view();
  bool is_same = a.rank == b.rank;
  for (int axis = 0; is_same && axis < a.rank; ++axis) is_same = a.shape[axis] == b.shape[axis];
  if (!is_same) match_.fail_pair(index_, other.index_, "shapes differ");
  return *this;
}

Match::Tensor& Match::Tensor::last_dense() {
  const sgl_tensor& tensor = view();
  const int last = tensor.rank - 1;
  if (tensor.stride[last] != 1 && tensor.shape[last] > 1) {
    match_.fail_tensor(index_, "its strides are " + bracketed(tensor.stride, tensor.rank) + ", expected 1 in the last dim");
  }
  return *this;
}

Match::Tensor& Match::Tensor::dense() {
  const sgl_tensor& tensor = view();
  int64_t expected = 1;
  for (int axis = tensor.rank - 1; axis >= 0 && !is_empty(); --axis) {
    if (tensor.stride[axis] != expected && tensor.shape[axis] > 1) {
      match_.fail_tensor(index_, "its strides are " + bracketed(tensor.stride, tensor.rank) + ", expected no gaps");
    }
    expected *= tensor.shape[axis];
  }
  return *this;
}

Match::Tensor& Match::Tensor::disjoint_from(const Tensor& other) {
  if (is_empty() || other.is_empty()) return *this;
  const auto a = reinterpret_cast<uintptr_t>(view().data);
  const auto b = reinterpret_cast<uintptr_t>(other.view().data);
  if (a < b + extent_bytes(other.view()) && b < a + extent_bytes(view())) {
    match_.fail_pair(index_, other.index_, "they overlap in memory");
  }
  return *this;
}

// Messages

std::string Match::describe(int tensor) const {
  const sgl_tensor& view = *tensors_[tensor].view;
  return std::string(tensors_[tensor].name) + " is " + bracketed(view.shape, view.rank) + " " + name_of(view.dtype);
}

std::string Match::spell(Shape shape) const {
  std::string text;
  for (const Dim dim : shape) {
    text += text.empty() ? "[" : ", ";
    if (dim.symbol < 0) {
      text += std::to_string(dim.factor);
    } else {
      text += (dim.factor == 1 ? "" : std::to_string(dim.factor) + " * ") + dims_[dim.symbol].name;
    }
  }
  return text + "]";
}

void Match::fail_tensor(int tensor, const std::string& problem) const {
  fail(SGL_INVALID_ARGUMENT, "%s: %s: %s", op_, describe(tensor).c_str(), problem.c_str());
}

void Match::fail_pair(int tensor, int other, const std::string& problem) const {
  fail(SGL_INVALID_ARGUMENT, "%s: %s, %s: %s", op_, describe(tensor).c_str(), describe(other).c_str(), problem.c_str());
}

}  // namespace sgl
