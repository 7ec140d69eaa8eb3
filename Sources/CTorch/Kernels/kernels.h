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
