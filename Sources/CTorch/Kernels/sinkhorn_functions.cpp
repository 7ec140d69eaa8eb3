// Sinkhorn's normalisation as a differentiable function. It keeps the scores and nothing else.
#include <ATen/ops/empty_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct Sinkhorn : torch::autograd::Function<Sinkhorn> {
  static SinkhornProblem problem(const at::Tensor& scores, const at::Tensor& sizes, int64_t iterations) {
    return {scores.const_data_ptr<float>(), sizes.const_data_ptr<int64_t>(), scores.size(1), scores.size(2),
            iterations};
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& given, const at::Tensor& sizes,
                            int64_t iterations) {
    TORCH_CHECK(given.is_cpu() && given.scalar_type() == at::kFloat && given.dim() == 4 &&
                    given.size(2) == given.size(3) && iterations >= 1,
                "Sinkhorn's normalisation wants square float32 matrices [B, H, n, n] on the CPU, got ", given.sizes());
    lengthsOf(sizes, given.size(0), given.size(2));
    auto scores = given.contiguous(), out = at::empty_like(scores);
    auto p = problem(scores, sizes, iterations);
    parallelFor(scores.size(0) * p.heads, [&](int64_t begin, int64_t end) {
      kernels().sinkhornForward(p, out.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({scores, sizes});
    context->saved_data["iterations"] = iterations;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto p = problem(saved[0], saved[1], context->saved_data["iterations"].toInt());
    auto gradient = grads[0].contiguous(), result = at::empty_like(saved[0]);
    parallelFor(saved[0].size(0) * p.heads, [&](int64_t begin, int64_t end) {
      kernels().sinkhornBackward(p, gradient.const_data_ptr<float>(), result.mutable_data_ptr<float>(), begin, end);
    });
    return {result, at::Tensor(), at::Tensor()};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_sinkhorn(ct_tensor scores, ct_tensor sizes, int iterations) {
  return guarded([&] { return Sinkhorn::apply(tensor(scores), tensor(sizes), int64_t(iterations)); });
}
