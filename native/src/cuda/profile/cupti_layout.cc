// Proof, where the toolkit's headers are at hand, that native/src/profile/cupti_abi.hpp is CUPTI's own layout.
#if __has_include(<cupti.h>)

#include <cupti.h>

#include "profile/cupti_abi.hpp"

namespace sgl::profile::cupti {

#define SGL_SAME(ours, field, theirs, their_field) \
  static_assert(offsetof(ours, field) == offsetof(theirs, their_field), "CUPTI has " #their_field " elsewhere")

SGL_SAME(Kernel, registers_per_thread, CUpti_ActivityKernel9, registersPerThread);
SGL_SAME(Kernel, start, CUpti_ActivityKernel9, start);
SGL_SAME(Kernel, end, CUpti_ActivityKernel9, end);
SGL_SAME(Kernel, grid, CUpti_ActivityKernel9, gridX);
SGL_SAME(Kernel, block, CUpti_ActivityKernel9, blockX);
SGL_SAME(Kernel, static_shared_bytes, CUpti_ActivityKernel9, staticSharedMemory);
SGL_SAME(Kernel, dynamic_shared_bytes, CUpti_ActivityKernel9, dynamicSharedMemory);
SGL_SAME(Kernel, name, CUpti_ActivityKernel9, name);
SGL_SAME(Kernel, queued, CUpti_ActivityKernel9, queued);
SGL_SAME(Kernel, device, CUpti_ActivityKernel9, deviceId);
SGL_SAME(Kernel, context, CUpti_ActivityKernel9, contextId);
SGL_SAME(Kernel, stream, CUpti_ActivityKernel9, streamId);
SGL_SAME(Kernel, correlation, CUpti_ActivityKernel9, correlationId);
SGL_SAME(Kernel, graph_node, CUpti_ActivityKernel9, graphNodeId);
SGL_SAME(Kernel, graph, CUpti_ActivityKernel9, graphId);
SGL_SAME(Kernel, channel, CUpti_ActivityKernel9, channelID);
SGL_SAME(Kernel, channel_type, CUpti_ActivityKernel9, channelType);

SGL_SAME(Memcpy, copy_kind, CUpti_ActivityMemcpy5, copyKind);
SGL_SAME(Memcpy, source_kind, CUpti_ActivityMemcpy5, srcKind);
SGL_SAME(Memcpy, destination_kind, CUpti_ActivityMemcpy5, dstKind);
SGL_SAME(Memcpy, bytes, CUpti_ActivityMemcpy5, bytes);
SGL_SAME(Memcpy, start, CUpti_ActivityMemcpy5, start);
SGL_SAME(Memcpy, end, CUpti_ActivityMemcpy5, end);
SGL_SAME(Memcpy, device, CUpti_ActivityMemcpy5, deviceId);
SGL_SAME(Memcpy, context, CUpti_ActivityMemcpy5, contextId);
SGL_SAME(Memcpy, stream, CUpti_ActivityMemcpy5, streamId);
SGL_SAME(Memcpy, correlation, CUpti_ActivityMemcpy5, correlationId);
SGL_SAME(Memcpy, graph_node, CUpti_ActivityMemcpy5, graphNodeId);
SGL_SAME(Memcpy, graph, CUpti_ActivityMemcpy5, graphId);
SGL_SAME(Memcpy, channel, CUpti_ActivityMemcpy5, channelID);
SGL_SAME(Memcpy, channel_type, CUpti_ActivityMemcpy5, channelType);

SGL_SAME(PeerMemcpy, copy_kind, CUpti_ActivityMemcpyPtoP4, copyKind);
SGL_SAME(PeerMemcpy, bytes, CUpti_ActivityMemcpyPtoP4, bytes);
SGL_SAME(PeerMemcpy, start, CUpti_ActivityMemcpyPtoP4, start);
SGL_SAME(PeerMemcpy, end, CUpti_ActivityMemcpyPtoP4, end);
SGL_SAME(PeerMemcpy, device, CUpti_ActivityMemcpyPtoP4, deviceId);
SGL_SAME(PeerMemcpy, context, CUpti_ActivityMemcpyPtoP4, contextId);
SGL_SAME(PeerMemcpy, stream, CUpti_ActivityMemcpyPtoP4, streamId);
SGL_SAME(PeerMemcpy, correlation, CUpti_ActivityMemcpyPtoP4, correlationId);
SGL_SAME(PeerMemcpy, graph_node, CUpti_ActivityMemcpyPtoP4, graphNodeId);
SGL_SAME(PeerMemcpy, graph, CUpti_ActivityMemcpyPtoP4, graphId);
SGL_SAME(PeerMemcpy, channel, CUpti_ActivityMemcpyPtoP4, channelID);
SGL_SAME(PeerMemcpy, channel_type, CUpti_ActivityMemcpyPtoP4, channelType);

SGL_SAME(Memset, memory_kind, CUpti_ActivityMemset4, memoryKind);
SGL_SAME(Memset, bytes, CUpti_ActivityMemset4, bytes);
SGL_SAME(Memset, start, CUpti_ActivityMemset4, start);
SGL_SAME(Memset, end, CUpti_ActivityMemset4, end);
SGL_SAME(Memset, device, CUpti_ActivityMemset4, deviceId);
SGL_SAME(Memset, context, CUpti_ActivityMemset4, contextId);
SGL_SAME(Memset, stream, CUpti_ActivityMemset4, streamId);
SGL_SAME(Memset, correlation, CUpti_ActivityMemset4, correlationId);
SGL_SAME(Memset, graph_node, CUpti_ActivityMemset4, graphNodeId);
SGL_SAME(Memset, graph, CUpti_ActivityMemset4, graphId);
SGL_SAME(Memset, channel, CUpti_ActivityMemset4, channelID);
SGL_SAME(Memset, channel_type, CUpti_ActivityMemset4, channelType);

SGL_SAME(Api, callback, CUpti_ActivityAPI, cbid);
SGL_SAME(Api, start, CUpti_ActivityAPI, start);
SGL_SAME(Api, end, CUpti_ActivityAPI, end);
SGL_SAME(Api, thread, CUpti_ActivityAPI, threadId);
SGL_SAME(Api, correlation, CUpti_ActivityAPI, correlationId);

SGL_SAME(Synchronization, type, CUpti_ActivitySynchronization, type);
SGL_SAME(Synchronization, start, CUpti_ActivitySynchronization, start);
SGL_SAME(Synchronization, end, CUpti_ActivitySynchronization, end);
SGL_SAME(Synchronization, correlation, CUpti_ActivitySynchronization, correlationId);
SGL_SAME(Synchronization, context, CUpti_ActivitySynchronization, contextId);
SGL_SAME(Synchronization, stream, CUpti_ActivitySynchronization, streamId);

SGL_SAME(Overhead, overhead_kind, CUpti_ActivityOverhead, overheadKind);
SGL_SAME(Overhead, start, CUpti_ActivityOverhead, start);
SGL_SAME(Overhead, end, CUpti_ActivityOverhead, end);

static_assert(static_cast<int>(kMemcpy) == static_cast<int>(CUPTI_ACTIVITY_KIND_MEMCPY));
static_assert(static_cast<int>(kMemset) == static_cast<int>(CUPTI_ACTIVITY_KIND_MEMSET));
static_assert(static_cast<int>(kDriver) == static_cast<int>(CUPTI_ACTIVITY_KIND_DRIVER));
static_assert(static_cast<int>(kRuntime) == static_cast<int>(CUPTI_ACTIVITY_KIND_RUNTIME));
static_assert(static_cast<int>(kConcurrentKernel) == static_cast<int>(CUPTI_ACTIVITY_KIND_CONCURRENT_KERNEL));
static_assert(static_cast<int>(kOverhead) == static_cast<int>(CUPTI_ACTIVITY_KIND_OVERHEAD));
static_assert(static_cast<int>(kPeerMemcpy) == static_cast<int>(CUPTI_ACTIVITY_KIND_MEMCPY2));
static_assert(static_cast<int>(kSynchronization) == static_cast<int>(CUPTI_ACTIVITY_KIND_SYNCHRONIZATION));
static_assert(static_cast<int>(kDriverDomain) == static_cast<int>(CUPTI_CB_DOMAIN_DRIVER_API));
static_assert(static_cast<int>(kRuntimeDomain) == static_cast<int>(CUPTI_CB_DOMAIN_RUNTIME_API));
static_assert(kSystemThreadIds == CUPTI_ACTIVITY_THREAD_ID_TYPE_SYSTEM);
static_assert(kFlushForced == CUPTI_ACTIVITY_FLAG_FLUSH_FORCED);

}  // namespace sgl::profile::cupti

#endif
