#include "probes.hpp"

#include <sys/mman.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

namespace sgl::bench {
namespace {

constexpr size_t kBufferBytes = size_t{1} << 30;
constexpr size_t kSliceBytes = size_t{256} << 20;  // some 4 ms
constexpr int kChains = 16;                        // independent accumulators: more than latency times issue width
constexpr int kRounds = 200'000;

/// Makes the compiler believe that a result is used.
void keep(const void* result, size_t num_bytes) { asm volatile("" : : "r"(result), "r"(num_bytes) : "memory"); }

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

// Four lines of four streams at a time: the fastest of the patterns tried on Zen 5.

void read_plain(const std::byte* data, size_t num_bytes) {
  const auto* words = reinterpret_cast<const uint64_t*>(data);
  uint64_t sums[8] = {};
  for (size_t i = 0; i + 8 <= num_bytes / 8; i += 8) {
    for (int lane = 0; lane < 8; ++lane) sums[lane] += words[i + lane];
  }
  keep(sums, sizeof(sums));
}

/// Returns the FLOPs done.
// NOTE: each chain passes through an asm statement, or the compiler would see that all are equal and keep one.
double multiply_add_plain() {
  constexpr int kLanes = 4;
  float sums[kChains * kLanes] = {};
  asm volatile("" : : "r"(sums) : "memory");
  float factor = 0.5f;
  for (int round = 0; round < kRounds; ++round) {
    for (float& sum : sums) sum = sum * factor + factor;
    asm volatile("" : "+m"(factor));
  }
  keep(sums, sizeof(sums));
  return 2.0 * kRounds * kChains * kLanes;
}

#if defined(__x86_64__)
__attribute__((target("avx512f"))) void read_avx512(const std::byte* data, size_t num_bytes) {
  const size_t quarter = num_bytes / 4 / 64 * 64;
  __m512i sums[4] = {};
  for (size_t i = 0; i < quarter; i += 64) {
    for (int stream = 0; stream < 4; ++stream) {
      sums[stream] = _mm512_xor_si512(sums[stream], _mm512_loadu_si512(data + stream * quarter + i));
    }
  }
  const __m512i all = _mm512_xor_si512(_mm512_xor_si512(sums[0], sums[1]), _mm512_xor_si512(sums[2], sums[3]));
  keep(&all, sizeof(all));
}

__attribute__((target("avx512f"))) double multiply_add_avx512() {
  __m512 sums[kChains];
#pragma GCC unroll 16
  for (int chain = 0; chain < kChains; ++chain) {
    sums[chain] = _mm512_setzero_ps();
    asm volatile("" : "+v"(sums[chain]));
  }
  __m512 factor = _mm512_set1_ps(0.5f);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (int chain = 0; chain < kChains; ++chain) sums[chain] = _mm512_fmadd_ps(sums[chain], factor, factor);
    asm volatile("" : "+v"(factor));
  }
  keep(sums, sizeof(sums));
  return 2.0 * kRounds * kChains * 16;
}

__attribute__((target("avx512f,avx512bf16"))) double dot_avx512() {
  __m512 sums[kChains];
#pragma GCC unroll 16
  for (int chain = 0; chain < kChains; ++chain) {
    sums[chain] = _mm512_setzero_ps();
    asm volatile("" : "+v"(sums[chain]));
  }
  __m512i pairs = _mm512_set1_epi32(0x3f803f80);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (int chain = 0; chain < kChains; ++chain) {
      sums[chain] = _mm512_dpbf16_ps(sums[chain], reinterpret_cast<__m512bh>(pairs), reinterpret_cast<__m512bh>(pairs));
    }
    asm volatile("" : "+v"(pairs));
  }
  keep(sums, sizeof(sums));
  return 4.0 * kRounds * kChains * 16;
}

__attribute__((target("avx2,fma"))) double multiply_add_avx2() {
  constexpr int kAvx2Chains = 12;  // of 16 registers
  __m256 sums[kAvx2Chains];
#pragma GCC unroll 16
  for (int chain = 0; chain < kAvx2Chains; ++chain) {
    sums[chain] = _mm256_setzero_ps();
    asm volatile("" : "+x"(sums[chain]));
  }
  __m256 factor = _mm256_set1_ps(0.5f);
  for (int round = 0; round < kRounds; ++round) {
#pragma GCC unroll 16
    for (int chain = 0; chain < kAvx2Chains; ++chain) sums[chain] = _mm256_fmadd_ps(sums[chain], factor, factor);
    asm volatile("" : "+x"(factor));
  }
  keep(sums, sizeof(sums));
  return 2.0 * kRounds * kAvx2Chains * 8;
}
#endif

void read_bytes(cpu::Isa isa, const std::byte* data, size_t num_bytes) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::kAvx512Bf16) return read_avx512(data, num_bytes);
#endif
  static_cast<void>(isa);
  read_plain(data, num_bytes);
}

double multiply_add(cpu::Isa isa, sgl_dtype dtype) {
#if defined(__x86_64__)
  if (isa == cpu::Isa::kAvx512Bf16) return dtype == SGL_BF16 ? dot_avx512() : multiply_add_avx512();
  if (isa == cpu::Isa::kAvx2) return multiply_add_avx2();
#endif
  static_cast<void>(isa);
  static_cast<void>(dtype);
  return multiply_add_plain();
}

}  // namespace

Probes::Probes(int num_threads) : pool_(num_threads), isa_(cpu::current_isa()) {
  void* mapping = mmap(nullptr, kBufferBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (mapping == MAP_FAILED) throw std::bad_alloc();
  madvise(mapping, kBufferBytes, MADV_HUGEPAGE);
  buffer_ = static_cast<std::byte*>(mapping);
  std::memset(buffer_, 1, kBufferBytes);
}

Probes::~Probes() { munmap(buffer_, kBufferBytes); }

double Probes::read(size_t offset, size_t num_bytes, int repeats) {
  const size_t share = num_bytes / pool_.size() / 256 * 256;
  const auto start = std::chrono::steady_clock::now();
  pool_.run([&](int worker) {
    for (int i = 0; i < repeats; ++i) read_bytes(isa_, buffer_ + offset + worker * share, share);
  });
  return static_cast<double>(share) * pool_.size() * repeats / seconds_since(start);
}

double Probes::read_bandwidth() {
  position_ = (position_ + kSliceBytes) % kBufferBytes;
  return read(position_, kSliceBytes, 1);
}

double Probes::cached_read_bandwidth(size_t num_bytes) {
  const size_t size = std::min(num_bytes, kBufferBytes);
  read(0, size, 1);
  return read(0, size, static_cast<int>(kSliceBytes / size) + 1);
}

double Probes::multiply_add_peak(sgl_dtype dtype) {
  std::atomic<double> flops = 0;
  const auto start = std::chrono::steady_clock::now();
  pool_.run([&](int) { flops.fetch_add(multiply_add(isa_, dtype)); });
  return flops.load() / seconds_since(start);
}

}  // namespace sgl::bench
