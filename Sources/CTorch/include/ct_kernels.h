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

typedef struct ct_plan_opaque *ct_plan;

/// Who attends to whom: groups of queries and keys, for all (batch, head) pairs (plans 1), for every example (B) or for
/// every pair (B H).
///
/// groups [plans + 1], queries and keys [groups + 1]: where a plan's groups, a group's queries and keys begin. query
/// and key: positions; a key may be -1, for none; a query is in one group at most. With codes (else NULL) a query
/// attends to those keys of its group whose code is in its low...high, and to the group's first `shared` ones.
/// Release it with ct_plan_free; a function that is using it keeps its own reference.
ct_plan ct_plan_new(int64_t plans, const int64_t *groups, const int64_t *queries, const int64_t *keys,
                    const int32_t *query, const int32_t *key, const int32_t *shared, const int32_t *low,
                    const int32_t *high, const int32_t *code);
void ct_plan_free(ct_plan plan);

/// Softmax attention over tiles: softmax(scale Q K^T + limits) V, never holding an Lq x Lk matrix.
///
/// q [B, Lq, H, E], k and v [B, Lk, H, ...]; or k and v NULL and q [B, L, 3, H, E], the projections side by side.
/// `plan` NULL: all keys, or those up to the query's position when causal. lengths [B] int64 on the CPU, or NULL for all:
/// keys at and beyond a row's length are not attended, queries there give zeros and no gradient. `dropout` on
/// the probabilities is by counter: (key, rows[b], head, query position, key's place in its group, which is its position
/// without a plan). bfloat16 stays so where the CPU multiplies it, and is widened elsewhere.
/// Returns [B, Lq, H, Ev].
ct_tensor ct_attention(ct_tensor q, ct_tensor k, ct_tensor v, ct_plan plan, ct_tensor query_lengths,
                       ct_tensor key_lengths, int causal, double scale, double dropout, ct_tensor rows, uint64_t key);

#ifdef __cplusplus
}
#endif
#endif
