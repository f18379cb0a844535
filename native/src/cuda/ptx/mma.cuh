#pragma once

#include <cstdint>

namespace sgl::cuda::ptx {

/// d += a b for a [16, 16] row-major, b [16, 8] column-major, both bf16, d [16, 8] f32 (PTX ISA, mma.m16n8k16). With
/// g = lane / 4 and t = lane % 4 a lane holds, as pairs of neighbours along k:
///   a[0] row g, k 2t   a[1] row g + 8, k 2t   a[2] row g, k 2t + 8   a[3] row g + 8, k 2t + 8
///   b[0] k 2t, column g   b[1] k 2t + 8, column g
///   d[0..1] row g, columns 2t, 2t + 1   d[2..3] row g + 8
__device__ __forceinline__ void mma_bf16(float (&d)[4], uint32_t a0, uint32_t a1, uint32_t a2, uint32_t a3, uint32_t b0,
                                         uint32_t b1) {
  asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
               : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
               : "r"(a0), "r"(a1), "r"(a2), "r"(a3), "r"(b0), "r"(b1));
}

}  // namespace sgl::cuda::ptx
