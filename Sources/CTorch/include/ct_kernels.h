// Our own kernels: counter-based random numbers, dropout, and streaming-softmax attention.
#ifndef CT_KERNELS_H
#define CT_KERNELS_H
#include "ct_core.h"

#ifdef __cplusplus
extern "C" {
#endif

/// Fills a float32 CPU tensor with N(0, deviation^2), a pure function of (key, element).
int ct_fill_normal(ct_tensor tensor, uint64_t key, double deviation);
/// Fills a float32 CPU tensor with scale N(0, 1), drawn again beyond 2, a pure function of (key, element).
int ct_fill_truncated_normal(ct_tensor tensor, uint64_t key, double scale);
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
/// and key: positions; a key may be -1, for none. A query is in one group at most of each round [groups], and the
/// softmax is over the keys of all its groups. With codes (else NULL) a query attends to those keys of its group whose
/// code is in its low...high, and to the group's first `shared` ones.
/// Release it with ct_plan_free; a function that is using it keeps its own reference.
ct_plan ct_plan_new(int64_t plans, const int64_t *groups, const int64_t *queries, const int64_t *keys,
                    const int32_t *query, const int32_t *key, const int32_t *shared, const int32_t *round,
                    const int32_t *low, const int32_t *high, const int32_t *code);
/// Takes keys away that are not among the shared ones: those whose code lies in the query's low...high. low and high
/// have a number for every query of the plan's groups, code for every key. It may be called several times.
void ct_plan_avoid(ct_plan plan, const int32_t *low, const int32_t *high, const int32_t *code);
void ct_plan_free(ct_plan plan);

/// Softmax attention over tiles: softmax(scale Q K^T + bias + limits) V, never holding an Lq x Lk matrix.
///
/// q [B, Lq, H, E], k and v [B, Lk, H, ...]; or k and v NULL and q [B, L, 3, H, E], the projections side by side.
/// bias [H, Lq, Lk] is added to the logits, its rows dense; NULL for none, and with one tensor. A plan has one group
/// then, of all queries and with a place for every key.
/// `plan` NULL: all keys, or those up to the query's position when causal. lengths [B] int64 on the CPU, or NULL for all:
/// keys at and beyond a row's length are not attended, queries there give zeros and no gradient. `dropout` on
/// the probabilities is by counter: (key, rows[b], head, query position, key's place in its group, which is its position
/// without a plan). bfloat16 stays so where the CPU multiplies it, and is widened elsewhere.
/// Returns [B, Lq, H, Ev].
ct_tensor ct_attention(ct_tensor q, ct_tensor k, ct_tensor v, ct_tensor bias, ct_plan plan, ct_tensor query_lengths,
                       ct_tensor key_lengths, int causal, double scale, double dropout, ct_tensor rows, uint64_t key);

/// What becomes of queries and keys in attention by features.
typedef enum {
  CT_FEATURES_ELU,     // elu(x) + 1
  CT_FEATURES_RELU,    // max(x, 0) + eps
  CT_FEATURES_COSINE,  // max(x, 0) times the sine and the cosine of its position
  CT_FEATURES_RANDOM,  // (exp(W u - |u|^2/2 - level) + eps) / sqrt(M), u = x E^-1/4
  CT_FEATURES_TAYLOR,  // 1, u and u x u / sqrt(2), u = x E^-1/4 cut to length sqrt(eps)
} ct_feature_map;

/// Attention by features: phi(q) (phi(k)^T v) / (phi(q) sum phi(k)) in O(L), never holding phi of all tokens.
///
/// qkv [B, L, 3, H, E] float32; lengths as in ct_attention, but every query gets an answer. table: sines
/// and cosines [L, 2], or W [M, E], which gets no gradient. The level of random features is a query's largest
/// exponent; of keys that of all real keys of a (batch, head), and 0 when causal. The denominator is at least
/// `least` when clamped, else has it added. Returns [B, L, H, E].
ct_tensor ct_feature_attention(ct_tensor qkv, ct_tensor lengths, ct_feature_map map, ct_tensor table, int causal,
                               double eps, double least, int clamped);

/// Attention of queries [B, H, Q, E] to keys and values [B, H, K, E], never holding a Q x K matrix: by softmax of
/// scale q.k, or else by exp(-scale |q - k|^2 / 2), not divided by a sum. float32 on the CPU, rows anywhere.
///
/// lengths [B] int64 on the CPU: keys at and beyond are not attended; NULL means all are. `dropout` acts on the
/// weights as ct_dropout would on a [B, H, Q, K] tensor of them. A query without keys gives zeros.
/// Returns [B, H, Q, E].
ct_tensor ct_pair_attention(ct_tensor queries, ct_tensor keys, ct_tensor values, ct_tensor lengths, int softmax,
                            int causal, double scale, double dropout, ct_tensor rows, uint64_t key);

/// A convolution along the tokens of every head: out_i = sum_t w_t v_{i + t - K/2}, zeros around.
///
/// values [B, H, L, E], filters [H, ..., K], K odd, float32 on the CPU. lengths [B] int64 on the CPU: values from
/// there on count as zeros; NULL means none does. Returns [B, H, L, E].
ct_tensor ct_row_convolution(ct_tensor values, ct_tensor filters, ct_tensor lengths);

/// x + drop(gated) of m [B, ..., D]: g = drop(activation(m)), z = W g + b; gate 0 a sigmoid(c) of z = [a, c], 1 g sigmoid(z),
/// 2 m sigmoid(z). Activations by number as in ct_feed_forward; dropout as ct_dropout does it, with a key for each of its
/// two sites. float32 on the CPU.
ct_tensor ct_gated_branch(ct_tensor m, ct_tensor x, ct_tensor weight, ct_tensor bias, int gate, int activation,
                          double rate, ct_tensor rows, uint64_t active_key, uint64_t out_key);

/// h_t = a h_{t-1} + u_t, or h_t = a h_{t+1} + u_t when reversed, state by state with complex a: u [B, L, 2 P], real parts
/// and then imaginary ones, a [2, P]; float32 on the CPU. Returns h [B, L, 2 P].
ct_tensor ct_diagonal_scan(ct_tensor u, ct_tensor a, int reverse);

/// Batch normalisation of x [..., D], float32 on the CPU, in training: means and variances are over rows for which `real`
/// (bool, one a row; NULL for all) holds, of this process or with `together` of all that have joined; other rows
/// become 0. Writes the means and unbiased variances into `statistics` [2 D] float64.
ct_tensor ct_batch_norm(ct_tensor x, ct_tensor real, ct_tensor weight, ct_tensor bias, double eps, int together,
                        ct_tensor statistics);

/// The convolution of every channel of x [B, L, D] with a kernel of its own as long as the rows: kernel [1, D, L] or
/// [2, D, L], y_t = sum_{s <= t} kernel[0][t - s] x_s + sum_{s > t} kernel[1][s - t - 1] x_s. lengths [B] int64 on the
/// CPU, or NULL: rows count as zeros from there on, and y is 0 (float32 on the CPU; else x has zeros there).
/// By fast Fourier transforms of at least 2 L points: nothing wraps around.
ct_tensor ct_long_convolution(ct_tensor x, ct_tensor kernel, ct_tensor lengths);

/// RWKV-4's weighted means of all earlier values and the token's own, channel by channel:
/// (sum_{i<t} e^(k_i - (t-1-i) w) v_i + e^(u + k_t) v_t) / (the same with 1 for v), without overflow.
/// Keys and values [B, L, D], decay and bonus [D], float32 on the CPU. Returns [B, L, D].
ct_tensor ct_recurrence(ct_tensor keys, ct_tensor values, ct_tensor decay, ct_tensor bonus);

/// The iteration Z <- Z (13 I - A Z (15 I - A Z (7 I - A Z))) / 4 towards A's inverse, from a start.
/// Matrices and start [..., m, m], float32 on the CPU.
ct_tensor ct_inverse_iteration(ct_tensor matrices, ct_tensor start, int iterations);

/// Rows and columns of exp(scores) normalised in turn, `iterations` times each: Sinkhorn's way to a doubly stochastic
/// matrix. Scores [B, H, n, n], float32 on the CPU; sizes [B] int64: rows and columns from there on are zeros.
ct_tensor ct_sinkhorn(ct_tensor scores, ct_tensor sizes, int iterations);

/// Whether the functions below take a tensor: float32 on the CPU.
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
