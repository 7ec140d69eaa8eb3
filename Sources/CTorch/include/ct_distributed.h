// Several processes that train one model: libtorch's process group, Gloo on CPUs.
#pragma once
#include "ct_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Joins the processes of a run and waits until all are there. Returns 0, or 1 and leaves a message.
/// - address, port: where process 0 is reached.
/// - rank, world: this process, 0 ..< world.
/// - serves: whether this process keeps the meeting point (rank 0, unless the launcher does).
/// - name: of the meeting, the same in all processes.
int ct_group_join(const char* address, int port, int rank, int world, int serves, const char* name,
                  double timeoutSeconds);

/// Sums a contiguous CPU tensor over all processes, in place; every process calls it in the same order.
int ct_group_sum(ct_tensor tensor);

/// The sum of a CPU tensor over all processes as a differentiable function; x itself in a process on its own.
ct_tensor ct_group_sum_of(ct_tensor x);

/// Leaves the group.
void ct_group_leave(void);

#ifdef __cplusplus
}
#endif
