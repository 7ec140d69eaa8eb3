#include "composed.h"

#include <ATen/Context.h>
#include <ATen/ops/add.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/dropout.h>
#include <ATen/ops/ge.h>
#include <ATen/ops/gt.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/scaled_dot_product_attention.h>
#include <ATen/ops/softmax.h>

namespace ct {
namespace {

void beginAnew(const at::Device& device, uint64_t key) {
  auto generator = at::globalContext().defaultGenerator(device);
  std::lock_guard<std::mutex> lock(generator.mutex());
  generator.set_current_seed(key);
}

}  // namespace

at::Tensor libraryDropout(const at::Tensor& x, const std::optional<at::Tensor>& residual, double rate,
                          uint64_t key) {
  beginAnew(x.device(), key);
  auto y = at::dropout(x, rate, true);
  return residual ? at::add(*residual, y) : y;
}

at::Tensor composedAttention(const at::Tensor& qkv, const std::optional<at::Tensor>& lengths, bool causal,
                             double scale, const std::optional<at::Tensor>& keep, double dropout, uint64_t key) {
  auto part = [&](int64_t index) { return qkv.select(2, index).transpose(1, 2); };  // [B, H, L, E]
  auto q = part(0), k = part(1), v = part(2);
  const int64_t batch = q.size(0), length = q.size(2);
  auto places = at::arange(length, q.options().dtype(at::kLong));
  at::Tensor blocked, padded;  // true where a key may not be attended; of queries without a token
  if (lengths) {
    padded = at::ge(places.unsqueeze(0), lengths->to(q.device()).unsqueeze(1));  // [B, L]
    blocked = padded.view({batch, 1, 1, length});
  }
  if (causal) {
    auto future = at::gt(places.unsqueeze(0), places.unsqueeze(1)).view({1, 1, length, length});
    blocked = blocked.defined() ? at::logical_or(blocked, future) : future;
  }
  at::Tensor out;
  if (q.is_cuda() && !keep) {
    if (dropout > 0) beginAnew(q.device(), key);
    auto allowed = blocked.defined() ? std::optional<at::Tensor>(at::logical_not(blocked)) : std::nullopt;
    out = at::scaled_dot_product_attention(q, k, v, allowed, dropout, false, scale);
  } else {
    auto logits = at::mul(at::matmul(q, k.transpose(-2, -1)), scale);  // [B, H, L, L]
    // Finite, so that a row without keys gives no NaN; such rows are padding, which is zeroed below.
    if (blocked.defined()) logits = at::masked_fill(logits, blocked, -1e30);
    auto weights = at::softmax(logits, -1);
    if (keep) weights = at::mul(weights, keep->to(weights.options()));
    out = at::matmul(weights, v);
  }
  out = out.transpose(1, 2);  // [B, L, H, E]
  return padded.defined() ? at::masked_fill(out, padded.view({batch, length, 1, 1}), 0) : out;
}

}  // namespace ct
