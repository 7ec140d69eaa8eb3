// Weights of dense layers as their kernels read them.
#pragma once
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>

#include <algorithm>

#include "chunks.h"

namespace ct {

/// A vector of parameters with zeros up to whole vectors; undefined without one.
inline at::Tensor paddedRow(const at::Tensor& row) {
  if (!row.defined()) return {};
  const int64_t width = row.numel(), padded = kernels().padded(width);
  auto source = row.contiguous();
  if (width == padded) return source;
  auto result = at::zeros({padded}, row.options());
  std::copy_n(source.const_data_ptr<float>(), width, result.mutable_data_ptr<float>());
  return result;
}

/// A matrix [rows, columns] as the second factor of a product, or its transpose.
inline at::Tensor packed(const at::Tensor& matrix, bool transposed, bool half) {
  const int64_t rows = matrix.size(0), columns = matrix.size(1);
  const int64_t depth = transposed ? columns : rows, width = transposed ? rows : columns;
  auto result = at::empty({(half ? (depth + 1) / 2 : depth) * kernels().padded(width)}, at::kInt);
  auto* target = static_cast<uint32_t*>(result.data_ptr());
  parallelFor((depth + packedRows - 1) / packedRows, [&](int64_t begin, int64_t end) {
    kernels().packPanels(matrix.const_data_ptr<float>(), transposed ? 1 : columns, transposed ? columns : 1, depth,
                         width, half, target, begin * packedRows, std::min(end * packedRows, depth));
  });
  return result;
}

inline const uint32_t* panelsOf(const at::Tensor& x) {
  return x.defined() ? static_cast<const uint32_t*>(x.const_data_ptr()) : nullptr;
}

}  // namespace ct
