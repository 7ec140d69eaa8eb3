// What the differentiable functions share: rates of dropout, keys of examples, lengths of rows.
#pragma once
#include <cmath>

#include "../internal.h"
#include "kernels.h"

namespace ct {

/// A rate of dropout as the kernels take it, rounded to 1/65536.
struct Rate {
  uint32_t threshold;
  float keepScale;
  explicit Rate(double rate) {
    TORCH_CHECK(rate >= 0 && rate < 1, "a dropout rate is at least 0 and below 1, not ", rate);
    threshold = uint32_t(std::lround(rate * 65536));
    keepScale = float(65536.0 / (65536.0 - threshold));
  }
};

/// The key of every example of a batch under a site's key.
inline std::vector<uint64_t> keysOfRows(const at::Tensor& rows, uint64_t key, int64_t batch) {
  TORCH_CHECK(rows.is_cpu() && rows.scalar_type() == at::kLong && rows.numel() == batch,
              "rows must be ", batch, " int64 on the CPU");
  auto flat = rows.contiguous();
  std::vector<uint64_t> keys(static_cast<size_t>(batch));
  for (int64_t b = 0; b < batch; b++) keys[b] = mixKey(key, uint64_t(flat.const_data_ptr<int64_t>()[b]));
  return keys;
}

/// The lengths of a batch's rows, checked; null when there are none.
inline const int64_t* lengthsOf(const std::optional<at::Tensor>& lengths, int64_t batch, int64_t most) {
  if (!lengths) return nullptr;
  TORCH_CHECK(lengths->is_cpu() && lengths->scalar_type() == at::kLong && lengths->numel() == batch &&
                  lengths->is_contiguous(),
              "lengths must be ", batch, " int64 on the CPU");
  const auto* n = lengths->const_data_ptr<int64_t>();
  for (int64_t b = 0; b < batch; b++)
    TORCH_CHECK(n[b] >= 0 && n[b] <= most, "a length of ", n[b], " is outside 0...", most);
  return n;
}

/// Whether the kernels take a tensor: on the CPU, and not float64, which would lose its digits.
inline bool forKernels(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() != at::kDouble; }

/// What attention keeps of its rows: a tensor [2, B, H, Q].
inline RowSums sumsOf(const at::Tensor& x) {
  auto* data = x.data_ptr<float>();
  return {data, data + x.numel() / 2};
}

}  // namespace ct
