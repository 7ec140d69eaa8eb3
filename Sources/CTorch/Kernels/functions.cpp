// The kernels as differentiable functions. Backward recomputes what it needs from counters and the log-sum-exp.
#include <ATen/ops/add.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "composed.h"
#include "kernels.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct Rate {
  uint32_t threshold;
  float keepScale;
  explicit Rate(double rate) {
    TORCH_CHECK(rate >= 0 && rate < 1, "a dropout rate is at least 0 and below 1, not ", rate);
    threshold = uint32_t(std::lround(rate * 65536));
    keepScale = float(65536.0 / (65536.0 - threshold));
  }
};

std::vector<uint64_t> keysOfRows(const at::Tensor& rows, uint64_t key, int64_t batch) {
  TORCH_CHECK(rows.is_cpu() && rows.scalar_type() == at::kLong && rows.numel() == batch,
              "rows must be ", batch, " int64 on the CPU");
  auto flat = rows.contiguous();
  std::vector<uint64_t> keys(static_cast<size_t>(batch));
  for (int64_t b = 0; b < batch; b++) keys[b] = mixKey(key, uint64_t(flat.const_data_ptr<int64_t>()[b]));
  return keys;
}

at::Tensor dropped(const at::Tensor& x, const std::optional<at::Tensor>& residual,
                   const std::vector<uint64_t>& keys, const Rate& rate) {
  auto source = x.contiguous();
  auto added = residual ? residual->to(at::kFloat).contiguous() : at::Tensor();
  auto result = at::empty_like(source);
  const int64_t count = source.numel() / int64_t(keys.size());
  const float *from = source.const_data_ptr<float>(), *plus = residual ? added.const_data_ptr<float>() : nullptr;
  float* to = result.mutable_data_ptr<float>();
  parallelFor(int64_t(keys.size()), [&](int64_t begin, int64_t end) {
    for (int64_t b = begin; b < end; b++)
      kernels().dropout(from + b * count, plus ? plus + b * count : nullptr, to + b * count, count, keys[b],
                        rate.threshold, rate.keepScale);
  });
  return result;
}

struct Dropout : torch::autograd::Function<Dropout> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const std::optional<at::Tensor>& residual, const at::Tensor& rows, int64_t key,
                            double rate) {
    context->saved_data["rows"] = rows;
    context->saved_data["key"] = key;
    context->saved_data["rate"] = rate;
    context->saved_data["residual"] = residual.has_value();
    auto keys = keysOfRows(rows, uint64_t(key), x.size(0));
    // The sum keeps the residual's type: under autocast the stream stays float32.
    return dropped(x.to(at::kFloat), residual, keys, Rate(rate))
        .to(residual ? residual->scalar_type() : x.scalar_type());
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto rows = context->saved_data["rows"].toTensor();
    auto keys = keysOfRows(rows, uint64_t(context->saved_data["key"].toInt()), grads[0].size(0));
    auto dx = dropped(grads[0].to(at::kFloat), std::nullopt, keys, Rate(context->saved_data["rate"].toDouble()));
    auto residual = context->saved_data["residual"].toBool() ? grads[0] : at::Tensor();
    return {dx.to(grads[0].scalar_type()), residual, at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

struct SelfAttention : torch::autograd::Function<SelfAttention> {
  static AttentionProblem problem(const at::Tensor& qkv, const std::optional<at::Tensor>& lengths, bool causal,
                                  double scale, const Rate& rate, const std::vector<uint64_t>& keys) {
    AttentionProblem p;
    p.batch = qkv.size(0), p.length = qkv.size(1), p.heads = qkv.size(3), p.width = qkv.size(4);
    const int64_t part = p.heads * p.width;
    p.q = qkv.const_data_ptr<float>(), p.k = p.q + part, p.v = p.k + part;
    p.batchStride = p.length * 3 * part, p.rowStride = 3 * part, p.headStride = p.width;
    p.lengths = lengths ? lengths->const_data_ptr<int64_t>() : nullptr;
    p.causal = causal, p.scale = float(scale);
    p.dropThreshold = rate.threshold, p.keepScale = rate.keepScale, p.rowKeys = keys.data();
    return p;
  }

  /// A multiplication and an addition per pair and feature, all heads and rows together.
  static double pairOperations(const AttentionProblem& p) {
    double pairs = 0;
    for (int64_t b = 0; b < p.batch; b++) {
      double n = double(p.lengths ? p.lengths[b] : p.length);
      pairs += p.causal ? n * (n + 1) / 2 : n * n;
    }
    return 2 * pairs * double(p.heads * p.width);
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& lengths, bool causal, double scale, double dropout,
                            const std::optional<at::Tensor>& rows, int64_t key) {
    TORCH_CHECK(qkv.dim() == 5 && qkv.size(2) == 3 && qkv.is_contiguous() && qkv.scalar_type() == at::kFloat,
                "self-attention wants a contiguous float32 [B, L, 3, H, E], got ", qkv.sizes());
    TORCH_CHECK(qkv.size(4) <= 1024, "a head is at most 1024 wide, not ", qkv.size(4));
    const auto batch = qkv.size(0), length = qkv.size(1), heads = qkv.size(3), width = qkv.size(4);
    if (lengths) {
      TORCH_CHECK(lengths->is_cpu() && lengths->scalar_type() == at::kLong && lengths->numel() == batch &&
                      lengths->is_contiguous(),
                  "lengths must be ", batch, " int64 on the CPU");
      for (int64_t b = 0; b < batch; b++) {
        auto n = lengths->const_data_ptr<int64_t>()[b];
        TORCH_CHECK(n >= 0 && n <= length, "a length of ", n, " is outside 0...", length);
      }
    }
    Rate rate(dropout);
    std::vector<uint64_t> keys(size_t(batch), 0);
    if (rate.threshold) {
      TORCH_CHECK(rows.has_value(), "dropout needs the examples' positions");
      keys = keysOfRows(*rows, uint64_t(key), batch);
    }
    auto out = at::empty({batch, length, heads, width}, qkv.options());
    auto lse = at::empty({batch, heads, length}, qkv.options());
    auto p = problem(qkv, lengths, causal, scale, rate, keys);
    countOperations(2 * pairOperations(p));  // Q K^T and P V
    parallelFor(kernels().attentionForwardUnits(p), [&](int64_t begin, int64_t end) {
      kernels().attentionForward(p, out.mutable_data_ptr<float>(), lse.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({qkv, out, lse});
    context->saved_data["lengths"] = lengths;
    context->saved_data["rows"] = rows;
    context->saved_data["causal"] = causal;
    context->saved_data["scale"] = scale;
    context->saved_data["dropout"] = dropout;
    context->saved_data["key"] = key;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto &qkv = saved[0], &out = saved[1], &lse = saved[2];
    auto lengths = context->saved_data["lengths"].toOptional<at::Tensor>();
    auto rows = context->saved_data["rows"].toOptional<at::Tensor>();
    Rate rate(context->saved_data["dropout"].toDouble());
    std::vector<uint64_t> keys(size_t(qkv.size(0)), 0);
    if (rate.threshold) keys = keysOfRows(*rows, uint64_t(context->saved_data["key"].toInt()), qkv.size(0));
    auto p = problem(qkv, lengths, context->saved_data["causal"].toBool(),
                     context->saved_data["scale"].toDouble(), rate, keys);
    countOperations(4 * pairOperations(p));  // gradients of Q, K, P and V
    auto grad = grads[0].contiguous();
    auto result = at::empty_like(qkv);
    float* dq = result.mutable_data_ptr<float>();
    const int64_t part = p.heads * p.width;
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().attentionBackward(p, out.const_data_ptr<float>(), lse.const_data_ptr<float>(),
                                  grad.const_data_ptr<float>(), dq, dq + part, dq + 2 * part, begin, end);
    });
    return {result, at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor(), at::Tensor()};
  }
};

/// Whether the kernels take a tensor: on the CPU, and not float64, which would lose its digits.
bool forKernels(const at::Tensor& x) { return x.is_cpu() && x.scalar_type() != at::kDouble; }

/// The kernels' dropout of a float64 tensor: the same elements are kept, values stay exact.
at::Tensor exactDropout(const at::Tensor& x, const std::optional<at::Tensor>& residual, const at::Tensor& rows,
                        uint64_t key, double rate) {
  auto ones = at::ones(x.sizes(), x.options().dtype(at::kFloat));
  Rate by(rate);
  auto keep = dropped(ones, std::nullopt, keysOfRows(rows, key, x.size(0)), by);
  // The scale in float64, where the kernels' factor is rounded.
  auto y = at::mul(x, at::mul(keep.gt(0).to(x.scalar_type()), 65536.0 / (65536.0 - by.threshold)));
  return residual ? at::add(*residual, y) : y;
}

at::Tensor exactAttention(const at::Tensor& qkv, const std::optional<at::Tensor>& lengths, bool causal,
                          double scale, double dropout, const std::optional<at::Tensor>& rows, uint64_t key) {
  Rate rate(dropout);
  if (!rate.threshold) return composedAttention(qkv, lengths, causal, scale, std::nullopt, 0, key);
  AttentionProblem p{};
  p.batch = qkv.size(0), p.length = qkv.size(1), p.heads = qkv.size(3);
  auto keys = keysOfRows(*rows, key, p.batch);
  p.dropThreshold = rate.threshold, p.keepScale = 1, p.rowKeys = keys.data();
  auto keep = at::empty({p.batch, p.heads, p.length, p.length}, at::kFloat);
  parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
    kernels().attentionKeep(p, keep.mutable_data_ptr<float>(), begin, end);
  });
  auto factors = at::mul(keep.to(at::kDouble), 65536.0 / (65536.0 - rate.threshold));
  return composedAttention(qkv, lengths, causal, scale, factors, 0, key);
}

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_dropout(ct_tensor x, ct_tensor residual, ct_tensor rows, uint64_t key, double rate) {
  return guarded([&] {
    if (tensor(x).is_cuda()) return libraryDropout(tensor(x), optional(residual), rate, key);
    if (!forKernels(tensor(x))) return exactDropout(tensor(x), optional(residual), tensor(rows), key, rate);
    return Dropout::apply(tensor(x), optional(residual), tensor(rows), int64_t(key), rate);
  });
}

ct_tensor ct_self_attention(ct_tensor qkv, ct_tensor lengths, int causal, double scale, double dropout,
                            ct_tensor rows, uint64_t key) {
  return guarded([&] {
    if (tensor(qkv).is_cuda())
      return composedAttention(tensor(qkv), optional(lengths), causal != 0, scale, std::nullopt, dropout, key);
    if (!forKernels(tensor(qkv)))
      return exactAttention(tensor(qkv), optional(lengths), causal != 0, scale, dropout, optional(rows), key);
    return SelfAttention::apply(tensor(qkv), optional(lengths), causal != 0, scale, dropout, optional(rows),
                                int64_t(key));
  });
}
