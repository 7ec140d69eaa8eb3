// The kernels that exist once per CPU tier, as a table of functions. No ATen header here: the tier files are
// compiled for their CPU, and inline library code compiled there must not reach other machines.
#pragma once
#include <cstddef>
#include <cstdint>

namespace ct {

/// Who attends to whom: groups of queries and keys. A query is in at most one group.
///
/// Rows are positions; a key's row may be -1, for none. With codes, a query attends to those keys of its group
/// whose code lies in its [low, high], and to the group's first `shared` keys whatever their code; not to those others
/// whose n-th code of avoidance lies in its n-th [avoidLow, avoidHigh], for any n.
struct AttentionPlan {
  int64_t plans;               // 1 for all pairs, B (one for each example) or B H (one for each pair)
  const int64_t* groupStart;   // [plans + 1]
  const int64_t* queryStart;   // [groups + 1]
  const int64_t* keyStart;     // [groups + 1]
  const int32_t *query, *key;  // rows
  const int32_t *low, *high;   // of every query entry, or null
  const int32_t* code;         // of every key entry, or null
  const int32_t* shared;       // [groups]
  const int32_t* round;        // [groups]; a query is in one group of a round at most
  bool repeated;               // whether there is more than one round
  int64_t avoids, queries, keys;             // how many avoidances; entries of all groups
  const int32_t *avoidLow, *avoidHigh;       // [avoids, queries], with room for a tile behind
  const int32_t* avoidCode;                  // [avoids, keys]
};

/// Where a tensor [B, L, H, E] lies. Strides are in elements; the last dimension is dense.
struct Rows {
  void* data;
  int64_t batch, row, head;
};

/// What is added to logits, [heads, queries, keys], by their places in the one group there is, and where its gradient
/// is summed. Strides are in floats; the last dimension is dense, and of the gradient all are.
struct Bias {
  const float* data;  // null for none
  int64_t head, row;
  float* gradient;
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
  Bias bias;
};

/// Of every query's logits the largest one, m, and 1 / sum e^(x - m): [B, H, Lq] each. Their log-sum-exp in one number
/// would lose digits. Infinity and 0 for a query without keys.
struct RowSums {
  float *tops, *shares;
};

/// What becomes of a row of queries or keys in attention by features.
enum class FeatureMap {
  elu,     // elu(x) + 1
  relu,    // max(x, 0) + eps
  cosine,  // max(x, 0) times the sine and the cosine of its position: 2 E features
  random,  // (exp(W u - |u|^2/2 - level) + eps) factor with u = scale x
  taylor,  // 1, u and the products of its elements, with u = scale x cut to length sqrt(eps)
};

/// One call of attention by features. Offsets and strides are in floats.
struct FeatureProblem {
  int64_t batch, length, heads, width, features;
  const float *q, *k, *v;
  int64_t batchStride, rowStride, headStride;  // of q, k and v alike
  const int64_t* lengths;                      // [B] or null
  bool causal;
  FeatureMap map;
  const float* table;  // cosine: [L, 2], sines and cosines; random: W [M, E]
  float eps, scale, factor;
  bool clamped;  // whether the denominator is at least `least`, or has it added
  float least;
  bool half;     // products of bfloat16, sums of float32; not those that make features
};

/// Rows [B, H, N, E] wherever they lie, their elements side by side. Strides are in floats.
struct RowsOf {
  const float* data;
  int64_t batch, head, row;
  const float* at(int64_t b, int64_t h) const { return data + b * batch + h * head; }
};

/// One call of attention of queries to other keys.
struct PairProblem {
  int64_t batch, heads, rows, columns, width;  // queries, keys
  RowsOf q, k, v;
  const int64_t* lengths;  // [B] of keys, or null
  bool softmax, causal;
  float scale;
  uint32_t dropThreshold;  // of 65536; 0 for no dropout
  float keepScale;
  const uint64_t* rowKeys;  // [B]; used with dropout
};

/// Gradients of queries [B, Q, H, E] and of keys and values [B, K, H, E].
struct PairGradients {
  float *q, *k, *v;
};

/// One call of the convolution along tokens: values [B, H, L, E], a filter of odd size for every head.
struct ConvolutionProblem {
  int64_t batch, heads, length, width, size;
  RowsOf v;
  const float* weights;    // [H, size]
  const int64_t* lengths;  // [B], from where values count as zeros, or null
};

/// One call of the convolution of channels with kernels as long as the rows [B, L, D].
struct LongConvolutionProblem {
  int64_t batch, length, width;
  int64_t size;            // points of a transform: a power of two of at least 2 L, and 4
  const float* x;
  const float* kernel;     // [1 or 2, D, L]: of the position itself and those before it, then of those behind it
  bool bothSides;
  const int64_t* lengths;  // [B], from where rows count as zeros, or null
  const float* roots;      // see `Transform`
};

/// One call of batch normalisation: rows [rows, width]. Numbers of channels have room for a whole vector.
struct BatchNormProblem {
  int64_t rows, width;
  const float* x;
  const bool* real;  // [rows]: whether a row counts; null for all
  const float *mean, *scale, *shift, *slope;
};

/// One call of a diagonal recurrence with complex coefficients: rows [B, L, 2 P], real parts before imaginary ones.
struct DiagonalScanProblem {
  int64_t batch, length, states;
  const float *u, *a;  // a [2, P]
  bool reverse;        // from the last position on
};

/// One call of RWKV's recurrence: keys and values [B, L, D], decay and bonus [D].
struct ScanProblem {
  int64_t batch, length, width;
  const float *k, *v, *w, *u;
};

/// Tokens between two states that the recurrence keeps for backward.
constexpr int scanTokens = 32;

/// Rows and columns of exp(scores) made to sum to 1 in turn.
struct SinkhornProblem {
  const float* scores;   // [B, H, n, n]
  const int64_t* sizes;  // [B]: rows and columns from there on are zeros
  int64_t heads, width, iterations;
};

/// Rows of a matrix that are packed together.
constexpr int64_t packedRows = 64;

/// x W^T + b over rows. Packed matrices are written by `packPanels`; a bias has `padded` elements.
struct LinearProblem {
  int64_t inputs, outputs;
  bool half;                     // products of bfloat16, sums of float32
  bool halfInputs, halfOutputs;  // x and y are bfloat16, with `half` only; then their widths are even
  const void* x;
  const uint32_t *forward, *backward;  // W^T [inputs, outputs] and W [outputs, inputs], packed
  const float* bias;                // or null
};

/// Layer normalisation of rows; gain and offset have `padded` elements.
struct LayerNormProblem {
  int64_t width;
  const float *x, *gain, *offset;
  float eps;
};

enum class Activation : int { gelu = 0, geluTanh = 1, relu = 2 };

/// x + drop(down(drop(activation(up(norm(x)))))), the feed-forward branch of a block: x [examples, length, width].
struct FeedForwardProblem {
  int64_t examples, length, width, hidden;
  bool half;  // as in LinearProblem
  const float* x;
  const float *gain, *offset;  // `padded`; null for no norm
  float eps;
  const uint32_t *up, *upBack;      // packed [width, hidden] and [hidden, width]
  const uint32_t *down, *downBack;  // packed [hidden, width] and [width, hidden]
  const float *upBias, *downBias;   // `padded`
  Activation activation;
  uint32_t dropThreshold;
  float keepScale;
  const uint64_t *hiddenKeys, *outKeys;  // [examples]; used with dropout
};

/// Where a chunk's gradients are summed: rows of `padded` width.
struct FeedForwardGradients {
  float *gain, *offset, *up, *upBias, *down, *downBias;
};

/// How a gated branch gates: value times the sigmoid of a layer's result.
enum class Gate : int {
  full = 0,   // half of a layer of twice the width by the other half
  half1 = 1,  // the activated value by the layer's result
  half2 = 2,  // the value before activation
};

/// x + drop(gate(W drop(activation(m)) + b)): m and x [examples, length, width].
struct GatedProblem {
  int64_t examples, length, width, outputs;  // outputs: twice the width when full
  bool half;                                 // as in LinearProblem
  const float *mixed, *x;
  const uint32_t *weight, *back;  // packed [width, outputs] and [outputs, width]
  const float* bias;              // `padded`
  Gate gate;
  Activation activation;
  uint32_t dropThreshold;
  float keepScale;
  const uint64_t *activeKeys, *outKeys;  // [examples]; used with dropout
};

/// drop(table[id] + places[position]): ids [examples, length].
struct EmbeddingProblem {
  int64_t examples, length, width;
  const int64_t* ids;
  const float *table, *places;  // [V, width], [>= length, width] or null
  uint32_t dropThreshold;
  float keepScale;
  const uint64_t* keys;  // [examples]; used with dropout
};

struct Kernels {
  const char* name;
  /// Whether `half` is done here.
  bool half;
  /// Work units of a forward pass.
  int64_t (*attentionForwardUnits)(const AttentionProblem&);
  /// Writes out [B, Lq, H, E] (as q's type) and the sums of rows (base 2) for work units [begin, end). Rows of no
  /// group must be there already: zeros, and infinity in tops.
  void (*attentionForward)(const AttentionProblem&, const Rows& out, const RowSums&, int64_t begin, int64_t end);
  /// Writes all of the gradients of (batch, head) pairs [begin, end); adds to the bias's.
  void (*attentionBackward)(const AttentionProblem&, const Rows& out, const RowSums&, const Rows& grad,
                            const Rows& dq, const Rows& dk, const Rows& dv, int64_t begin, int64_t end);
  /// keep [queries, keys]: the factor of every probability under dropout, by the rows of queries and slots of keys.
  void (*attentionKeep)(const int32_t* query, int64_t queries, int64_t keys, int64_t head, int64_t round, uint64_t rowKey,
                        uint32_t dropThreshold, float keepScale, float* keep);
  /// y[e] = keep(e) ? x[e] * keepScale : 0, plus residual[e] when there is one; e counts from 0.
  void (*dropout)(const float* x, const float* residual, float* y, int64_t count, uint64_t key,
                  uint32_t dropThreshold, float keepScale);
  /// Floats of a unit's state that backward wants, for each (batch, head).
  int64_t (*featureStateSize)(const FeatureProblem&);
  /// Writes out [B, L, H, E], denominators [B, H, L] and states of (batch, head) pairs [begin, end).
  void (*featureForward)(const FeatureProblem&, float* out, float* denominators, float* states, int64_t begin,
                         int64_t end);
  /// Writes all of the gradients (strides like q, k, v) of (batch, head) pairs [begin, end).
  void (*featureBackward)(const FeatureProblem&, const float* out, const float* denominators, const float* states,
                          const float* gradient, float* dq, float* dk, float* dv, int64_t begin, int64_t end);
  /// Writes out [B, Q, H, E] and under softmax the sums of rows, of (batch, head) pairs [begin, end).
  void (*pairForward)(const PairProblem&, float* out, const RowSums&, int64_t begin, int64_t end);
  /// Writes all of the gradients of (batch, head) pairs [begin, end).
  void (*pairBackward)(const PairProblem&, const float* out, const RowSums&, const float* gradient,
                       const PairGradients& gradients, int64_t begin, int64_t end);
  /// Writes out [B, L, H, E] of (batch, head) pairs [begin, end).
  void (*convolutionForward)(const ConvolutionProblem&, float* out, int64_t begin, int64_t end);
  /// Writes dv [B, L, H, E] and dw [B, H, size] of (batch, head) pairs [begin, end).
  void (*convolutionBackward)(const ConvolutionProblem&, const float* gradient, float* dv, float* dw, int64_t begin,
                              int64_t end);
  /// Writes sums over real rows [begin, end): of x, or with a mean of (x - mean)^2.
  void (*batchNormSums)(const BatchNormProblem&, float* sums, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of y.
  void (*batchNormApply)(const BatchNormProblem&, float* y, int64_t begin, int64_t end);
  /// Writes sums over real rows [begin, end) of the gradient, and of the gradient times (x - mean).
  void (*batchNormSlopes)(const BatchNormProblem&, const float* gradient, float* sums, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of dx.
  void (*batchNormBackward)(const BatchNormProblem&, const float* gradient, float* dx, int64_t begin, int64_t end);
  int64_t (*longConvolutionUnits)(const LongConvolutionProblem&);
  /// Writes the channels of units [begin, end) of y [B, L, D], zeros at padding.
  void (*longConvolutionForward)(const LongConvolutionProblem&, float* y, int64_t begin, int64_t end);
  /// Writes the channels of units [begin, end) of dx and of the kernels' gradient.
  void (*longConvolutionBackward)(const LongConvolutionProblem&, const float* gradient, float* dx, float* dKernel,
                                  int64_t begin, int64_t end);
  int64_t (*diagonalScanUnits)(const DiagonalScanProblem&);
  /// Writes the states of units [begin, end), h [B, L, 2 P].
  void (*diagonalScanForward)(const DiagonalScanProblem&, float* h, int64_t begin, int64_t end);
  /// Writes du [B, L, 2 P] and da [B, 2, P] of units [begin, end).
  void (*diagonalScanBackward)(const DiagonalScanProblem&, const float* h, const float* gradient, float* du, float* da,
                               int64_t begin, int64_t end);
  int64_t (*scanUnits)(const ScanProblem&);
  /// Writes y [B, L, D] and states [B, chunks, 4, D rounded up to 64] of units [begin, end).
  void (*scanForward)(const ScanProblem&, float* y, float* states, int64_t begin, int64_t end);
  /// Writes dk and dv [B, L, D], dw and du [B, D], of units [begin, end).
  void (*scanBackward)(const ScanProblem&, const float* states, const float* gradient, float* dk, float* dv,
                       float* dw, float* du, int64_t begin, int64_t end);
  /// The iteration to inverses of a [N, m, m]: steps [iterations + 1, N, m, m] begin with the start; writes the
  /// others, of matrices [begin, end).
  void (*inverseForward)(const float* a, float* steps, int64_t matrices, int64_t width, int64_t iterations,
                         int64_t begin, int64_t end);
  /// Writes the gradients of a and of the start, of matrices [begin, end).
  void (*inverseBackward)(const float* a, const float* steps, const float* gradient, float* da, float* dz,
                          int64_t matrices, int64_t width, int64_t iterations, int64_t begin, int64_t end);
  /// Writes matrices [begin, end) of out.
  void (*sinkhornForward)(const SinkhornProblem&, float* out, int64_t begin, int64_t end);
  /// Writes matrices [begin, end) of the scores' gradient.
  void (*sinkhornBackward)(const SinkhornProblem&, const float* gradient, float* dScores, int64_t begin, int64_t end);

  /// A width rounded up to whole vectors.
  int64_t (*padded)(int64_t width);
  /// Packs rows [begin, end) of B [depth, columns] for products: depth * padded(columns) words; of bfloat16
  /// (depth + 1) / 2 as many. A stride is 1; `begin` is a multiple of packedRows.
  void (*packPanels)(const float* b, int64_t rowStride, int64_t columnStride, int64_t depth, int64_t columns,
                     bool half, uint32_t* target, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of y.
  void (*linearForward)(const LinearProblem&, void* y, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of dx, and those rows' part of dWeight [outputs, padded(inputs)] and dBias
  /// [outputs]; each may be null.
  void (*linearBackward)(const LinearProblem&, const void* dy, void* dx, float* dWeight, float* dBias,
                         int64_t begin, int64_t end);
  /// Writes rows [begin, end) of y.
  void (*layerNormForward)(const LayerNormProblem&, float* y, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of dx, and those rows' part of dGain and dOffset (`padded`).
  void (*layerNormBackward)(const LayerNormProblem&, const float* dy, float* dx, float* dGain, float* dOffset,
                            int64_t begin, int64_t end);
  int64_t (*feedForwardTiles)(const FeedForwardProblem&);
  /// Writes the rows of tiles [begin, end) of y.
  void (*feedForward)(const FeedForwardProblem&, float* y, int64_t begin, int64_t end);
  /// Writes the rows of tiles [begin, end) of dx and their part of the gradients.
  void (*feedForwardBackward)(const FeedForwardProblem&, const float* dy, float* dx, const FeedForwardGradients&,
                              int64_t begin, int64_t end);
  int64_t (*gatedTiles)(const GatedProblem&);
  /// Writes the rows of tiles [begin, end) of what the gate's layer gives, z [rows, outputs], and of y.
  void (*gatedForward)(const GatedProblem&, float* z, float* y, int64_t begin, int64_t end);
  /// Writes the rows of tiles [begin, end) of m's gradient and their part of those of W [outputs, padded(width)] and b.
  void (*gatedBackward)(const GatedProblem&, const float* z, const float* dy, float* dMixed, float* dWeight,
                        float* dBias, int64_t begin, int64_t end);
  /// Writes positions [begin, end) of every example.
  void (*embeddingForward)(const EmbeddingProblem&, float* y, int64_t begin, int64_t end);
  /// Adds positions [begin, end) of every example to dTable and dPlaces (or null).
  void (*embeddingBackward)(const EmbeddingProblem&, const float* dy, float* dTable, float* dPlaces,
                            int64_t begin, int64_t end);
  /// out [rows, columns] = the sum of `count` parts in their order, for rows [begin, end): a part is `stride`
  /// from the one before it, and its rows are `padded`.
  void (*addParts)(const float* parts, int64_t count, int64_t stride, int64_t columns, int64_t paddedColumns,
                   float* out, int64_t begin, int64_t end);
};

/// Memory of the calling thread, at a cache line: a vector across two lines costs two reads. What it holds is
/// arbitrary.
class Scratch {
 public:
  Scratch() = default;
  explicit Scratch(int64_t floats) { of(floats); }
  Scratch(const Scratch&) = delete;
  ~Scratch();

  /// Room for so many units of 32 bits. If that is more than before, what was there is lost.
  uint32_t* of(int64_t wanted);
  float* floats(int64_t wanted) { return reinterpret_cast<float*>(of(wanted)); }
  float* floats() const { return reinterpret_cast<float*>(data); }

 private:
  uint32_t* data = nullptr;
  size_t count = 0;
};

/// The tier in use.
const Kernels& kernels();

extern const Kernels kernelsPortable, kernelsAvx2, kernelsAvx512, kernelsAvx512Bf16, kernelsAmx;

/// SplitMix64's finaliser (Steele et al. 2014): joins a site's key with an example's position.
inline uint64_t mixKey(uint64_t key, uint64_t value) {
  uint64_t x = key + (value + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace ct
