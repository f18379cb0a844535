#include "cuda/kernels/gemm/linear_config.hpp"

#include <gtest/gtest.h>

namespace sgl::cuda {
namespace {

DeviceInfo h100() { return {0, 9, 0, 132, int64_t{50} << 20, 227 << 10}; }

LinearDesc plain(int64_t num_rows, int64_t out_features, int64_t in_features = 4096) {
  return {num_rows, out_features, in_features, SGL_BF16, SGL_BF16, false, false, false, SGL_F32, true};
}

std::string choice(const LinearDesc& desc) { return describe(select_linear(desc, h100())); }

DeviceInfo a100() { return {0, 8, 0, 108, int64_t{40} << 20, 163 << 10}; }

TEST(SelectLinear, Few_rows_stream_the_weight) {
  for (const int64_t rows : {1, 8}) EXPECT_EQ("few_rows 1x1", choice(plain(rows, 4096))) << rows;
  EXPECT_EQ("few_rows 1x2", describe(select_linear(plain(9, 2048), a100())));
  EXPECT_EQ("few_rows 1x2", describe(select_linear(plain(kMaxFewRows, 2048), a100())));
  EXPECT_EQ("cublaslt", describe(select_linear(plain(kMaxFewRows + 1, 2048), a100())));
}

TEST(SelectLinear, More_rows_stream_it_through_the_copy_engine_in_parts_or_whole_tiles_of_equal_number) {
  EXPECT_EQ("cluster 16 in 3 by 96", choice(plain(9, 4096))) << "32 tiles in 3 parts";
  EXPECT_EQ("cluster 32 in 3 by 96", choice(plain(17, 4096)));
  EXPECT_EQ("cluster 32 in 2 by 96", choice(plain(32, 6144))) << "48 tiles in 2";
  EXPECT_EQ("cluster 64 in 3 by 96", choice(plain(33, 4096, 14336)));
  EXPECT_EQ("cluster 64 in 1 by 126", choice(plain(64, 128256))) << "1002 tiles in 8 rounds";
  EXPECT_EQ("cluster 32 in 3 by 3", choice(plain(20, 100, 300))) << "a part is at least a stage";
  EXPECT_EQ("cluster 32 in 8 by 8", choice(plain(20, 100, 4096))) << "and a cluster has at most 8 blocks";
  EXPECT_EQ("cublaslt", describe(select_linear(plain(32, 4096), a100())));
}

TEST(SelectLinear, Past_64_rows_only_long_parts_and_whole_tiles_stream) {
  EXPECT_EQ("cublaslt", choice(plain(65, 4096))) << "too short to pay for the parts";
  EXPECT_EQ("cublaslt", choice(plain(65, 6144)));
  EXPECT_EQ("cluster 128 in 1 by 126", choice(plain(65, 128256)));
  EXPECT_EQ("cluster 128 in 3 by 96", choice(plain(65, 4096, 14336)));
  EXPECT_EQ("cluster 128 in 3 by 96", choice(plain(128, 4096, 14336)));
  EXPECT_EQ("cublaslt", choice(plain(129, 4096, 14336)));
  EXPECT_EQ("cublaslt", choice(plain(129, 128256)));
}

TEST(SelectLinear, A_gated_product_streams_from_9_rows_to_256) {
  LinearDesc desc = plain(9, 28672);
  desc.is_gated = true;
  EXPECT_EQ("cluster 16 in 1 by 112", choice(desc)) << "224 tiles in 2 rounds";
  desc.num_rows = 128;
  EXPECT_EQ("cluster 128 in 1 by 112", choice(desc));
  for (const int64_t rows : {129, 255, 256}) {
    desc.num_rows = rows;
    EXPECT_EQ("cluster 256 in 1 by 112", choice(desc)) << rows;
  }
  desc.num_rows = 257;
  EXPECT_EQ("cublaslt + epilogue", choice(desc));
}

TEST(SelectLinear, A_gate_whose_rows_are_not_whole_groups_of_8_does_not_stream_by_clusters) {
  LinearDesc desc = plain(16, 40);
  desc.is_gated = true;
  EXPECT_EQ("few_rows 2x2", choice(desc));
  desc.num_rows = 40;
  EXPECT_EQ("cublaslt + epilogue", choice(desc));
}

TEST(SelectLinear, Two_weight_tiles_a_block_where_then_all_blocks_run_at_once) {
  EXPECT_EQ("few_rows 2x1", choice(plain(1, 6144)));
  EXPECT_EQ("few_rows 1x1", choice(plain(1, 128256))) << "many waves either way";
  EXPECT_EQ("few_rows 2x2", describe(select_linear(plain(16, 128256), a100()))) << "and there two tiles halve the reads of x";
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
  LinearDesc desc = plain(200, 4096);
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
  LinearDesc desc = plain(200, 28672);
  desc.is_gated = true;
  EXPECT_EQ(SGL_F32, select_linear(desc, a100()).product_dtype);
  desc.num_rows = 4096;
  EXPECT_EQ(SGL_BF16, select_linear(desc, a100()).product_dtype);
  desc.dtype = desc.y_dtype = SGL_F32;
  EXPECT_EQ(SGL_F32, select_linear(desc, a100()).product_dtype);
}

}  // namespace
}  // namespace sgl::cuda
