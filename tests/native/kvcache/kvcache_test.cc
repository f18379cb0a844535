#include "reference/kvcache.hpp"

#include <cstring>
#include <numeric>
#include <string>

#include "support/context.hpp"
#include "support/host_tensor.hpp"

namespace sgl::test {
namespace {

class KvCache : public CpuTest {
 protected:
  /// A random permutation of [low, high].
  std::vector<int32_t> permutation(int low, int high) {
    std::vector<int32_t> order(high - low + 1);
    std::iota(order.begin(), order.end(), low);
    for (size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[random.integer(0, static_cast<int64_t>(i) - 1)]);
    return order;
  }

  static bool same_bits(const HostTensor& a, const HostTensor& b) {
    const size_t num_bytes = static_cast<size_t>(a.num_elements()) * (a.dtype() == SGL_BF16 ? 2 : 4);
    return std::memcmp(a.data<char>(), b.data<char>(), num_bytes) == 0;
  }
};

TEST_F(KvCache, Append_writes_the_rows_of_its_slots_and_no_others) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int page_size : {1, 3, 16}) {
      for (const int num_tokens : {1, 17, 129}) {
        SCOPED_TRACE("pages of " + std::to_string(page_size) + ", " + std::to_string(num_tokens) + " tokens");
        const int num_pages = num_tokens / page_size + 5;
        const Shape rows{num_tokens, 3, 40};
        HostTensor k(dtype, rows, HostTensor::gapped(rows, 8));
        HostTensor v(dtype, rows);
        k.fill_normal(random);
        v.fill_normal(random);
        std::vector<int32_t> slots = permutation(page_size, num_pages * page_size - 1);
        slots.resize(num_tokens);
        const HostTensor slot_ids = HostTensor::ids(slots);
        HostTensor k_cache(dtype, {num_pages, 3, page_size, 40});
        HostTensor v_cache = k_cache.clone();
        HostTensor expected_k = k_cache.clone();
        HostTensor expected_v = k_cache.clone();
        reference::kv_append(expected_k.view(), k.view(), slot_ids.view());
        reference::kv_append(expected_v.view(), v.view(), slot_ids.view());
        ASSERT_OK(sgl_kv_append(context, k_cache, v_cache, k, v, slot_ids));
        EXPECT_TRUE(same_bits(k_cache, expected_k));
        EXPECT_TRUE(same_bits(v_cache, expected_v));
      }
    }
  }
}

TEST_F(KvCache, Padded_tokens_may_share_a_slot_of_page_0) {
  const HostTensor k = HostTensor::normal(random, SGL_BF16, {200, 2, 64});
  const HostTensor v = HostTensor::normal(random, SGL_BF16, {200, 2, 64});
  std::vector<int32_t> slots(200, 0);
  slots[7] = 16;
  const HostTensor slot_ids = HostTensor::ids(slots);
  HostTensor k_cache(SGL_BF16, {2, 2, 16, 64});
  HostTensor v_cache(SGL_BF16, {2, 2, 16, 64});
  HostTensor expected = k_cache.clone();
  reference::kv_append(expected.view(), k.view(), slot_ids.view());
  ASSERT_OK(sgl_kv_append(context, k_cache, v_cache, k, v, slot_ids));
  // Which of the padded tokens page 0 keeps is left open.
  constexpr size_t kPageBytes = 2 * 16 * 64 * 2;
  EXPECT_EQ(std::memcmp(k_cache.data<char>() + kPageBytes, expected.data<char>() + kPageBytes, kPageBytes), 0);
}

TEST_F(KvCache, Append_to_a_slot_outside_the_cache_fails_and_writes_nothing) {
  SKIP_ON_GPU("slots are checked on the CPU alone");
  const HostTensor k = HostTensor::normal(random, SGL_F32, {2, 1, 32});
  const HostTensor cache(SGL_F32, {4, 1, 3, 32});
  const HostTensor untouched = cache.clone();
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "kv_append: slots[1] is 12, but the cache has slots 0 to 11 (4 pages of 3)",
               sgl_kv_append(context, cache, cache, k, k, HostTensor::ids({5, 12})));
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "kv_append: slots[0] is -1, but the cache has slots 0 to 11 (4 pages of 3)",
               sgl_kv_append(context, cache, cache, k, k, HostTensor::ids({-1, 3})));
  EXPECT_TRUE(same_bits(cache, untouched));
}

TEST_F(KvCache, Copy_moves_whole_pages) {
  for (const sgl_dtype dtype : {SGL_BF16, SGL_F32}) {
    for (const int page_size : {1, 3, 16}) {
      SCOPED_TRACE("pages of " + std::to_string(page_size));
      HostTensor k_cache = HostTensor::normal(random, dtype, {70, 2, page_size, 96});
      HostTensor v_cache = HostTensor::normal(random, dtype, {70, 2, page_size, 96});
      HostTensor expected_k = k_cache.clone();
      HostTensor expected_v = v_cache.clone();
      const std::vector<int32_t> order = permutation(1, 69);
      const HostTensor to = HostTensor::ids({order.begin(), order.begin() + 33});
      const HostTensor from = HostTensor::ids({order.begin() + 33, order.begin() + 66});
      reference::kv_copy(expected_k.view(), to.view(), from.view());
      reference::kv_copy(expected_v.view(), to.view(), from.view());
      ASSERT_OK(sgl_kv_copy(context, k_cache, v_cache, to, from));
      EXPECT_TRUE(same_bits(k_cache, expected_k));
      EXPECT_TRUE(same_bits(v_cache, expected_v));
    }
  }
}

TEST_F(KvCache, Copy_from_a_page_outside_the_cache_fails) {
  SKIP_ON_GPU("pages are checked on the CPU alone");
  const HostTensor cache(SGL_F32, {4, 1, 3, 32});
  EXPECT_FAILS(SGL_INVALID_ARGUMENT, "kv_copy: copy 0 is from page 4 to page 1, but the cache has pages 0 to 3",
               sgl_kv_copy(context, cache, cache, HostTensor::ids({1}), HostTensor::ids({4})));
}

}  // namespace
}  // namespace sgl::test
