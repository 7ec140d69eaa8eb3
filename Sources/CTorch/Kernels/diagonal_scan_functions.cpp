// The diagonal linear recurrence as a differentiable function.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "chunks.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct DiagonalScan : torch::autograd::Function<DiagonalScan> {
  static DiagonalScanProblem problem(const at::Tensor& u, const at::Tensor& a, bool reverse) {
    return {u.size(0), u.size(1), u.size(2) / 2, pointer(u), pointer(a), reverse};
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& coefficients,
                            bool reverse) {
    auto u = input.contiguous(), a = coefficients.contiguous();
    auto p = problem(u, a, reverse);
    auto h = at::empty_like(u);
    countOperations(4 * double(u.numel()));
    parallelFor(kernels().diagonalScanUnits(p), [&](int64_t begin, int64_t end) {
      kernels().diagonalScanForward(p, h.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({a, h});
    context->saved_data["reverse"] = reverse;
    return h;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto p = problem(saved[1], saved[0], context->saved_data["reverse"].toBool());
    auto gradient = grads[0].contiguous();
    auto du = at::empty_like(saved[1]), da = at::empty({p.batch, 2, p.states}, gradient.options());
    countOperations(8 * double(du.numel()));
    parallelFor(kernels().diagonalScanUnits(p), [&](int64_t begin, int64_t end) {
      kernels().diagonalScanBackward(p, pointer(saved[1]), pointer(gradient), du.mutable_data_ptr<float>(),
                                     da.mutable_data_ptr<float>(), begin, end);
    });
    return {du, at::sum(da, 0), at::Tensor()};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_diagonal_scan(ct_tensor input, ct_tensor coefficients, int reverse) {
  return guarded([&] {
    const auto &u = tensor(input), &a = tensor(coefficients);
    TORCH_CHECK(isPlain(u) && isPlain(a) && u.dim() == 3 && a.dim() == 2 && a.size(0) == 2 &&
                    u.size(2) == 2 * a.size(1),
                "the recurrence wants float32 rows [B, L, 2 P] and coefficients [2, P] on the CPU, not ", u.sizes(),
                " and ", a.sizes());
    return DiagonalScan::apply(u, a, reverse != 0);
  });
}
