// Softmax attention as a differentiable function. Backward recomputes probabilities from the sums of rows.
#include <ATen/autocast_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>

#include "../include/ct_kernels.h"
#include "composed.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

Rows rowsOf(const at::Tensor& x) {
  TORCH_CHECK(x.stride(3) == 1 || x.size(3) == 1, "attention wants dense heads");
  return {x.data_ptr(), x.stride(0), x.stride(1), x.stride(2)};
}

/// Pairs of a query and a key that it attends to, of all heads.
double pairsOf(const AttentionProblem& p) {
  double pairs = 0;
  for (int64_t pair = 0; pair < p.batch * p.heads; pair++) {
    const int64_t b = pair / p.heads;
    const int64_t queries = p.queryLengths ? p.queryLengths[b] : p.queries;
    const int64_t keys = p.keyLengths ? p.keyLengths[b] : p.keys;
    if (!p.plan) {
      pairs += p.causal ? double(keys) * double(keys + 1) / 2 : double(queries) * double(keys);
      continue;
    }
    const AttentionPlan& plan = *p.plan;
    const int64_t index = plan.plans == 1 ? 0 : plan.plans == p.batch ? b : pair;
    for (int64_t g = plan.groupStart[index]; g < plan.groupStart[index + 1]; g++)
      for (int64_t i = plan.queryStart[g]; i < plan.queryStart[g + 1]; i++)
        for (int64_t j = plan.keyStart[g]; j < plan.keyStart[g + 1]; j++) {
          if (plan.query[i] >= queries || plan.key[j] < 0 || plan.key[j] >= keys) continue;
          bool open = !plan.code || (plan.low[i] <= plan.code[j] && plan.code[j] <= plan.high[i]);
          for (int64_t a = 0; a < plan.avoids; a++) {
            const int32_t code = plan.avoidCode[a * plan.keys + j];
            const int64_t at = a * plan.queries + i;
            open = open && !(plan.avoidLow[at] <= code && code <= plan.avoidHigh[at]);
          }
          pairs += open || j - plan.keyStart[g] < plan.shared[g];
        }
  }
  return pairs;
}

/// Counts products along queries and keys and along values: two each forward, four backward.
void countProducts(const AttentionProblem& p, double passes) {
  if (counting()) countOperations(passes * 2 * pairsOf(p) * double(p.width + p.valueWidth));
}

/// A request on its way from forward to backward.
struct Held : torch::CustomClassHolder {
  AttentionRequest request;
};

/// Queries, keys and values [B, L, H, E], each a tensor or side by side in one [B, L, 3, H, E], and a bias or none.
struct Operands {
  at::Tensor q, k, v, bias;
  explicit Operands(const variable_list& inputs) {
    if (inputs.size() == 4) bias = inputs[3];
    if (inputs.size() >= 3)
      q = inputs[0], k = inputs[1], v = inputs[2];
    else
      q = inputs[0].select(2, 0), k = inputs[0].select(2, 1), v = inputs[0].select(2, 2);
  }
};

struct Attention : torch::autograd::Function<Attention> {
  static AttentionProblem problem(const Operands& x, const AttentionRequest& request, const AttentionPlan* plan,
                                  const Rate& rate, const std::vector<uint64_t>& keys) {
    AttentionProblem p{};
    p.batch = x.q.size(0), p.heads = x.q.size(2), p.queries = x.q.size(1), p.keys = x.k.size(1);
    p.width = x.q.size(3), p.valueWidth = x.v.size(3);
    p.q = rowsOf(x.q), p.k = rowsOf(x.k), p.v = rowsOf(x.v);
    p.half = x.q.scalar_type() == at::kBFloat16;
    p.queryLengths = lengthsOf(request.queryLengths, p.batch, p.queries);
    p.keyLengths = lengthsOf(request.keyLengths, p.batch, p.keys);
    p.causal = request.causal, p.scale = float(request.scale);
    p.dropThreshold = rate.threshold, p.keepScale = rate.keepScale, p.rowKeys = keys.data();
    p.plan = plan;
    if (x.bias.defined()) p.bias = {x.bias.const_data_ptr<float>(), x.bias.stride(0), x.bias.stride(1), nullptr};
    return p;
  }

  static std::vector<uint64_t> keysOf(const AttentionRequest& request, const Rate& rate, int64_t batch) {
    if (!rate.threshold) return std::vector<uint64_t>(size_t(batch), 0);
    TORCH_CHECK(request.rows.has_value(), "dropout needs the examples' positions");
    return keysOfRows(*request.rows, uint64_t(request.key), batch);
  }

  static at::Tensor forward(AutogradContext* context, const c10::intrusive_ptr<Held>& held, const at::Tensor& first,
                            const std::optional<at::Tensor>& k, const std::optional<at::Tensor>& v,
                            const std::optional<at::Tensor>& bias) {
    variable_list inputs{first};
    for (const auto& rest : {k, v, bias})
      if (rest) inputs.push_back(*rest);
    const auto& request = held->request;
    const Operands x(inputs);
    TORCH_CHECK(x.q.size(3) <= 4096 && x.v.size(3) <= 4096, "a head is at most 4096 wide");
    TORCH_CHECK(request.scale > 0, "the scale of logits is above 0, not ", request.scale);
    const Rate rate(request.dropout);
    const auto keys = keysOf(request, rate, x.q.size(0));
    AttentionPlan plan;
    if (request.plan) plan = request.plan->view();
    const auto p = problem(x, request, request.plan ? &plan : nullptr, rate, keys);
    // Queries that nothing is computed for: padding, and those that no group has.
    const bool some = request.plan || request.queryLengths;
    auto sizes = std::vector<int64_t>{p.batch, p.queries, p.heads, p.valueWidth};
    auto out = some ? at::zeros(sizes, x.q.options()) : at::empty(sizes, x.q.options());
    auto sums = at::zeros({2, p.batch, p.heads, p.queries}, x.q.options().dtype(at::kFloat));
    const auto stored = sumsOf(sums);
    std::fill_n(stored.tops, sums.numel() / 2, INFINITY);
    const auto to = rowsOf(out);
    countProducts(p, 1);  // Q K^T and P V
    parallelFor(kernels().attentionForwardUnits(p), [&](int64_t begin, int64_t end) {
      kernels().attentionForward(p, to, stored, begin, end);
    });
    auto saved = inputs;
    saved.push_back(out), saved.push_back(sums);
    context->save_for_backward(saved);
    context->saved_data["request"] = c10::IValue::make_capsule(held);
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto inputs = context->get_saved_variables();
    const auto sums = inputs.back();
    inputs.pop_back();
    const auto out = inputs.back();
    inputs.pop_back();
    auto capsule = context->saved_data["request"].toCapsule();
    const auto& request = static_cast<Held*>(capsule.get())->request;
    const Operands x(inputs);
    const Rate rate(request.dropout);
    const auto keys = keysOf(request, rate, x.q.size(0));
    AttentionPlan plan;
    if (request.plan) plan = request.plan->view();
    auto p = problem(x, request, request.plan ? &plan : nullptr, rate, keys);
    const auto grad = grads[0].contiguous().to(x.q.scalar_type());
    countProducts(p, 2);  // gradients of Q, K, P and V
    variable_list results;
    for (const auto& input : inputs) results.push_back(at::empty(input.sizes(), input.options()));
    const Operands dx(results);
    if (x.bias.defined()) p.bias.gradient = dx.bias.zero_().mutable_data_ptr<float>();
    const auto from = rowsOf(out), by = rowsOf(grad), dq = rowsOf(dx.q), dk = rowsOf(dx.k), dv = rowsOf(dx.v);
    auto write = [&](int64_t begin, int64_t end) {
      kernels().attentionBackward(p, from, sumsOf(sums), by, dq, dk, dv, begin, end);
    };
    // The gradient of a bias is summed over the batch: then a thread takes all pairs of a head.
    const bool apart = !p.bias.data;
    parallelFor(apart ? p.batch * p.heads : p.heads, [&](int64_t begin, int64_t end) {
      if (apart) return write(begin, end);
      for (int64_t h = begin; h < end; h++)
        for (int64_t pair = h; pair < p.batch * p.heads; pair += p.heads) write(pair, pair + 1);
    });
    results.resize(4);
    results.insert(results.begin(), at::Tensor());  // of the request
    return results;
  }
};

/// The plan of a handle, which may be null.
c10::intrusive_ptr<Plan> planOf(ct_plan handle) {
  return handle ? c10::intrusive_ptr<Plan>::reclaim_copy(reinterpret_cast<Plan*>(handle)) : nullptr;
}

at::Tensor attended(variable_list inputs, c10::intrusive_ptr<Held> held) {
  const auto& first = inputs[0];
  if (!first.is_cpu() || !forKernels(first)) {
    const Operands x(inputs);
    return composedAttention(x.q, x.k, x.v, x.bias, held->request);
  }
  // bfloat16 where it is wanted and the machine multiplies it, else float32.
  const bool wanted = first.scalar_type() == at::kBFloat16 || at::autocast::is_autocast_enabled(at::kCPU);
  const auto type = wanted && kernels().half ? at::kBFloat16 : at::kFloat;
  for (size_t n = 0; n < inputs.size(); n++) inputs[n] = inputs[n].to(n == 3 ? at::kFloat : type);
  auto rest = [&](size_t n) { return n < inputs.size() ? std::optional<at::Tensor>(inputs[n]) : std::nullopt; };
  return Attention::apply(held, inputs[0], rest(1), rest(2), rest(3));
}

}  // namespace
}  // namespace ct

using namespace ct;

ct_plan ct_plan_new(int64_t plans, const int64_t* groups, const int64_t* queries, const int64_t* keys,
                    const int32_t* query, const int32_t* key, const int32_t* shared, const int32_t* round,
                    const int32_t* low, const int32_t* high, const int32_t* code) {
  auto plan = c10::make_intrusive<Plan>();
  plan->groupStart.assign(groups, groups + plans + 1);
  const auto count = size_t(plan->groupStart.back());
  plan->queryStart.assign(queries, queries + count + 1);
  plan->keyStart.assign(keys, keys + count + 1);
  const auto queryCount = size_t(plan->queryStart.back()), keyCount = size_t(plan->keyStart.back());
  plan->query.assign(query, query + queryCount);
  plan->key.assign(key, key + keyCount);
  plan->shared.assign(shared, shared + count), plan->round.assign(round, round + count);
  if (code) {
    plan->low.assign(low, low + queryCount), plan->high.assign(high, high + queryCount);
    plan->code.assign(code, code + keyCount);
  }
  return reinterpret_cast<ct_plan>(plan.release());
}

void ct_plan_avoid(ct_plan handle, const int32_t* low, const int32_t* high, const int32_t* code) {
  auto& plan = *reinterpret_cast<Plan*>(handle);
  // The kernels read whole vectors: room for them stands behind the last one.
  auto append = [&](std::vector<int32_t>& to, const int32_t* from, size_t count) {
    to.resize(size_t(plan.avoids) * count);
    to.insert(to.end(), from, from + count);
    to.resize(to.size() + 64);
  };
  append(plan.avoidLow, low, plan.query.size()), append(plan.avoidHigh, high, plan.query.size());
  plan.avoidCode.insert(plan.avoidCode.end(), code, code + plan.key.size());
  plan.avoids++;
}

void ct_plan_free(ct_plan handle) { c10::intrusive_ptr<Plan>::reclaim(reinterpret_cast<Plan*>(handle)); }

ct_tensor ct_attention(ct_tensor q, ct_tensor k, ct_tensor v, ct_tensor bias, ct_plan plan, ct_tensor queryLengths,
                       ct_tensor keyLengths, int causal, double scale, double dropout, ct_tensor rows, uint64_t key) {
  return guarded([&] {
    variable_list inputs{tensor(q)};
    if (k) {
      inputs.push_back(tensor(k)), inputs.push_back(tensor(v));
      for (const auto& input : inputs)
        TORCH_CHECK(input.dim() == 4, "attention wants [B, L, H, E], got ", input.sizes());
      if (bias) {
        const auto& of = tensor(bias);
        const std::vector<int64_t> sizes{inputs[0].size(2), inputs[0].size(1), inputs[1].size(1)};
        TORCH_CHECK(of.sizes() == at::IntArrayRef(sizes) && (of.stride(2) == 1 || of.size(2) == 1),
                    "a bias is [H, Lq, Lk] = ", at::IntArrayRef(sizes), " with dense rows, got ", of.sizes());
        const auto* own = reinterpret_cast<const Plan*>(plan);
        TORCH_CHECK(!own || own->isWhole(sizes[1], sizes[2]),
                    "with a bias, a plan has one group of all queries and a place for every key");
        inputs.push_back(of);
      }
    } else {
      TORCH_CHECK(!bias, "a bias goes with queries, keys and values apart");
      TORCH_CHECK(inputs[0].dim() == 5 && inputs[0].size(2) == 3,
                  "self-attention wants [B, L, 3, H, E], got ", inputs[0].sizes());
    }
    auto held = c10::make_intrusive<Held>();
    held->request = {planOf(plan), optional(queryLengths), optional(keyLengths), optional(rows),
                     causal != 0,  scale, dropout, int64_t(key)};
    return attended(std::move(inputs), held);
  });
}
