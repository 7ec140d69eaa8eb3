// The kernels that exist once per CPU tier, as a table of functions. No ATen header here: the tier files are
// compiled for their CPU, and inline library code compiled there must not reach other machines.
#pragma once
#include <cstdint>

namespace ct {

/// One call of self-attention over a batch. Offsets and strides are in floats.
struct AttentionProblem {
  int64_t batch, length, heads, width;
  const float *q, *k, *v;
  int64_t batchStride, rowStride, headStride;  // of q, k and v alike
  const int64_t* lengths;                      // [B] or null
  bool causal;
  float scale;
  uint32_t dropThreshold;  // of 65536; 0 for no dropout
  float keepScale;
  const uint64_t* rowKeys;  // [B]; used with dropout
};

/// x W^T + b over rows. Packed matrices are written by `packPanels`; a bias has `padded` elements.
struct LinearProblem {
  int64_t inputs, outputs;
  const float* x;
  const float *forward, *backward;  // W^T [inputs, outputs] and W [outputs, inputs], packed
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
  const float* x;
  const float *gain, *offset;  // `padded`; null for no norm
  float eps;
  const float *up, *upBack, *upBias;        // packed [width, hidden] and [hidden, width]; `padded`
  const float *down, *downBack, *downBias;  // packed [hidden, width] and [width, hidden]; `padded`
  Activation activation;
  uint32_t dropThreshold;
  float keepScale;
  const uint64_t *hiddenKeys, *outKeys;  // [examples]; used with dropout
};

/// Where a chunk's gradients are summed: rows of `padded` width.
struct FeedForwardGradients {
  float *gain, *offset, *up, *upBias, *down, *downBias;
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
  /// Adds nothing, writes all of out [B, L, H, E] and lse [B, H, L] for work units [begin, end).
  void (*attentionForward)(const AttentionProblem&, float* out, float* lse, int64_t begin, int64_t end);
  int64_t (*attentionForwardUnits)(const AttentionProblem&);
  /// Writes all of the gradients (strides like q, k, v) of (batch, head) pairs [begin, end).
  void (*attentionBackward)(const AttentionProblem&, const float* out, const float* lse, const float* grad,
                            float* dq, float* dk, float* dv, int64_t begin, int64_t end);
  /// keep [B, H, L, L]: the factor of every probability under dropout, of (batch, head) pairs [begin, end).
  void (*attentionKeep)(const AttentionProblem&, float* keep, int64_t begin, int64_t end);
  /// y[e] = keep(e) ? x[e] * keepScale : 0, plus residual[e] when there is one; e counts from 0.
  void (*dropout)(const float* x, const float* residual, float* y, int64_t count, uint64_t key,
                  uint32_t dropThreshold, float keepScale);

  /// A width rounded up to whole vectors.
  int64_t (*padded)(int64_t width);
  /// Packs B [depth, columns] for products: depth * padded(columns) floats.
  void (*packPanels)(const float* b, int64_t rowStride, int64_t columnStride, int64_t depth, int64_t columns,
                     float* target);
  /// Writes rows [begin, end) of y.
  void (*linearForward)(const LinearProblem&, float* y, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of dx, adds those rows' part to dWeight [outputs, padded(inputs)] and dBias
  /// [outputs]; each may be null.
  void (*linearBackward)(const LinearProblem&, const float* dy, float* dx, float* dWeight, float* dBias,
                         int64_t begin, int64_t end);
  /// Writes rows [begin, end) of y.
  void (*layerNormForward)(const LayerNormProblem&, float* y, int64_t begin, int64_t end);
  /// Writes rows [begin, end) of dx, adds those rows' part to dGain and dOffset (`padded`).
  void (*layerNormBackward)(const LayerNormProblem&, const float* dy, float* dx, float* dGain, float* dOffset,
                            int64_t begin, int64_t end);
  int64_t (*feedForwardTiles)(const FeedForwardProblem&);
  /// Writes the rows of tiles [begin, end) of y.
  void (*feedForward)(const FeedForwardProblem&, float* y, int64_t begin, int64_t end);
  /// Writes the rows of tiles [begin, end) of dx and adds their part to the gradients.
  void (*feedForwardBackward)(const FeedForwardProblem&, const float* dy, float* dx, const FeedForwardGradients&,
                              int64_t begin, int64_t end);
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

/// The tier in use.
const Kernels& kernels();

extern const Kernels kernelsPortable, kernelsAvx2, kernelsAvx512;

/// SplitMix64's finaliser (Steele et al. 2014): joins a site's key with an example's position.
inline uint64_t mixKey(uint64_t key, uint64_t value) {
  uint64_t x = key + (value + 1) * 0x9e3779b97f4a7c15;
  x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
  x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
  return x ^ (x >> 31);
}

}  // namespace ct
