// The kernels that exist once per CPU tier, as a table of functions. No ATen header here: the tier files are
// compiled for their CPU, and inline library code compiled there must not reach other machines.
#pragma once
#include <cstdint>

namespace ct {

/// Who attends to whom: groups of queries and keys. A query is in at most one group.
///
/// Rows are positions; a key's row may be -1, for none. With codes, a query attends to those keys of its group
/// whose code lies in its [low, high], and to the group's first `shared` keys whatever their code.
struct AttentionPlan {
  int64_t plans;               // 1 for all pairs, B (one for each example) or B H (one for each pair)
  const int64_t* groupStart;   // [plans + 1]
  const int64_t* queryStart;   // [groups + 1]
  const int64_t* keyStart;     // [groups + 1]
  const int32_t *query, *key;  // rows
  const int32_t *low, *high;   // of every query entry, or null
  const int32_t* code;         // of every key entry, or null
  const int32_t* shared;       // [groups]
};

/// Where a tensor [B, L, H, E] lies. Strides are in elements; the last dimension is dense.
struct Rows {
  void* data;
  int64_t batch, row, head;
};

/// One call of attention over a batch.
struct AttentionProblem {
  int64_t batch, heads, queries, keys, width, valueWidth;
  Rows q, k, v;                                    // float32, or bfloat16 as `half` says
  bool half;                                       // products of bfloat16, sums of float32
  const int64_t *queryLengths, *keyLengths;        // [B] or null: rows from there on do not exist
  bool causal;                                     // without a plan: no key after its query
  float scale;                                     // above 0
  uint32_t dropThreshold;                          // of 65536; 0 for no dropout
  float keepScale;
  const uint64_t* rowKeys;                         // [B]; used with dropout
  const AttentionPlan* plan;                       // null: all queries with all keys
};

struct Kernels {
  const char* name;
  /// Whether `half` is done here.
  bool half;
  /// Work units of a forward pass.
  int64_t (*attentionForwardUnits)(const AttentionProblem&);
  /// Writes out [B, Lq, H, E] (as q's type) and lse [B, H, Lq] (base 2) for work units [begin, end). Rows of no
  /// group must be there already: zeros, and infinity in lse.
  void (*attentionForward)(const AttentionProblem&, const Rows& out, float* lse, int64_t begin, int64_t end);
  /// Writes all of the gradients of (batch, head) pairs [begin, end).
  void (*attentionBackward)(const AttentionProblem&, const Rows& out, const float* lse, const Rows& grad,
                            const Rows& dq, const Rows& dk, const Rows& dv, int64_t begin, int64_t end);
  /// keep [queries, keys]: the factor of every probability under dropout, by the rows of queries and slots of keys.
  void (*attentionKeep)(const int32_t* query, int64_t queries, int64_t keys, int64_t head, uint64_t rowKey,
                        uint32_t dropThreshold, float keepScale, float* keep);
  /// y[e] = keep(e) ? x[e] * keepScale : 0, plus residual[e] when there is one; e counts from 0.
  void (*dropout)(const float* x, const float* residual, float* y, int64_t count, uint64_t key,
                  uint32_t dropThreshold, float keepScale);
};

/// The tier in use.
const Kernels& kernels();

extern const Kernels kernelsPortable, kernelsAvx2, kernelsAvx512, kernelsAvx512Bf16;

/// SplitMix64's finaliser (Steele et al. 2014): joins a site's key with an example's position.
inline uint64_t mixKey(uint64_t key, uint64_t value) {
  uint64_t x = key + (value + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace ct
