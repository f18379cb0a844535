#include "reference/rope.hpp"

#include "reference/element.hpp"

namespace sgl::reference {

std::vector<double> rope(const sgl_tensor& heads, const sgl_tensor& positions, const sgl_tensor& cos_sin,
                         sgl_rope_layout layout) {
  const int64_t half = cos_sin.shape[1] / 2;
  std::vector<double> rotated;
  for (int64_t token = 0; token < heads.shape[0]; ++token) {
    const int64_t position = load_id(positions, {token});
    for (int64_t head = 0; head < heads.shape[1]; ++head) {
      for (int64_t i = 0; i < heads.shape[2]; ++i) {
        if (i >= 2 * half) {
          rotated.push_back(load(heads, {token, head, i}));
          continue;
        }
        const bool is_half_split = layout == SGL_ROPE_HALF_SPLIT;
        const int64_t pair = is_half_split ? i % half : i / 2;
        const bool is_first = is_half_split ? i < half : i % 2 == 0;
        const double a = load(heads, {token, head, is_half_split ? pair : 2 * pair});
        const double b = load(heads, {token, head, is_half_split ? pair + half : 2 * pair + 1});
        const double cos = load(cos_sin, {position, pair}), sin = load(cos_sin, {position, half + pair});
        rotated.push_back(is_first ? a * cos - b * sin : b * cos + a * sin);
      }
    }
  }
  return rotated;
}

}  // namespace sgl::reference
