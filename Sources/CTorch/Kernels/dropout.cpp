// Dropout by counter as a differentiable function.
#include <ATen/ops/add.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/ones.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "composed.h"
#include "kernels.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

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
