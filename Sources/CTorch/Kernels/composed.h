// What the kernels do not take, of library operations: CUDA tensors, and float64 for exact comparisons.
#pragma once
#include "../internal.h"

namespace ct {

/// Self-attention as `ct_self_attention` says.
///
/// - keep: [B, H, L, L], the factors of the probabilities under dropout; when there is none, `dropout` is left to
///   the library's own generator, begun anew from `key`.
at::Tensor composedAttention(const at::Tensor& qkv, const std::optional<at::Tensor>& lengths, bool causal,
                             double scale, const std::optional<at::Tensor>& keep, double dropout, uint64_t key);

/// Dropout by the library's own generator, begun anew from `key`.
at::Tensor libraryDropout(const at::Tensor& x, const std::optional<at::Tensor>& residual, double rate,
                          uint64_t key);

}  // namespace ct
