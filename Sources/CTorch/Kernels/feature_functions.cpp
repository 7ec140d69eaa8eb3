// Attention by features as a differentiable function. Backward makes the features again.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include <cmath>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

void checkPacked(const at::Tensor& qkv, const std::optional<at::Tensor>& lengths) {
  TORCH_CHECK(qkv.dim() == 5 && qkv.size(2) == 3 && qkv.is_contiguous() && qkv.is_cpu() &&
                  qkv.scalar_type() == at::kFloat,
              "attention by features wants a contiguous float32 [B, L, 3, H, E], got ", qkv.sizes());
  TORCH_CHECK(qkv.size(4) >= 1 && qkv.size(4) <= 1024, "a head is 1 to 1024 wide, not ", qkv.size(4));
  lengthsOf(lengths, qkv.size(0), qkv.size(1));
}

/// The float32 table of a feature map, checked against the sizes of qkv.
std::optional<at::Tensor> tableOf(FeatureMap map, const std::optional<at::Tensor>& table, const at::Tensor& qkv) {
  if (map != FeatureMap::cosine && map != FeatureMap::random) return std::nullopt;
  TORCH_CHECK(table.has_value() && table->dim() == 2, "this feature map wants a table of two dimensions");
  const bool fits = map == FeatureMap::cosine ? table->size(0) >= qkv.size(1) && table->size(1) == 2
                                              : table->size(0) >= 1 && table->size(1) == qkv.size(4);
  TORCH_CHECK(fits, "a table of ", table->sizes(), " does not fit queries and keys of ", qkv.sizes());
  return table->to(at::kCPU, at::kFloat).contiguous();
}

FeatureProblem problem(const at::Tensor& qkv, const std::optional<at::Tensor>& lengths,
                       const std::optional<at::Tensor>& table, bool causal, FeatureMap map, double eps,
                       double least, bool clamped, bool half) {
  FeatureProblem p{};
  p.batch = qkv.size(0), p.length = qkv.size(1), p.heads = qkv.size(3), p.width = qkv.size(4);
  const int64_t part = p.heads * p.width;
  p.q = qkv.const_data_ptr<float>(), p.k = p.q + part, p.v = p.k + part;
  p.batchStride = p.length * 3 * part, p.rowStride = 3 * part, p.headStride = p.width;
  p.lengths = lengths ? lengths->const_data_ptr<int64_t>() : nullptr;
  p.causal = causal, p.map = map;
  p.table = table ? table->const_data_ptr<float>() : nullptr;
  switch (map) {
    case FeatureMap::random: p.features = table->size(0); break;
    case FeatureMap::cosine: p.features = 2 * p.width; break;
    case FeatureMap::taylor: p.features = 1 + p.width + p.width * (p.width + 1) / 2; break;
    default: p.features = p.width;
  }
  p.eps = float(eps), p.scale = float(std::pow(double(p.width), -0.25));
  p.factor = float(1 / std::sqrt(double(p.features)));
  p.clamped = clamped, p.least = float(least), p.half = half;
  return p;
}

/// A multiplication and an addition of every feature with every value, of all tokens.
double featureOperations(const FeatureProblem& p) {
  return 2 * double(p.batch * p.heads * p.length) * double(p.features * p.width);
}

struct FeatureAttention : torch::autograd::Function<FeatureAttention> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& qkv,
                            const std::optional<at::Tensor>& lengths, const std::optional<at::Tensor>& given,
                            bool causal, int64_t map, double eps, double least, bool clamped) {
    checkPacked(qkv, lengths);
    const bool half = wantsHalf();
    auto table = tableOf(FeatureMap(map), given, qkv);
    auto p = problem(qkv, lengths, table, causal, FeatureMap(map), eps, least, clamped, half);
    auto out = at::empty({p.batch, p.length, p.heads, p.width}, qkv.options());
    // Keys with values, queries with their sums, and the exponents of random features.
    countOperations(featureOperations(p) * (p.map == FeatureMap::random ? 4 : 2));
    auto denominators = at::empty({p.batch, p.heads, p.length}, qkv.options());
    auto states = at::empty({p.batch * p.heads, kernels().featureStateSize(p)}, qkv.options());
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().featureForward(p, out.mutable_data_ptr<float>(), denominators.mutable_data_ptr<float>(),
                               states.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({qkv, out, denominators, states});
    context->saved_data["lengths"] = lengths;
    context->saved_data["table"] = table;
    context->saved_data["causal"] = causal;
    context->saved_data["map"] = map;
    context->saved_data["eps"] = eps;
    context->saved_data["least"] = least;
    context->saved_data["clamped"] = clamped;
    context->saved_data["half"] = half;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto &qkv = saved[0], &out = saved[1], &denominators = saved[2], &states = saved[3];
    auto& data = context->saved_data;
    auto lengths = data["lengths"].toOptional<at::Tensor>(), table = data["table"].toOptional<at::Tensor>();
    auto p = problem(qkv, lengths, table, data["causal"].toBool(), FeatureMap(data["map"].toInt()),
                     data["eps"].toDouble(), data["least"].toDouble(), data["clamped"].toBool(), data["half"].toBool());
    auto gradient = grads[0].contiguous();
    countOperations(featureOperations(p) * (p.map == FeatureMap::random ? 6 : 4));
    auto result = at::empty_like(qkv);
    float* dq = result.mutable_data_ptr<float>();
    const int64_t part = p.heads * p.width;
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().featureBackward(p, out.const_data_ptr<float>(), denominators.const_data_ptr<float>(),
                                states.const_data_ptr<float>(), gradient.const_data_ptr<float>(), dq, dq + part,
                                dq + 2 * part, begin, end);
    });
    return {result, {}, {}, {}, {}, {}, {}, {}};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_feature_attention(ct_tensor qkv, ct_tensor lengths, ct_feature_map map, ct_tensor table, int causal,
                               double eps, double least, int clamped) {
  return guarded([&] {
    return FeatureAttention::apply(tensor(qkv), optional(lengths), optional(table), causal != 0, int64_t(map), eps,
                                   least, clamped != 0);
  });
}
