// Batch normalisation over the real rows of a batch, of all processes together, as a differentiable function.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_distributed.h"
#include "../include/ct_kernels.h"
#include "chunks.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

/// Numbers of every channel, with room for a whole vector behind.
at::Tensor columns(int64_t width) { return at::empty({kernels().padded(width)}, at::kFloat); }

struct BatchNorm : torch::autograd::Function<BatchNorm> {
  static BatchNormProblem problem(const at::Tensor& x, const std::optional<at::Tensor>& real) {
    BatchNormProblem p{};
    p.width = x.size(-1), p.rows = x.numel() / p.width;
    p.x = x.const_data_ptr<float>();
    p.real = real ? real->const_data_ptr<bool>() : nullptr;
    return p;
  }

  /// This process's sums over rows, one vector of channels after the other, then the number of real rows: float64.
  template <class Body>
  static at::Tensor sums(const BatchNormProblem& p, int64_t vectors, Body&& body) {
    const int64_t padded = kernels().padded(p.width);
    Chunks chunks(p.rows, p.rows, vectors * padded);
    chunks.run([&](float* sums, int64_t begin, int64_t end) { body(sums, begin, end); });
    auto total = at::empty({vectors * p.width + 1}, at::kDouble);
    auto* to = total.mutable_data_ptr<double>();
    const float* parts = chunks.buffer.template const_data_ptr<float>();
    for (int64_t v = 0; v < vectors; v++)
      for (int64_t i = 0; i < p.width; i++) {
        double sum = 0;
        for (int64_t c = 0; c < chunks.count; c++) sum += parts[c * chunks.floats + v * padded + i];
        to[v * p.width + i] = sum;
      }
    int64_t count = p.rows;
    if (p.real) count = std::count(p.real, p.real + p.rows, true);
    to[vectors * p.width] = double(count);
    return total;
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const std::optional<at::Tensor>& real,
                            const at::Tensor& weight, const at::Tensor& bias, double eps, bool together,
                            at::Tensor statistics) {
    auto x = input.contiguous();
    auto p = problem(x, real);
    auto mean = columns(p.width), rate = columns(p.width), scale = columns(p.width), shift = columns(p.width);
    auto *m = mean.mutable_data_ptr<float>(), *r = rate.mutable_data_ptr<float>();
    auto *a = scale.mutable_data_ptr<float>(), *b = shift.mutable_data_ptr<float>();
    auto* found = statistics.mutable_data_ptr<double>();
    auto w = weight.contiguous(), o = bias.contiguous();

    auto of = [&](float* sums, int64_t begin, int64_t end) { kernels().batchNormSums(p, sums, begin, end); };
    auto total = [&] {
      auto own = sums(p, 1, of);
      if (together) sumOverGroup(own);
      return own;
    };
    const auto plain = total();
    const auto* first = plain.const_data_ptr<double>();
    const double count = std::max(first[p.width], 1.0);
    for (int64_t i = 0; i < p.width; i++) m[i] = float(first[i] / count);
    p.mean = m;
    const auto squares = total();
    const auto* second = squares.const_data_ptr<double>();
    for (int64_t i = 0; i < p.width; i++) {
      r[i] = float(1 / std::sqrt(second[i] / count + eps));
      a[i] = w.const_data_ptr<float>()[i] * r[i];
      b[i] = o.const_data_ptr<float>()[i];
      found[i] = first[i] / count, found[p.width + i] = second[i] / std::max(count - 1, 1.0);
    }
    auto y = at::empty_like(x);
    p.scale = a, p.shift = b;
    parallelFor(p.rows, [&](int64_t begin, int64_t end) {
      kernels().batchNormApply(p, y.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({x, mean, rate, w});
    context->saved_data["real"] = real;
    context->saved_data["together"] = together;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto real = context->saved_data["real"].toOptional<at::Tensor>();
    const bool together = context->saved_data["together"].toBool();
    auto p = problem(saved[0], real);
    auto gradient = grads[0].contiguous();
    const auto* g = gradient.const_data_ptr<float>();
    const auto *r = saved[2].const_data_ptr<float>(), *w = saved[3].const_data_ptr<float>();
    p.mean = saved[1].const_data_ptr<float>();
    auto of = [&](float* sums, int64_t begin, int64_t end) { kernels().batchNormSlopes(p, g, sums, begin, end); };
    // Those of this process are the parameters' gradients, which are summed over processes later.
    const auto ownSums = sums(p, 2, of);
    auto allSums = together ? ownSums.clone() : ownSums;
    if (together) sumOverGroup(allSums);
    const auto *own = ownSums.const_data_ptr<double>(), *all = allSums.const_data_ptr<double>();
    auto dWeight = at::empty_like(saved[3]), dBias = at::empty_like(saved[3]), dx = at::empty_like(saved[0]);
    auto scale = columns(p.width), shift = columns(p.width), slope = columns(p.width);
    const double count = std::max(all[2 * p.width], 1.0);
    for (int64_t i = 0; i < p.width; i++) {
      dBias.mutable_data_ptr<float>()[i] = float(own[i]);
      dWeight.mutable_data_ptr<float>()[i] = float(own[p.width + i]) * r[i];
      const float a = w[i] * r[i];
      scale.mutable_data_ptr<float>()[i] = a;
      shift.mutable_data_ptr<float>()[i] = float(a * all[i] / count);
      slope.mutable_data_ptr<float>()[i] = float(a * double(r[i]) * r[i] * all[p.width + i] / count);
    }
    p.scale = pointer(scale), p.shift = pointer(shift), p.slope = pointer(slope);
    parallelFor(p.rows, [&](int64_t begin, int64_t end) {
      kernels().batchNormBackward(p, g, dx.mutable_data_ptr<float>(), begin, end);
    });
    return {dx, {}, dWeight, dBias, {}, {}, {}};
  }
};

/// A sum over all processes, whose gradient is the same sum.
struct GroupSum : torch::autograd::Function<GroupSum> {
  static at::Tensor forward(AutogradContext*, const at::Tensor& x) {
    auto sum = x.contiguous().clone();
    sumOverGroup(sum);
    return sum;
  }
  static variable_list backward(AutogradContext*, const variable_list& grads) {
    auto sum = grads[0].contiguous().clone();
    sumOverGroup(sum);
    return {sum};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_batch_norm(ct_tensor input, ct_tensor real, ct_tensor weight, ct_tensor bias, double eps, int together,
                        ct_tensor statistics) {
  return guarded([&] {
    const auto &x = tensor(input), &s = tensor(statistics);
    TORCH_CHECK(isPlain(x) && isPlain(tensor(weight)) && isPlain(tensor(bias)) && x.dim() >= 2 &&
                    tensor(weight).numel() == x.size(-1) && tensor(bias).numel() == x.size(-1),
                "batch norm of ", x.sizes(), " wants float32 on the CPU and as many weights as channels");
    TORCH_CHECK(s.scalar_type() == at::kDouble && s.numel() == 2 * x.size(-1) && s.is_contiguous(),
                "statistics are float64, two a channel");
    auto mask = optional(real);
    TORCH_CHECK(!mask || (mask->scalar_type() == at::kBool && mask->is_cpu() && mask->is_contiguous() &&
                          mask->numel() * x.size(-1) == x.numel()),
                "the mask must have a bool for every row");
    return BatchNorm::apply(x, mask, tensor(weight), tensor(bias), eps, together != 0, s);
  });
}

ct_tensor ct_group_sum_of(ct_tensor x) {
  return guarded([&] { return GroupSum::apply(tensor(x)); });
}
