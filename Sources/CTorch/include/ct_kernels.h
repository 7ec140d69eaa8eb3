// Our own kernels: counter-based random numbers, dropout, and streaming-softmax attention.
#ifndef CT_KERNELS_H
#define CT_KERNELS_H
#include "ct_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Fills a float32 CPU tensor with N(0, deviation^2), a pure function of (key, element).
int ct_fill_normal(ct_tensor tensor, uint64_t key, double deviation);
/// Fills a float32 CPU tensor from U[-bound, bound), a pure function of (key, element).
int ct_fill_uniform(ct_tensor tensor, uint64_t key, double bound);

/// Dropout by counter: element e of row b is kept or not as a pure function of (key, rows[b], e), where
/// e counts within the row. Kept values are scaled by 1/(1-rate). The rate is rounded to 1/65536.
/// x [B, ...] float32 or bfloat16; rows [B] int64 on the CPU. `residual` (NULL or like x) is added afterwards.
ct_tensor ct_dropout(ct_tensor x, ct_tensor residual, ct_tensor rows, uint64_t key, double rate);

/// Softmax attention over tiles: softmax(scale Q K^T + key limits) V, never holding an Lq x Lk matrix.
///
/// qkv [B, L, 3, H, E] float32, the projections side by side. lengths [B] int64 on the CPU: keys at and
/// beyond a row's length are not attended, queries there give zeros and no gradient; NULL means all are real.
/// `dropout` on the probabilities is by counter: (key, rows[b], head, query, key position).
/// Returns [B, L, H, E].
ct_tensor ct_self_attention(ct_tensor qkv, ct_tensor lengths, int causal, double scale, double dropout,
                            ct_tensor rows, uint64_t key);

/// Whether the functions below take a tensor: float32 on the CPU, and no autocast.
int ct_takes_kernels(ct_tensor x);

/// The parameters of a feed-forward branch: gain and offset [D] (NULL for no norm), up [M, D], down [D, M],
/// biases (or NULL) [M] and [D].
typedef struct {
  ct_tensor gain, offset, up, up_bias, down, down_bias;
} ct_feed_forward_weights;

/// x + drop(down(drop(activation(up(norm(x)))))) of x [B, ..., D].
///
/// Both dropouts are those of `ct_dropout` of the same rate, rows and key. Activations: 0 GELU by erf, 1 by tanh,
/// 2 ReLU. Only x is kept for the backward pass.
ct_tensor ct_feed_forward(ct_tensor x, const ct_feed_forward_weights *weights, double eps, int activation,
                          double rate, ct_tensor rows, uint64_t hidden_key, uint64_t out_key);

/// drop(table[ids] + places): table [V, D], ids [B, L] int64, places [at least L, D] or NULL; [B, L, D].
ct_tensor ct_embed(ct_tensor table, ct_tensor ids, ct_tensor places, double rate, ct_tensor rows, uint64_t key);

#ifdef __cplusplus
}
#endif
#endif
