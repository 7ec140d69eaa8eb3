// The gated branch of a state-space model's block as a differentiable function.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "packing.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct GatedBranch : torch::autograd::Function<GatedBranch> {
  /// What the kernels read, and what keeps it alive.
  struct Call {
    GatedProblem problem{};
    at::Tensor panels, bias;
    std::vector<uint64_t> activeKeys, outKeys;

    /// tensors: mixed, x (undefined in backward), weight, bias.
    Call(AutogradContext* context, const variable_list& tensors, bool isBackward) {
      auto& p = problem;
      const auto &mixed = tensors[0], &weight = tensors[2];
      p.width = weight.size(1), p.outputs = weight.size(0);
      p.mixed = pointer(mixed), p.x = pointer(tensors[1]);
      p.half = context->saved_data["half"].toBool();
      panels = packed(weight, !isBackward, p.half), bias = paddedRow(tensors[3]);
      (isBackward ? p.back : p.weight) = panelsOf(panels);
      p.bias = pointer(bias);
      p.gate = Gate(context->saved_data["gate"].toInt());
      p.activation = Activation(context->saved_data["activation"].toInt());
      Rate rate(context->saved_data["rate"].toDouble());
      p.dropThreshold = rate.threshold, p.keepScale = rate.keepScale;
      p.examples = 1, p.length = mixed.numel() / p.width;
      if (!rate.threshold) return;
      auto rows = context->saved_data["rows"].toTensor();
      p.examples = mixed.size(0), p.length /= p.examples;
      activeKeys = keysOfRows(rows, uint64_t(context->saved_data["activeKey"].toInt()), p.examples);
      outKeys = keysOfRows(rows, uint64_t(context->saved_data["outKey"].toInt()), p.examples);
      p.activeKeys = activeKeys.data(), p.outKeys = outKeys.data();
    }
  };

  static at::Tensor forward(AutogradContext* context, const at::Tensor& mixed, const at::Tensor& x,
                            const at::Tensor& weight, const at::Tensor& bias, int64_t gate, int64_t activation,
                            double rate, const at::Tensor& rows, int64_t activeKey, int64_t outKey) {
    variable_list tensors = {mixed.contiguous(), x.contiguous(), weight.contiguous(), bias};
    context->saved_data["half"] = wantsHalf();
    context->saved_data["gate"] = gate;
    context->saved_data["activation"] = activation;
    context->saved_data["rate"] = rate;
    context->saved_data["rows"] = rows;
    context->saved_data["activeKey"] = activeKey;
    context->saved_data["outKey"] = outKey;
    Call call(context, tensors, false);
    const auto& p = call.problem;
    auto y = at::empty_like(tensors[1]);
    auto z = at::empty({mixed.numel() / p.width, p.outputs}, mixed.options());
    countOperations(2 * double(z.numel()) * double(p.width));
    parallelFor(kernels().gatedTiles(p), [&](int64_t begin, int64_t end) {
      kernels().gatedForward(p, z.mutable_data_ptr<float>(), y.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({tensors[0], tensors[2], z});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    Call call(context, {saved[0], at::Tensor(), saved[1], at::Tensor()}, true);
    const auto& p = call.problem;
    auto dy = grads[0].contiguous();
    auto dMixed = at::empty_like(saved[0]);
    const int64_t matrix = p.outputs * kernels().padded(p.width);
    Chunks chunks(kernels().gatedTiles(p), p.examples * p.length, matrix + kernels().padded(p.outputs));
    countOperations(4 * double(saved[2].numel()) * double(p.width));
    chunks.run([&](float* sums, int64_t begin, int64_t end) {
      kernels().gatedBackward(p, pointer(saved[2]), pointer(dy), dMixed.mutable_data_ptr<float>(), sums, sums + matrix,
                              begin, end);
    });
    at::Tensor none;
    return {dMixed, dy, chunks.sum(0, saved[1].sizes()), chunks.sum(matrix, {p.outputs}), none, none, none, none, none,
            none};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_gated_branch(ct_tensor mixed, ct_tensor residual, ct_tensor weight, ct_tensor bias, int gate,
                          int activation, double rate, ct_tensor rows, uint64_t active_key, uint64_t out_key) {
  return guarded([&] {
    const auto &m = tensor(mixed), &x = tensor(residual), &w = tensor(weight), &b = tensor(bias);
    TORCH_CHECK(isPlain(m) && isPlain(x) && isPlain(w) && isPlain(b) && m.numel() > 0,
                "the gated branch takes float32 on the CPU");
    TORCH_CHECK(gate >= 0 && gate <= 2 && activation >= 0 && activation <= 2, "unknown gate ", gate,
                " or activation ", activation);
    const int64_t width = m.size(-1);
    TORCH_CHECK(m.sizes() == x.sizes() && w.dim() == 2 && w.size(1) == width &&
                    w.size(0) == (gate == 0 ? 2 : 1) * width && b.numel() == w.size(0),
                "rows ", m.sizes(), " and ", x.sizes(), " do not fit a gate of ", w.sizes());
    return GatedBranch::apply(m, x, w, b, int64_t(gate), int64_t(activation), rate, tensor(rows),
                              int64_t(active_key), int64_t(out_key));
  });
}
