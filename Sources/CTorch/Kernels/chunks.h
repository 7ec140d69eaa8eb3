// Gradients of parameters, summed in chunks whose number depends on sizes alone, and the chunks in their order: the
// same bits for any threads.
#pragma once
#include <ATen/ops/empty.h>

#include <algorithm>

#include "../internal.h"
#include "kernels.h"

namespace ct {

inline bool isPlain(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() == at::kFloat; }

inline bool isPlain(const std::optional<at::Tensor>& x) { return !x || isPlain(*x); }

inline const float* pointer(const at::Tensor& x) { return x.defined() ? x.const_data_ptr<float>() : nullptr; }

/// Sums of parts of the work, each in a buffer of its own.
struct Chunks {
  int64_t units, count, floats;
  at::Tensor buffer;

  /// At most 32 MiB of buffers, but for very large matrices; a chunk has some 200 rows and a unit at least.
  Chunks(int64_t units, int64_t rows, int64_t floats) : units(units), floats(floats) {
    const int64_t fitting = std::clamp<int64_t>((int64_t(8) << 20) / std::max<int64_t>(floats, 1), 8, 64);
    count = std::min({fitting, units, std::max<int64_t>(rows / 200, 1)});
    buffer = at::empty({count * floats}, at::kFloat);
  }

  /// body(sums, begin, end) for the units of every chunk, at least one; it writes the sums.
  template <class Body>
  void run(Body&& body) {
    float* all = buffer.mutable_data_ptr<float>();
    parallelFor(count, [&](int64_t first, int64_t last) {
      for (int64_t c = first; c < last; c++) {
        body(all + c * floats, c * units / count, (c + 1) * units / count);
      }
    });
  }

  /// The sum over chunks of a matrix that begins at `offset` in each.
  at::Tensor sum(int64_t offset, at::IntArrayRef sizes) const {
    auto result = at::empty(sizes, buffer.options());
    const int64_t rows = sizes.size() == 2 ? sizes[0] : 1, columns = sizes.back();
    const float* parts = buffer.const_data_ptr<float>() + offset;
    float* to = result.mutable_data_ptr<float>();
    parallelFor(rows, [&](int64_t begin, int64_t end) {
      kernels().addParts(parts, count, floats, columns, kernels().padded(columns), to, begin, end);
    });
    return result;
  }
};

}  // namespace ct
