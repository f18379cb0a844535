#ifndef SGL_COMM_H
#define SGL_COMM_H

#include "sgl/device.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Ranks that work together: the meeting point that their communicators share. Made and destroyed by any thread; outlives
/// every communicator made from it.
typedef struct sgl_comm_group sgl_comm_group;

/// One rank's place in a group. Used by the thread of its context only. All ranks of a group make the same calls in the same
/// order; calls that disagree (in operator, type or size) fail on every rank and name both.
typedef struct sgl_communicator sgl_communicator;

typedef struct sgl_comm_group_options {
  /// Kind of device of every rank.
  sgl_device_kind kind;
  /// 1 to 64.
  int32_t num_ranks;
  /// How long a rank waits for the others before the group is aborted; at least 1.
  int32_t timeout_ms;
  /// GPUs: not 0 lets several ranks be on one. Their kernels wait for each other there, so each rank must have a context of its own.
  int32_t allow_shared_device;
  /// GPUs: not 0 leaves everything to NCCL, which takes no part in graphs. Ranks that share a GPU have nothing but peer kernels.
  int32_t disable_peer_kernels;
} sgl_comm_group_options;

SGL_API sgl_status sgl_comm_group_create(sgl_comm_group** group, const sgl_comm_group_options* options);
SGL_API void sgl_comm_group_destroy(sgl_comm_group* group);
/// Makes every call under way and to come fail with SGL_COMM and this reason, until the group is reset. From any thread, at any
/// time; the first reason stays. A rank that cannot go on calls it, so that no other waits for it in vain.
SGL_API sgl_status sgl_comm_group_abort(sgl_comm_group* group, const char* reason);
/// Makes an aborted group usable again. No rank may be inside a call.
SGL_API sgl_status sgl_comm_group_reset(sgl_comm_group* group);

/// Waits for nobody on the CPU; on a GPU it returns once every rank has called it.
SGL_API sgl_status sgl_communicator_create(sgl_context* context, sgl_communicator** communicator, sgl_comm_group* group,
                                           int32_t rank);
SGL_API void sgl_communicator_destroy(sgl_communicator* communicator);

/// Not 0 where this communicator's calls, but send and receive, may be captured: on GPUs that address each other's memory. All
/// ranks capture the same calls, and launch their graphs in the same order.
SGL_API sgl_status sgl_communicator_supports_capture(sgl_communicator* communicator, int32_t* is_supported);

// Reductions take dense tensors of f32 or bf16, on GPUs also f16 (through NCCL only from f16 and without a
// residual), sum in f32 in the order of ranks and round once, so that all ranks get the same
// bits and a run repeats. Other calls move bytes of any type.

/// y = sum over ranks of x, plus residual where that is given. All three have the same shape. x is of y's type or f32; the
/// residual, of y's type, must be equal on all ranks. y may be x or residual.
SGL_API sgl_status sgl_all_reduce(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                  const sgl_tensor* x, const sgl_tensor* residual);
/// residual += sum over ranks of x; y = rms_norm(residual, weight, eps), as all_reduce with residual and rms_norm would give, in one
/// kernel where the sum is taken in one shot. All but weight [w] are [n, w]; x is of y's type or f32, the others of y's type; y
/// may be x and shares no memory with the residual.
SGL_API sgl_status sgl_all_reduce_add_rms_norm(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                               const sgl_tensor* residual, const sgl_tensor* x, const sgl_tensor* weight,
                                               float eps);
/// y [n, num_ranks * w] = the ranks' x [n, w] side by side. The last dimension is dense; y and x share no memory.
SGL_API sgl_status sgl_all_gather_columns(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                          const sgl_tensor* x);
/// y [num_ranks * n, w] = the ranks' x [n, w] one below the other. Dense; y and x share no memory.
SGL_API sgl_status sgl_all_gather_rows(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                       const sgl_tensor* x);
/// y [n, w] = rows [rank * n, (rank + 1) * n) of the sum over ranks of x [num_ranks * n, w]; same type, no shared memory.
SGL_API sgl_status sgl_reduce_scatter(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                      const sgl_tensor* x);
/// Rows of x [n, w], grouped by destination, become rows of y [m, w], grouped by source. Dense, no shared memory.
/// @param send_counts host, [num_ranks], sum n: rows for each rank.
/// @param receive_counts host, [num_ranks], sum m: rows from each rank.
SGL_API sgl_status sgl_all_to_all(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y,
                                  const sgl_tensor* x, const int64_t* receive_counts, const int64_t* send_counts);
/// x of `root` becomes every rank's x. Dense.
SGL_API sgl_status sgl_broadcast(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* x, int32_t root);
/// Sends a dense tensor to another rank. On the CPU it returns when the bytes are copied, which waits only where four
/// earlier ones to the same rank have not been received yet.
SGL_API sgl_status sgl_send(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* x, int32_t peer);
/// Waits for the next tensor from another rank, which must be of y's type and size.
SGL_API sgl_status sgl_receive(sgl_context* context, sgl_communicator* communicator, const sgl_tensor* y, int32_t peer);
/// Returns when every rank has called it (on a GPU: is queued to).
SGL_API sgl_status sgl_barrier(sgl_context* context, sgl_communicator* communicator);

#ifdef __cplusplus
}
#endif
#endif
