#include "reference/element.hpp"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace sgl::reference {
namespace {

/// Value of a float with `exponent_bits` and `mantissa_bits`, as IEEE 754 defines it.
double decode(uint32_t bits, int exponent_bits, int mantissa_bits) {
  const int bias = (1 << (exponent_bits - 1)) - 1;
  const uint32_t mantissa = bits & ((1u << mantissa_bits) - 1);
  const int exponent = static_cast<int>(bits >> mantissa_bits & ((1u << exponent_bits) - 1));
  const double sign = bits >> (exponent_bits + mantissa_bits) & 1 ? -1 : 1;
  if (exponent == (1 << exponent_bits) - 1) {
    return mantissa == 0 ? sign * std::numeric_limits<double>::infinity() : std::numeric_limits<double>::quiet_NaN();
  }
  if (exponent == 0) return sign * std::ldexp(mantissa, 1 - bias - mantissa_bits);
  return sign * std::ldexp(mantissa + (1u << mantissa_bits), exponent - bias - mantissa_bits);
}

/// Nearest value of such a float; ties go to the even one.
double round_to_format(double value, int exponent_bits, int mantissa_bits) {
  if (!std::isfinite(value) || value == 0) return value;
  const int bias = (1 << (exponent_bits - 1)) - 1;
  int exponent;
  std::frexp(value, &exponent);  // |value| is in [0.5, 1) * 2^exponent
  const int smallest = 1 - bias - mantissa_bits;
  const int unit = std::max(exponent - 1 - mantissa_bits, smallest);
  const double rounded = std::ldexp(std::nearbyint(std::ldexp(value, -unit)), unit);
  const double largest = std::ldexp(2 - std::ldexp(1.0, -mantissa_bits), bias);
  return std::abs(rounded) > largest ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

int64_t offset_of(const sgl_tensor& tensor, Index index) {
  if (static_cast<int>(index.size()) != tensor.rank) std::abort();  // a mistake in the test itself
  int64_t offset = 0;
  int axis = 0;
  for (const int64_t i : index) {
    if (i < 0 || i >= tensor.shape[axis]) std::abort();
    offset += i * tensor.stride[axis++];
  }
  return offset;
}

}  // namespace

double load(const sgl_tensor& tensor, Index index) {
  const int64_t offset = offset_of(tensor, index);
  switch (tensor.dtype) {
    case SGL_F32:
      return static_cast<const float*>(tensor.data)[offset];
    case SGL_BF16:
      return decode(static_cast<const uint16_t*>(tensor.data)[offset], 8, 7);
    case SGL_F16:
      return decode(static_cast<const uint16_t*>(tensor.data)[offset], 5, 10);
    case SGL_I32:
      return static_cast<const int32_t*>(tensor.data)[offset];
    case SGL_I64:
      return static_cast<double>(static_cast<const int64_t*>(tensor.data)[offset]);
    default:
      std::abort();
  }
}

int32_t load_id(const sgl_tensor& tensor, Index index) {
  if (tensor.dtype != SGL_I32) std::abort();
  return static_cast<const int32_t*>(tensor.data)[offset_of(tensor, index)];
}

double round_to(sgl_dtype dtype, double value) {
  switch (dtype) {
    case SGL_F32:
      return static_cast<float>(value);
    case SGL_BF16:
      return round_to_format(value, 8, 7);
    case SGL_F16:
      return round_to_format(value, 5, 10);
    default:
      std::abort();
  }
}

}  // namespace sgl::reference
