#include "cuda/kernels/gemm/linear_config.hpp"

#include <gtest/gtest.h>

namespace sgl::cuda {
namespace {

DeviceInfo h100() { return {0, 9, 0, 132, int64_t{50} << 20, 227 << 10}; }

LinearDesc plain(int64_t num_rows, int64_t out_features, int64_t in_features = 4096) {
  return {num_rows, out_features, in_features, SGL_BF16, SGL_BF16, false, false, false, SGL_F32, true};
}

std::string choice(const LinearDesc& desc) { return describe(select_linear(desc, h100())); }

TEST(SelectLinear, Few_rows_stream_the_weight) {
  for (const int64_t rows : {1, 8}) EXPECT_EQ("few_rows 1x1", choice(plain(rows, 4096))) << rows;
  EXPECT_EQ("few_rows 1x2", choice(plain(9, 4096)));
  EXPECT_EQ("few_rows 1x2", choice(plain(kMaxFewRows, 4096)));
  EXPECT_EQ("cublaslt", choice(plain(kMaxFewRows + 1, 4096)));
}

TEST(SelectLinear, Two_weight_tiles_a_block_where_then_all_blocks_run_at_once) {
  EXPECT_EQ("few_rows 2x1", choice(plain(1, 6144)));
  EXPECT_EQ("few_rows 1x1", choice(plain(1, 128256))) << "many waves either way";
  EXPECT_EQ("few_rows 2x2", choice(plain(16, 128256))) << "and there two tiles halve the reads of x";
}

TEST(SelectLinear, A_gate_has_its_tile_and_the_one_of_up_in_a_block) {
  LinearDesc desc = plain(1, 64);
  desc.is_gated = true;
  EXPECT_EQ("few_rows 2x1", choice(desc));
}

TEST(SelectLinear, Rows_that_are_not_whole_accesses_and_few_f32_rows_are_generic) {
  LinearDesc desc = plain(1, 4096);
  desc.is_aligned = false;
  EXPECT_EQ("generic", choice(desc));
  desc.num_rows = 1000;
  EXPECT_EQ("generic", choice(desc));
  desc = plain(16, 4096);
  desc.dtype = desc.y_dtype = SGL_F32;
  EXPECT_EQ("generic", choice(desc));
  desc.num_rows = 17;
  EXPECT_EQ("cublaslt", choice(desc));
}

TEST(SelectLinear, What_the_library_cannot_fuse_is_left_to_an_epilogue_of_ours) {
  LinearDesc desc = plain(100, 4096);
  desc.has_bias = true;
  EXPECT_EQ("cublaslt", choice(desc));
  desc.has_residual = true;
  desc.residual_dtype = SGL_BF16;
  EXPECT_EQ("cublaslt + epilogue", choice(desc)) << "both are not rounded once";
  desc.has_bias = false;
  EXPECT_EQ("cublaslt", choice(desc));
  desc.residual_dtype = SGL_F32;
  EXPECT_EQ("cublaslt + epilogue", choice(desc));
  desc.residual_dtype = SGL_BF16;
  desc.y_dtype = SGL_F32;
  EXPECT_EQ("cublaslt + epilogue", choice(desc));
}

TEST(SelectLinear, A_gated_product_is_rounded_only_where_it_no_longer_fits_the_cache) {
  LinearDesc desc = plain(100, 28672);
  desc.is_gated = true;
  EXPECT_EQ(SGL_F32, select_linear(desc, h100()).product_dtype);
  desc.num_rows = 4096;
  EXPECT_EQ(SGL_BF16, select_linear(desc, h100()).product_dtype);
  desc.dtype = desc.y_dtype = SGL_F32;
  EXPECT_EQ(SGL_F32, select_linear(desc, h100()).product_dtype);
}

}  // namespace
}  // namespace sgl::cuda
