// The iteration to a matrix inverse as a differentiable function. It keeps Z of every step and nothing else.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "kernels.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct InverseIteration : torch::autograd::Function<InverseIteration> {
  static at::Tensor forward(AutogradContext* context, const at::Tensor& given, const at::Tensor& start,
                            int64_t iterations) {
    for (const auto& x : {given, start})
      TORCH_CHECK(x.is_cpu() && x.scalar_type() == at::kFloat, "the iteration wants float32 on the CPU");
    TORCH_CHECK(given.dim() >= 2 && given.size(-1) == given.size(-2) && given.sizes() == start.sizes() &&
                    given.numel() > 0 && iterations >= 1,
                "matrices ", given.sizes(), " and start ", start.sizes(), " do not fit");
    auto a = given.contiguous();
    const int64_t width = a.size(-1), matrices = a.numel() / (width * width);
    auto steps = at::empty({iterations + 1, matrices, width, width}, a.options());
    steps[0].copy_(start.reshape({matrices, width, width}));
    countOperations(8 * double(a.numel()) * double(width * iterations));  // four products a step
    parallelFor(matrices, [&](int64_t begin, int64_t end) {
      kernels().inverseForward(a.const_data_ptr<float>(), steps.mutable_data_ptr<float>(), matrices, width,
                               iterations, begin, end);
    });
    context->save_for_backward({a, steps});
    return steps[iterations].reshape(a.sizes()).clone();
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    const auto &a = saved[0], &steps = saved[1];
    auto gradient = grads[0].contiguous();
    auto da = at::empty_like(a), dz = at::empty_like(a);
    countOperations(16 * double(steps.numel() - a.numel()) * double(a.size(-1)));
    parallelFor(steps.size(1), [&](int64_t begin, int64_t end) {
      kernels().inverseBackward(a.const_data_ptr<float>(), steps.const_data_ptr<float>(),
                                gradient.const_data_ptr<float>(), da.mutable_data_ptr<float>(),
                                dz.mutable_data_ptr<float>(), steps.size(1), a.size(-1), steps.size(0) - 1, begin,
                                end);
    });
    return {da, dz, at::Tensor()};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_inverse_iteration(ct_tensor matrices, ct_tensor start, int iterations) {
  return guarded([&] { return InverseIteration::apply(tensor(matrices), tensor(start), int64_t(iterations)); });
}
