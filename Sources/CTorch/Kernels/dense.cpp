// Linear layers, layer normalisation and the feed-forward branch as differentiable functions.
//
// Only inputs are saved: backward recomputes activations, masks and moments.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/layer_norm.h>
#include <ATen/ops/linear.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "../include/ct_ops.h"
#include "../internal.h"
#include "packing.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

/// Rows of a step of parallel work: large enough to be worth a call.
constexpr int64_t rowStep = 96;

template <class Body>
void parallelRows(int64_t rows, Body&& body) {
  parallelFor((rows + rowStep - 1) / rowStep, [&](int64_t begin, int64_t end) {
    body(begin * rowStep, std::min(end * rowStep, rows));
  });
}

struct LinearFunction : torch::autograd::Function<LinearFunction> {
  /// Whether rows of that type and width are read and written as they are.
  static bool fits(at::ScalarType type, int64_t width) {
    return type == at::kFloat || (type == at::kBFloat16 && wantsHalf() && width % 2 == 0);
  }

  static LinearProblem problem(const at::Tensor& x, const at::Tensor& weight, bool half, at::ScalarType outputs) {
    LinearProblem p{};
    p.inputs = weight.size(1), p.outputs = weight.size(0), p.half = half, p.x = x.const_data_ptr();
    p.halfInputs = x.scalar_type() == at::kBFloat16, p.halfOutputs = outputs == at::kBFloat16;
    return p;
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& matrix,
                            const std::optional<at::Tensor>& bias, bool narrow) {
    auto x = input.contiguous(), weight = matrix.contiguous();
    context->save_for_backward({x, weight});
    context->saved_data["bias"] = bias.has_value();
    auto sizes = x.sizes().vec();
    sizes.back() = weight.size(0);
    const bool half = wantsHalf();
    context->saved_data["half"] = half;
    auto y = at::empty(sizes, narrow && fits(at::kBFloat16, sizes.back()) ? at::kBFloat16 : at::kFloat);
    auto panels = packed(weight, true, half), start = paddedRow(bias.value_or(at::Tensor()));
    auto p = problem(x, weight, half, y.scalar_type());
    p.forward = panelsOf(panels), p.bias = pointer(start);
    countOperations(2 * double(x.numel()) * double(p.outputs));
    parallelRows(x.numel() / p.inputs, [&](int64_t begin, int64_t end) {
      kernels().linearForward(p, y.mutable_data_ptr(), begin, end);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto &x = saved[0], &weight = saved[1];
    const bool toX = context->needs_input_grad(0), toWeight = context->needs_input_grad(1);
    const bool toBias = context->saved_data["bias"].toBool() && context->needs_input_grad(2);
    auto dy = grads[0].contiguous();
    const bool half = context->saved_data["half"].toBool();
    auto panels = toX ? packed(weight, false, half) : at::Tensor();
    auto dx = toX ? at::empty_like(x) : at::Tensor();
    auto p = problem(x, weight, half, dy.scalar_type());
    p.backward = panelsOf(panels);
    const int64_t rows = x.numel() / p.inputs, steps = (rows + rowStep - 1) / rowStep;
    const int64_t matrix = p.outputs * kernels().padded(p.inputs);
    Chunks chunks(steps, rows, (toWeight ? matrix : 0) + kernels().padded(p.outputs));
    const int64_t biasAt = toWeight ? matrix : 0;
    countOperations(2 * double(x.numel()) * double(p.outputs) * (toX + toWeight));
    void* toDx = toX ? dx.mutable_data_ptr() : nullptr;
    chunks.run([&](float* sums, int64_t begin, int64_t end) {
      kernels().linearBackward(p, dy.const_data_ptr(), toDx, toWeight ? sums : nullptr,
                               toBias ? sums + biasAt : nullptr, begin * rowStep, std::min(end * rowStep, rows));
    });
    return {dx, toWeight ? chunks.sum(0, weight.sizes()) : at::Tensor(),
            toBias ? chunks.sum(biasAt, {p.outputs}) : at::Tensor(), at::Tensor()};
  }
};

struct LayerNormFunction : torch::autograd::Function<LayerNormFunction> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& gain,
                            const at::Tensor& offset, double eps) {
    auto x = input.contiguous();
    context->save_for_backward({x, gain, offset});
    context->saved_data["eps"] = eps;
    auto y = at::empty_like(x);
    auto by = paddedRow(gain), plus = paddedRow(offset);
    LayerNormProblem p{x.size(-1), pointer(x), pointer(by), pointer(plus), float(eps)};
    parallelRows(x.numel() / p.width, [&](int64_t begin, int64_t end) {
      kernels().layerNormForward(p, y.mutable_data_ptr<float>(), begin, end);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto& x = saved[0];
    auto by = paddedRow(saved[1]), plus = paddedRow(saved[2]), dy = grads[0].contiguous();
    auto dx = at::empty_like(x);
    LayerNormProblem p{x.size(-1), pointer(x), pointer(by), pointer(plus),
                       float(context->saved_data["eps"].toDouble())};
    const int64_t rows = x.numel() / p.width, padded = kernels().padded(p.width);
    Chunks chunks((rows + rowStep - 1) / rowStep, rows, 2 * padded);
    chunks.run([&](float* sums, int64_t begin, int64_t end) {
      kernels().layerNormBackward(p, pointer(dy), dx.mutable_data_ptr<float>(), sums, sums + padded,
                                  begin * rowStep, std::min(end * rowStep, rows));
    });
    return {dx, chunks.sum(0, {p.width}), chunks.sum(padded, {p.width}), at::Tensor()};
  }
};

struct FeedForwardFunction : torch::autograd::Function<FeedForwardFunction> {
  /// What the kernels read, and what keeps it alive.
  struct Call {
    FeedForwardProblem problem{};
    std::vector<at::Tensor> held;
    std::vector<uint64_t> hiddenKeys, outKeys;

    const at::Tensor& hold(at::Tensor tensor) {
      held.push_back(std::move(tensor));
      return held.back();
    }

    /// tensors: x, gain, offset, up, its bias, down, its bias; undefined where there is none.
    Call(AutogradContext* context, const variable_list& tensors, bool backward) {
      auto& p = problem;
      const auto &x = tensors[0], &up = tensors[3], &down = tensors[5];
      p.width = up.size(1), p.hidden = up.size(0), p.x = pointer(x);
      p.half = context->saved_data["half"].toBool();
      p.gain = pointer(hold(paddedRow(tensors[1]))), p.offset = pointer(hold(paddedRow(tensors[2])));
      p.eps = float(context->saved_data["eps"].toDouble());
      auto panels = [&](const at::Tensor& x, bool transposed) { return panelsOf(hold(packed(x, transposed, p.half))); };
      p.up = panels(up, true), p.upBias = pointer(hold(paddedRow(tensors[4])));
      p.down = panels(down, true), p.downBias = pointer(hold(paddedRow(tensors[6])));
      if (backward) p.upBack = panels(up, false), p.downBack = panels(down, false);
      p.activation = Activation(context->saved_data["activation"].toInt());
      Rate rate(context->saved_data["rate"].toDouble());
      p.dropThreshold = rate.threshold, p.keepScale = rate.keepScale;
      p.examples = 1, p.length = x.numel() / p.width;
      if (!rate.threshold) return;
      auto rows = context->saved_data["rows"].toTensor();
      p.examples = x.size(0), p.length /= p.examples;
      hiddenKeys = keysOfRows(rows, uint64_t(context->saved_data["hiddenKey"].toInt()), p.examples);
      outKeys = keysOfRows(rows, uint64_t(context->saved_data["outKey"].toInt()), p.examples);
      p.hiddenKeys = hiddenKeys.data(), p.outKeys = outKeys.data();
    }
  };

  static at::Tensor forward(AutogradContext* context, const at::Tensor& input,
                            const std::optional<at::Tensor>& gain, const std::optional<at::Tensor>& offset,
                            double eps, const at::Tensor& up, const std::optional<at::Tensor>& upBias,
                            const at::Tensor& down, const std::optional<at::Tensor>& downBias, int64_t activation,
                            double rate, const std::optional<at::Tensor>& rows, int64_t hiddenKey,
                            int64_t outKey) {
    auto given = [](const std::optional<at::Tensor>& x) { return x.value_or(at::Tensor()); };
    variable_list tensors = {input.contiguous(), given(gain), given(offset), up.contiguous(), given(upBias),
                             down.contiguous(), given(downBias)};
    context->save_for_backward(tensors);
    context->saved_data["eps"] = eps;
    context->saved_data["activation"] = activation;
    context->saved_data["half"] = wantsHalf();
    context->saved_data["rate"] = rate;
    if (rows) context->saved_data["rows"] = *rows;
    context->saved_data["hiddenKey"] = hiddenKey;
    context->saved_data["outKey"] = outKey;
    Call call(context, tensors, false);
    auto y = at::empty_like(tensors[0]);
    countOperations(4 * double(y.numel()) * double(call.problem.hidden));
    parallelFor(kernels().feedForwardTiles(call.problem), [&](int64_t begin, int64_t end) {
      kernels().feedForward(call.problem, y.mutable_data_ptr<float>(), begin, end);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    Call call(context, saved, true);
    const auto& p = call.problem;
    auto dy = grads[0].contiguous();
    auto dx = at::empty_like(saved[0]);
    const int64_t width = kernels().padded(p.width), hidden = kernels().padded(p.hidden);
    const int64_t up = 2 * width, upBias = up + p.hidden * width, down = upBias + hidden;
    const int64_t downBias = down + p.width * hidden;
    Chunks chunks(kernels().feedForwardTiles(p), p.examples * p.length, downBias + width);
    countOperations(8 * double(dx.numel()) * double(p.hidden));
    chunks.run([&](float* sums, int64_t begin, int64_t end) {
      FeedForwardGradients g{sums, sums + width, sums + up, sums + upBias, sums + down, sums + downBias};
      kernels().feedForwardBackward(p, pointer(dy), dx.mutable_data_ptr<float>(), g, begin, end);
    });
    auto when = [&](size_t index, int64_t offset, at::IntArrayRef sizes) {
      return saved[index].defined() ? chunks.sum(offset, sizes) : at::Tensor();
    };
    at::Tensor none;
    return {dx, when(1, 0, {p.width}), when(2, width, {p.width}), none, chunks.sum(up, saved[3].sizes()),
            when(4, upBias, {p.hidden}), chunks.sum(down, saved[5].sizes()), when(6, downBias, {p.width}), none,
            none, none, none, none};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_linear(ct_tensor x, ct_tensor weight, ct_tensor bias, int narrow) {
  return guarded([&] {
    auto a = tensor(x);
    const auto& w = tensor(weight);
    const auto b = optional(bias);
    const bool fits = a.dim() > 0 && w.dim() == 2 && a.size(-1) == w.size(1) && a.numel() > 0 && w.numel() > 0 &&
                      (!b || b->numel() == w.size(0));
    // A few rows are not worth packing a large matrix.
    const bool wins = fits && (w.numel() <= 1 << 15 || a.numel() / w.size(1) >= 32);
    if (wins && a.is_cpu() && isPlain(w) && isPlain(b)) {
      if (a.scalar_type() == at::kBFloat16 && !LinearFunction::fits(at::kBFloat16, a.size(-1))) a = a.to(at::kFloat);
      if (LinearFunction::fits(a.scalar_type(), a.size(-1))) return LinearFunction::apply(a, w, b, narrow != 0);
    }
    return at::linear(a, w, b);
  });
}

ct_tensor ct_layer_norm(ct_tensor x, ct_tensor weight, ct_tensor bias, double eps) {
  return guarded([&] {
    const auto &a = tensor(x), &gain = tensor(weight), &offset = tensor(bias);
    const int64_t width = a.size(-1);
    if (isPlain(a) && isPlain(gain) && isPlain(offset) && a.numel() > 0 && gain.numel() == width &&
        offset.numel() == width)
      return LayerNormFunction::apply(a, gain, offset, eps);
    return at::layer_norm(a, {width}, gain, offset, eps);
  });
}

int ct_takes_kernels(ct_tensor x) { return isPlain(tensor(x)); }

ct_tensor ct_feed_forward(ct_tensor x, const ct_feed_forward_weights* w, double eps, int activation, double rate,
                          ct_tensor rows, uint64_t hidden_key, uint64_t out_key) {
  return guarded([&] {
    const auto &input = tensor(x), &up = tensor(w->up), &down = tensor(w->down);
    TORCH_CHECK(isPlain(input) && isPlain(up) && isPlain(down), "the feed-forward kernel takes float32");
    const int64_t width = input.size(-1), hidden = up.size(0);
    TORCH_CHECK(up.size(1) == width && down.size(0) == width && down.size(1) == hidden, "matrices ", up.sizes(),
                " and ", down.sizes(), " do not fit rows of ", width);
    TORCH_CHECK(activation >= 0 && activation <= 2, "unknown activation ", activation);
    TORCH_CHECK(Rate(rate).threshold == 0 || rows, "dropout needs the examples' positions");
    return FeedForwardFunction::apply(input, optional(w->gain), optional(w->offset), eps, up,
                                      optional(w->up_bias), down, optional(w->down_bias), int64_t(activation),
                                      rate, optional(rows), int64_t(hidden_key), int64_t(out_key));
  });
}
