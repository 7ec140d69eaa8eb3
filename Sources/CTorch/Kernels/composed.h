// Dropout and attention from library operations alone: for CUDA tensors, and in float64.
#pragma once
#include <ATen/core/Tensor.h>

#include "plan.h"

namespace ct {

/// Dropout from libtorch's own generator, begun anew from `key` so that a step is repeatable.
at::Tensor libraryDropout(const at::Tensor& x, const std::optional<at::Tensor>& residual, double rate,
                          uint64_t key);

/// What attention is asked to do beside its queries, keys and values.
struct AttentionRequest {
  c10::intrusive_ptr<Plan> plan;  // null: all queries with all keys
  std::optional<at::Tensor> queryLengths, keyLengths, rows;
  bool causal;
  double scale, dropout;
  int64_t key;
};

/// Softmax attention of q [B, Lq, H, E] over k and v [B, Lk, H, ...], with a bias [H, Lq, Lk] or an undefined one. It
/// holds an Lq x Lk matrix, or every group's, unless libtorch has a kernel for the device that does not.
///
/// `dropout` is by the kernels' counters in float64 on the CPU, by the library's generator elsewhere.
at::Tensor composedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                             const AttentionRequest& request);

}  // namespace ct
