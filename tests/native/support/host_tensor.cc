#include "support/host_tensor.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <cstring>

namespace sgl::test {
namespace {

constexpr uint32_t kPoisonF32 = 0x7fc0dead;
constexpr uint16_t kPoison16 = 0x7fde;  // a NaN of bf16 and of f16

int bytes_of(sgl_dtype dtype) {
  switch (dtype) {
    case SGL_F32:
    case SGL_I32:
      return 4;
    case SGL_BF16:
    case SGL_F16:
      return 2;
    case SGL_I64:
      return 8;
    default:
      return 1;
  }
}

Shape dense_stride(const Shape& shape) { return HostTensor::gapped(shape, 0); }

uint16_t bf16_of(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  if (std::isnan(value)) return static_cast<uint16_t>(bits >> 16 | 0x40);
  const uint32_t half = 0x7fff + (bits >> 16 & 1);
  return static_cast<uint16_t>((bits + half) >> 16);
}

float float_of_bf16(uint16_t bits) {
  const uint32_t wide = uint32_t{bits} << 16;
  float value;
  std::memcpy(&value, &wide, sizeof value);
  return value;
}

}  // namespace

HostTensor::HostTensor(sgl_dtype dtype, const Shape& shape) : HostTensor(dtype, shape, dense_stride(shape)) {}

HostTensor::HostTensor(sgl_dtype dtype, const Shape& shape, const Shape& stride) {
  if (shape.empty() || shape.size() > 4 || shape.size() != stride.size()) std::abort();
  view_.dtype = dtype;
  view_.rank = static_cast<int32_t>(shape.size());
  for (size_t axis = 0; axis < shape.size(); ++axis) {
    view_.shape[axis] = shape[axis];
    view_.stride[axis] = stride[axis];
  }
  num_bytes_ = num_stored() * bytes_of(dtype);
  memory_ = allocate_memory(num_bytes_);
  view_.data = memory_.get();
  poison();
}

HostTensor HostTensor::ids(const std::vector<int32_t>& ids) {
  HostTensor tensor(SGL_I32, {static_cast<int64_t>(ids.size())});
  for (size_t i = 0; i < ids.size(); ++i) tensor.data<int32_t>()[i] = ids[i];
  return tensor;
}

HostTensor HostTensor::uniform(Random& random, sgl_dtype dtype, const Shape& shape, double low, double high) {
  HostTensor tensor(dtype, shape);
  tensor.fill_uniform(random, low, high);
  return tensor;
}

HostTensor HostTensor::normal(Random& random, sgl_dtype dtype, const Shape& shape, double scale) {
  HostTensor tensor(dtype, shape);
  tensor.fill_normal(random, scale);
  return tensor;
}

Shape HostTensor::gapped(const Shape& shape, int64_t gap) {
  Shape stride(shape.size(), 1);
  for (int axis = static_cast<int>(shape.size()) - 2; axis >= 0; --axis) {
    stride[axis] = stride[axis + 1] * shape[axis + 1] + (axis + 2 == static_cast<int>(shape.size()) ? gap : 0);
  }
  return stride;
}

int64_t HostTensor::num_elements() const {
  int64_t count = 1;
  for (int axis = 0; axis < view_.rank; ++axis) count *= view_.shape[axis];
  return count;
}

int64_t HostTensor::num_stored() const { return num_elements() == 0 ? 0 : offset_of(num_elements() - 1) + 1; }

int64_t HostTensor::offset_of(int64_t i) const {
  int64_t offset = 0;
  for (int axis = view_.rank - 1; axis >= 0; --axis) {
    offset += i % view_.shape[axis] * view_.stride[axis];
    i /= view_.shape[axis];
  }
  return offset;
}

double HostTensor::get(int64_t i) const {
  const int64_t offset = offset_of(i);
  switch (view_.dtype) {
    case SGL_F32:
      return data<float>()[offset];
    case SGL_BF16:
      return float_of_bf16(data<uint16_t>()[offset]);
    case SGL_F16:
      return static_cast<double>(data<_Float16>()[offset]);
    case SGL_I32:
      return data<int32_t>()[offset];
    case SGL_I64:
      return static_cast<double>(data<int64_t>()[offset]);
    default:
      std::abort();
  }
}

void HostTensor::set(int64_t i, double value) {
  const int64_t offset = offset_of(i);
  switch (view_.dtype) {
    case SGL_F32:
      data<float>()[offset] = static_cast<float>(value);
      break;
    case SGL_BF16:
      data<uint16_t>()[offset] = bf16_of(static_cast<float>(value));
      break;
    case SGL_F16:
      data<_Float16>()[offset] = static_cast<_Float16>(value);
      break;
    case SGL_I32:
      data<int32_t>()[offset] = static_cast<int32_t>(value);
      break;
    case SGL_I64:
      data<int64_t>()[offset] = static_cast<int64_t>(value);
      break;
    default:
      std::abort();
  }
}

HostTensor& HostTensor::fill_uniform(Random& random, double low, double high) {
  for (int64_t i = 0; i < num_elements(); ++i) set(i, random.uniform(low, high));
  return *this;
}

HostTensor& HostTensor::fill_normal(Random& random, double scale) {
  for (int64_t i = 0; i < num_elements(); ++i) set(i, scale * random.normal());
  return *this;
}

HostTensor& HostTensor::poison() {
  const int element_bytes = bytes_of(view_.dtype);
  for (int64_t at = 0; at < num_bytes_; at += element_bytes) {
    unsigned char* element = memory_.get() + at;
    switch (view_.dtype) {
      case SGL_F32:
        std::memcpy(element, &kPoisonF32, sizeof kPoisonF32);
        break;
      case SGL_BF16:
      case SGL_F16:
        std::memcpy(element, &kPoison16, sizeof kPoison16);
        break;
      default:
        std::memcpy(element, &kPoisonId, std::min<size_t>(element_bytes, sizeof kPoisonId));
        if (element_bytes == 8) std::memcpy(element + 4, &kPoisonId, sizeof kPoisonId);
    }
  }
  return *this;
}

HostTensor HostTensor::clone() const {
  HostTensor copy(view_.dtype, shape(), Shape(view_.stride, view_.stride + view_.rank));
  std::memcpy(copy.memory_.get(), memory_.get(), num_bytes_);
  return copy;
}

std::vector<double> HostTensor::values() const {
  std::vector<double> values(num_elements());
  for (int64_t i = 0; i < num_elements(); ++i) values[i] = get(i);
  return values;
}

std::vector<int32_t> HostTensor::id_values() const {
  std::vector<int32_t> values(num_elements());
  for (int64_t i = 0; i < num_elements(); ++i) values[i] = static_cast<int32_t>(get(i));
  return values;
}

bool HostTensor::gaps_are_intact() const {
  const int element_bytes = bytes_of(view_.dtype);
  std::vector<bool> is_element(num_stored());
  for (int64_t i = 0; i < num_elements(); ++i) is_element[offset_of(i)] = true;
  const HostTensor untouched(view_.dtype, {1});
  for (int64_t i = 0; i < num_stored(); ++i) {
    if (!is_element[i] && std::memcmp(memory_.get() + i * element_bytes, untouched.memory_.get(), element_bytes) != 0)
      return false;
  }
  return true;
}

}  // namespace sgl::test
