#include "composed.h"

#include <ATen/Context.h>
#include <ATen/ops/add.h>
#include <ATen/ops/all.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/le.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/scatter.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/sum.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>

#include <bit>
#include <map>

#include "rates.h"

namespace ct {
namespace {

void beginAnew(const at::Device& device, uint64_t key) {
  auto generator = at::globalContext().defaultGenerator(device);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(key);
}

/// Where either is true; an undefined one is false everywhere.
at::Tensor either(const at::Tensor& a, const at::Tensor& b) {
  return !a.defined() ? b : !b.defined() ? a : at::logical_or(a, b);
}

/// Dropout of weights [B, H, ..., Q, K] in float64, kept where the kernels keep them.
///
/// `rows` [P, ..., Q] int32: each query's position, P 1, B or B H.
at::Tensor exactDropout(const at::Tensor& weights, const at::Tensor& rows, int64_t round,
                        const AttentionRequest& request) {
  const int64_t batch = weights.size(0), heads = weights.size(1), queries = weights.size(-2), keys = weights.size(-1);
  const int64_t groups = weights.numel() / (batch * heads * queries * keys), plans = rows.size(0);
  const Rate rate(request.dropout);
  auto ids = keysOfRows(*request.rows, uint64_t(request.key), batch);
  auto positions = rows.to(at::kInt).contiguous();
  auto keep = at::empty(weights.sizes(), weights.options().dtype(at::kFloat));
  parallelFor(batch * heads, [&](int64_t begin, int64_t end) {
    for (int64_t pair = begin; pair < end; pair++) {
      const int64_t plan = plans == 1 ? 0 : plans == batch ? pair / heads : pair;
      for (int64_t g = 0; g < groups; g++)
        kernels().attentionKeep(positions.const_data_ptr<int32_t>() + (plan * groups + g) * queries, queries, keys,
                                pair % heads, round, ids[pair / heads], rate.threshold, 1,
                                keep.mutable_data_ptr<float>() + (pair * groups + g) * queries * keys);
    }
  });
  // The scale in float64, where the kernels' factor is rounded.
  return at::mul(weights, at::mul(keep.to(at::kDouble), 65536.0 / (65536.0 - rate.threshold)));
}

/// Weighted values, and when asked for the log-sum-exp of the logits [..., Q, 1].
at::Tensor softmaxed(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& blocked,
                     const at::Tensor& rows, const AttentionRequest& request, const at::Tensor& bias = {},
                     int64_t round = 0, at::Tensor* total = nullptr) {
  auto logits = at::mul(at::matmul(q, k.transpose(-2, -1)), request.scale);
  if (bias.defined()) logits = at::add(logits, bias);
  // Finite, so that a row without keys gives no NaN; it is zeroed below.
  if (blocked.defined()) logits = at::masked_fill(logits, blocked, -1e30);
  if (total) *total = at::logsumexp(logits, -1, true);
  auto weights = at::softmax(logits, -1);
  if (request.dropout > 0)
    weights = forKernels(q) || !q.is_cpu() ? at::dropout(weights, request.dropout, true)
                                           : exactDropout(weights, rows, round, request);
  auto out = at::matmul(weights, v);
  return blocked.defined() ? at::masked_fill(out, at::all(blocked, -1, true), 0) : out;
}

/// Groups of like sizes, the same number in every plan; rows that are missing are -1.
struct GroupClass {
  int64_t queries = 0, keys = 0, count = 0;
  std::vector<std::vector<int64_t>> groups;  // of every plan
};

std::vector<GroupClass> classesOf(const Plan& plan, int32_t round) {
  std::map<std::pair<int, int>, GroupClass> classes;
  for (int64_t p = 0; p < plan.plans(); p++)
    for (int64_t g = plan.groupStart[p]; g < plan.groupStart[p + 1]; g++) {
      const int64_t queries = plan.queryStart[g + 1] - plan.queryStart[g];
      const int64_t keys = plan.keyStart[g + 1] - plan.keyStart[g];
      if (queries == 0 || keys == 0 || plan.round[size_t(g)] != round) continue;
      auto& like = classes[{std::bit_width(uint64_t(queries)), std::bit_width(uint64_t(keys))}];
      like.groups.resize(size_t(plan.plans()));
      like.groups[size_t(p)].push_back(g);
      like.queries = std::max(like.queries, queries), like.keys = std::max(like.keys, keys);
      like.count = std::max(like.count, int64_t(like.groups[size_t(p)].size()));
    }
  std::vector<GroupClass> list;
  for (auto& entry : classes) list.push_back(std::move(entry.second));
  return list;
}

/// Entries of a plan's list as [P, G, n] int64, `missing` where there is none.
at::Tensor entries(const Plan& plan, const GroupClass& like, const std::vector<int64_t>& start,
                   const int32_t* values, int64_t n, int64_t missing) {
  auto tensor = at::full({plan.plans(), like.count, n}, missing, at::kLong);
  auto* to = tensor.mutable_data_ptr<int64_t>();
  for (int64_t p = 0; p < plan.plans(); p++)
    for (size_t g = 0; g < like.groups[size_t(p)].size(); g++) {
      const int64_t group = like.groups[size_t(p)][g];
      for (int64_t i = start[group]; i < start[group + 1]; i++)
        to[(p * like.count + int64_t(g)) * n + i - start[group]] = values[i];
    }
  return tensor;
}

/// A round of a plan [B, Lq, H, Ev], and when asked for the log-sum-exps of its logits [B, Lq, H, 1].
at::Tensor planned(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                   const AttentionRequest& request, int32_t round, at::Tensor* totals) {
  const Plan& plan = *request.plan;
  const int64_t batch = q.size(0), heads = q.size(2), queries = q.size(1), keys = k.size(1);
  const auto device = q.device();
  // [P, G, n] as it broadcasts to [B, H, G, n].
  auto spread = [&](const at::Tensor& x) {
    const int64_t plans = x.size(0);
    return x.view({plans == 1 ? 1 : batch, plans == batch * heads && plans > 1 ? heads : 1, x.size(1), x.size(2)})
        .to(device);
  };
  // Rows of x [B, L + 1, H, E] at index [B or 1, H or 1, G, n]: [B, H, G, n, E].
  auto placed = [&](const at::Tensor& index, int64_t width) {
    return index.expand({batch, heads, index.size(2), index.size(3)}).flatten(2).transpose(1, 2).unsqueeze(3)
        .expand({batch, index.size(2) * index.size(3), heads, width});
  };
  auto picked = [&](const at::Tensor& x, const at::Tensor& index) {
    return at::gather(x, 1, placed(index, x.size(3))).view({batch, index.size(2), index.size(3), heads, x.size(3)})
        .permute({0, 3, 1, 2, 4});
  };
  auto longer = [](const at::Tensor& x) { return at::constant_pad_nd(x, {0, 0, 0, 0, 0, 1}); };
  auto q1 = longer(q), k1 = longer(k), v1 = longer(v);
  auto out = at::zeros({batch, queries + 1, heads, v.size(3)}, q.options());
  if (totals) *totals = at::full({batch, queries + 1, heads, 1}, -1e30, q.options());
  const auto classes = classesOf(plan, round);
  // Nobody attends to anything: the gradients are zeros, not none.
  if (classes.empty()) out = at::add(out, at::mul(at::add(at::add(at::sum(q), at::sum(k)), at::sum(v)), 0));
  for (const auto& like : classes) {
    auto rows = entries(plan, like, plan.queryStart, plan.query.data(), like.queries, -1);
    auto qi = spread(rows), ki = spread(entries(plan, like, plan.keyStart, plan.key.data(), like.keys, -1));
    auto blocked = at::lt(ki, 0);
    if (request.keyLengths)
      blocked = at::logical_or(blocked, at::ge(ki, request.keyLengths->to(device).view({batch, 1, 1, 1})));
    blocked = blocked.unsqueeze(3);  // [B, H, G, 1, K]
    const auto missing = blocked;
    if (plan.coded()) {
      auto low = spread(entries(plan, like, plan.queryStart, plan.low.data(), like.queries, 0)).unsqueeze(4);
      auto high = spread(entries(plan, like, plan.queryStart, plan.high.data(), like.queries, 0)).unsqueeze(4);
      auto code = spread(entries(plan, like, plan.keyStart, plan.code.data(), like.keys, 0)).unsqueeze(3);
      blocked = at::logical_or(blocked, at::logical_or(at::lt(code, low), at::gt(code, high)));
    }
    for (int64_t a = 0; a < plan.avoids; a++) {
      const auto at = a * int64_t(plan.query.size());
      auto low = spread(entries(plan, like, plan.queryStart, plan.avoidLow.data() + at, like.queries, 1)).unsqueeze(4);
      auto high = spread(entries(plan, like, plan.queryStart, plan.avoidHigh.data() + at, like.queries, 0)).unsqueeze(4);
      const auto* codes = plan.avoidCode.data() + a * int64_t(plan.key.size());
      auto code = spread(entries(plan, like, plan.keyStart, codes, like.keys, 0)).unsqueeze(3);
      blocked = at::logical_or(blocked, at::logical_and(at::ge(code, low), at::le(code, high)));
    }
    if (plan.coded() || plan.avoids > 0) {
      std::vector<int64_t> ends(plan.shared.size() + 1);
      for (size_t i = 0; i < ends.size(); i++) ends[i] = int64_t(i);
      auto shared = spread(entries(plan, like, ends, plan.shared.data(), 1, 0)).unsqueeze(4);
      auto open = at::lt(at::arange(like.keys, shared.options()), shared);
      blocked = at::logical_or(missing, at::logical_and(blocked, at::logical_not(open)));
    }
    at::Tensor total;
    auto attended = softmaxed(picked(q1, at::where(at::lt(qi, 0), queries, qi)),
                              picked(k1, at::where(at::lt(ki, 0), keys, ki)),
                              picked(v1, at::where(at::lt(ki, 0), keys, ki)), blocked, rows, request,
                              bias.defined() ? bias.unsqueeze(1) : bias, round, totals ? &total : nullptr);
    auto moved = [&](const at::Tensor& to, const at::Tensor& x) {
      auto index = placed(at::where(at::lt(qi, 0), queries, qi), x.size(4));
      return at::scatter(to, 1, index, x.permute({0, 2, 3, 1, 4}).flatten(1, 2));
    };
    out = moved(out, attended);
    if (totals) *totals = moved(*totals, total);
  }
  if (totals) *totals = totals->narrow(1, 0, queries);
  return out.narrow(1, 0, queries);
}

/// All rounds of a plan as one softmax over the keys of them all.
at::Tensor planned(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                   const AttentionRequest& request) {
  const int32_t rounds = request.plan->rounds();
  if (rounds == 1) return planned(q, k, v, bias, request, 0, nullptr);
  std::vector<at::Tensor> outs, totals(static_cast<size_t>(rounds));
  for (int32_t round = 0; round < rounds; round++)
    outs.push_back(planned(q, k, v, bias, request, round, &totals[size_t(round)]));
  return at::sum(at::mul(at::stack(outs), at::softmax(at::stack(totals), 0)), 0);
}

}  // namespace

at::Tensor libraryDropout(const at::Tensor& x, const std::optional<at::Tensor>& residual, double rate,
                          uint64_t key) {
  beginAnew(x.device(), key);
  auto y = at::dropout(x, rate, true);
  return residual ? at::add(*residual, y) : y;
}

at::Tensor composedAttention(const at::Tensor& q, const at::Tensor& k, const at::Tensor& v, const at::Tensor& bias,
                             const AttentionRequest& request) {
  const int64_t batch = q.size(0), queries = q.size(1), keys = k.size(1);
  if (request.dropout > 0 && q.is_cuda()) beginAnew(q.device(), uint64_t(request.key));
  auto places = [&](int64_t count) { return at::arange(count, q.options().dtype(at::kLong)); };
  at::Tensor out;
  if (request.plan) {
    out = planned(q, k, v, bias, request);
  } else {
    at::Tensor blocked;  // true where a key may not be attended
    if (request.keyLengths)
      blocked = at::ge(places(keys).unsqueeze(0), request.keyLengths->to(q.device()).unsqueeze(1))
                    .view({batch, 1, 1, keys});
    if (request.causal)
      blocked = either(blocked, at::gt(places(keys).unsqueeze(0), places(queries).unsqueeze(1))
                                    .view({1, 1, queries, keys}));
    auto head = [](const at::Tensor& x) { return x.transpose(1, 2); };  // [B, H, L, E]
    if (q.is_cuda() && !bias.defined()) {
      auto allowed = blocked.defined() ? std::optional<at::Tensor>(at::logical_not(blocked)) : std::nullopt;
      out = at::scaled_dot_product_attention(head(q), head(k), head(v), allowed, request.dropout, false, request.scale)
                .transpose(1, 2);
    } else {
      out = softmaxed(head(q), head(k), head(v), blocked, places(queries).unsqueeze(0), request, bias).transpose(1, 2);
    }
  }
  if (!request.queryLengths) return out;
  auto padded = at::ge(places(queries).unsqueeze(0), request.queryLengths->to(q.device()).unsqueeze(1));
  return at::masked_fill(out, padded.view({batch, queries, 1, 1}), 0);
}

}  // namespace ct
