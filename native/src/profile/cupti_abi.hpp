#pragma once

#include <cstddef>
#include <cstdint>

// The part of CUPTI's binary interface that is used, so that neither the build nor the library needs CUPTI's headers. Records
// grow at their ends only; where the CUDA toolkit is present, native/src/cuda/profile/cupti_layout.cc checks every offset
// against it.

namespace sgl::profile::cupti {

using Result = int;
inline constexpr Result kSuccess = 0;

enum Kind : uint32_t {
  kMemcpy = 1,
  kMemset = 2,
  kDriver = 4,
  kRuntime = 5,
  kConcurrentKernel = 10,
  kOverhead = 17,
  kPeerMemcpy = 22,
  kSynchronization = 38,
};

inline constexpr uint32_t kDriverDomain = 1;
inline constexpr uint32_t kRuntimeDomain = 2;
inline constexpr uint32_t kFlushForced = 1;
/// Threads by the kernel's numbers.
inline constexpr uint32_t kSystemThreadIds = 1;

#define SGL_CUPTI_RECORD __attribute__((packed, aligned(8)))

struct SGL_CUPTI_RECORD Activity {
  uint32_t kind;
};

struct SGL_CUPTI_RECORD Kernel {
  uint32_t kind;
  uint8_t cache_config;
  uint8_t shared_memory_config;
  uint16_t registers_per_thread;
  uint32_t partitioned_requested;
  uint32_t partitioned_executed;
  uint64_t start;
  uint64_t end;
  uint64_t completed;
  uint32_t device;
  uint32_t context;
  uint32_t stream;
  int32_t grid[3];
  int32_t block[3];
  int32_t static_shared_bytes;
  int32_t dynamic_shared_bytes;
  uint32_t local_bytes_per_thread;
  uint32_t local_bytes;
  uint32_t correlation;
  int64_t grid_id;
  const char* name;
  void* reserved;
  uint64_t queued;
  uint64_t submitted;
  uint8_t launch_type;
  uint8_t is_carveout_requested;
  uint8_t carveout_requested;
  uint8_t padding;
  uint32_t shared_memory_executed;
  uint64_t graph_node;
  uint32_t shared_limit_config;
  uint32_t graph;
  void* access_policy_window;
  uint32_t channel;
  uint32_t channel_type;
};

struct SGL_CUPTI_RECORD Memcpy {
  uint32_t kind;
  uint8_t copy_kind;
  uint8_t source_kind;
  uint8_t destination_kind;
  uint8_t flags;
  uint64_t bytes;
  uint64_t start;
  uint64_t end;
  uint32_t device;
  uint32_t context;
  uint32_t stream;
  uint32_t correlation;
  uint32_t runtime_correlation;
  uint32_t padding;
  void* reserved;
  uint64_t graph_node;
  uint32_t graph;
  uint32_t channel;
  uint32_t channel_type;
};

struct SGL_CUPTI_RECORD PeerMemcpy {
  uint32_t kind;
  uint8_t copy_kind;
  uint8_t source_kind;
  uint8_t destination_kind;
  uint8_t flags;
  uint64_t bytes;
  uint64_t start;
  uint64_t end;
  uint32_t device;
  uint32_t context;
  uint32_t stream;
  uint32_t source_device;
  uint32_t source_context;
  uint32_t destination_device;
  uint32_t destination_context;
  uint32_t correlation;
  void* reserved;
  uint64_t graph_node;
  uint32_t graph;
  uint32_t channel;
  uint32_t channel_type;
};

struct SGL_CUPTI_RECORD Memset {
  uint32_t kind;
  uint32_t value;
  uint64_t bytes;
  uint64_t start;
  uint64_t end;
  uint32_t device;
  uint32_t context;
  uint32_t stream;
  uint32_t correlation;
  uint16_t flags;
  uint16_t memory_kind;
  uint32_t padding;
  void* reserved;
  uint64_t graph_node;
  uint32_t graph;
  uint32_t channel;
  uint32_t channel_type;
};

struct SGL_CUPTI_RECORD Api {
  uint32_t kind;
  uint32_t callback;
  uint64_t start;
  uint64_t end;
  uint32_t process;
  uint32_t thread;
  uint32_t correlation;
  uint32_t return_value;
};

struct SGL_CUPTI_RECORD Synchronization {
  uint32_t kind;
  uint32_t type;
  uint64_t start;
  uint64_t end;
  uint32_t correlation;
  uint32_t context;
  uint32_t stream;
  uint32_t event;
};

struct SGL_CUPTI_RECORD Overhead {
  uint32_t kind;
  uint32_t overhead_kind;
  uint32_t object_kind;
  uint32_t object[3];
  uint64_t start;
  uint64_t end;
};

using BufferRequested = void (*)(uint8_t** buffer, size_t* size, size_t* max_num_records);
using BufferCompleted = void (*)(void* context, uint32_t stream, uint8_t* buffer, size_t size, size_t valid_size);

/// The functions of an opened libcupti.
struct Functions {
  Result (*get_version)(uint32_t*);
  Result (*get_result_string)(Result, const char**);
  Result (*get_timestamp)(uint64_t*);
  Result (*register_callbacks)(BufferRequested, BufferCompleted);
  /// Null before CUDA 11.6.
  Result (*register_timestamp)(uint64_t (*)());
  /// Null before CUDA 11.
  Result (*set_thread_id_type)(uint32_t type);
  Result (*enable)(uint32_t kind);
  Result (*disable)(uint32_t kind);
  Result (*flush_all)(uint32_t flag);
  Result (*get_next_record)(uint8_t* buffer, size_t valid_size, Activity** record);
  Result (*get_num_dropped)(void* context, uint32_t stream, size_t* dropped);
  Result (*get_callback_name)(uint32_t domain, uint32_t callback, const char** name);
};

}  // namespace sgl::profile::cupti
