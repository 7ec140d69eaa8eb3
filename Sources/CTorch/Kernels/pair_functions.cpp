// Attention of queries to other keys as a differentiable function. Backward makes the weights again.
#include <ATen/ops/empty.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "kernels.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct PairOptions {
  bool softmax, causal;
  double scale;
  uint32_t dropThreshold;
  std::vector<uint64_t> keys;  // of dropout, of each row of the batch
};

/// Rows whose elements lie side by side.
at::Tensor rowsOf(const at::Tensor& x) { return x.stride(-1) == 1 ? x : x.contiguous(); }

RowsOf rows(const at::Tensor& x) { return {x.const_data_ptr<float>(), x.stride(0), x.stride(1), x.stride(2)}; }

PairProblem problem(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
                    const std::optional<at::Tensor>& lengths, const PairOptions& options) {
  PairProblem p{};
  p.batch = q.size(0), p.heads = q.size(1), p.rows = q.size(2), p.columns = k.size(2), p.width = q.size(3);
  p.q = rows(q), p.k = rows(k), p.v = rows(v);
  p.lengths = lengths ? lengths->const_data_ptr<int64_t>() : nullptr;
  p.softmax = options.softmax, p.causal = options.causal, p.scale = float(options.scale);
  p.dropThreshold = options.dropThreshold;
  p.keepScale = float(65536.0 / (65536.0 - options.dropThreshold));
  p.rowKeys = options.keys.data();
  return p;
}

void check(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v,
           const std::optional<at::Tensor>& lengths) {
  for (const auto& x : {q, k, v})
    TORCH_CHECK(x.is_cpu() && x.scalar_type() == at::kFloat && x.dim() == 4,
                "this attention wants float32 [B, H, N, E] on the CPU, got ", x.sizes());
  TORCH_CHECK(k.sizes() == v.sizes() && q.size(0) == k.size(0) && q.size(1) == k.size(1) && q.size(3) == k.size(3) &&
                  q.size(3) >= 1,
              "queries ", q.sizes(), ", keys ", k.sizes(), " and values ", v.sizes(), " do not fit");
  if (!lengths) return;
  TORCH_CHECK(lengths->is_cpu() && lengths->scalar_type() == at::kLong && lengths->numel() == q.size(0) &&
                  lengths->is_contiguous(),
              "lengths must be ", q.size(0), " int64 on the CPU");
  for (int64_t b = 0; b < q.size(0); b++)
    TORCH_CHECK(lengths->const_data_ptr<int64_t>()[b] >= 0, "a length is negative");
}

struct PairAttention : torch::autograd::Function<PairAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& queries, const at::Tensor& keys,
                            const at::Tensor& values, const std::optional<at::Tensor>& lengths,
                            const PairOptions* options) {
    check(queries, keys, values, lengths);
    auto q = rowsOf(queries), k = rowsOf(keys), v = rowsOf(values);
    auto p = problem(q, k, v, lengths, *options);
    auto out = at::empty({p.batch, p.rows, p.heads, p.width}, q.options());
    auto sums = at::empty({2, p.batch, p.heads, p.softmax ? p.rows : 0}, q.options());
    countOperations(4 * double(out.numel()) * double(p.columns));
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().pairForward(p, out.mutable_data_ptr<float>(), sumsOf(sums), begin, end);
    });
    context->save_for_backward({q, k, v, out, sums});
    auto& data = context->saved_data;
    data["lengths"] = lengths;
    data["softmax"] = options->softmax, data["causal"] = options->causal, data["scale"] = options->scale;
    data["threshold"] = int64_t(options->dropThreshold);
    data["keys"] = std::vector<int64_t>(options->keys.begin(), options->keys.end());
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto& data = context->saved_data;
    auto words = data["keys"].toIntVector();
    PairOptions options{data["softmax"].toBool(), data["causal"].toBool(), data["scale"].toDouble(),
                        uint32_t(data["threshold"].toInt()), std::vector<uint64_t>(words.begin(), words.end())};
    auto lengths = data["lengths"].toOptional<at::Tensor>();
    auto p = problem(saved[0], saved[1], saved[2], lengths, options);
    auto gradient = grads[0].contiguous();
    auto fresh = [&](int64_t count) {
      return at::empty({p.batch, count, p.heads, p.width}, gradient.options());
    };
    auto dq = fresh(p.rows), dk = fresh(p.columns), dv = fresh(p.columns);
    PairGradients to{dq.mutable_data_ptr<float>(), dk.mutable_data_ptr<float>(), dv.mutable_data_ptr<float>()};
    countOperations(8 * double(dq.numel()) * double(p.columns));
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().pairBackward(p, saved[3].const_data_ptr<float>(), sumsOf(saved[4]), gradient.const_data_ptr<float>(),
                             to, begin, end);
    });
    return {dq.transpose(1, 2), dk.transpose(1, 2), dv.transpose(1, 2), at::Tensor(), at::Tensor()};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_pair_attention(ct_tensor queries, ct_tensor keys, ct_tensor values, ct_tensor lengths, int softmax,
                            int causal, double scale, double dropout, ct_tensor rows, uint64_t key) {
  return guarded([&] {
    TORCH_CHECK(dropout >= 0 && dropout < 1, "a dropout rate is at least 0 and below 1, not ", dropout);
    PairOptions options{softmax != 0, causal != 0, scale, uint32_t(std::lround(dropout * 65536)), {}};
    if (options.dropThreshold) {
      const auto& examples = tensor(rows);
      TORCH_CHECK(examples.is_cpu() && examples.scalar_type() == at::kLong && examples.is_contiguous() &&
                      examples.numel() == tensor(queries).size(0),
                  "dropout wants the examples' positions, int64 on the CPU");
      for (int64_t b = 0; b < examples.numel(); b++)
        options.keys.push_back(mixKey(key, uint64_t(examples.const_data_ptr<int64_t>()[b])));
    }
    return PairAttention::apply(tensor(queries), tensor(keys), tensor(values), optional(lengths),
                                static_cast<const PairOptions*>(&options))
        .transpose(1, 2);
  });
}
