// The recurrence of RWKV-4 as a differentiable function. Backward makes the states again, chunk by chunk.
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "kernels.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct Recurrence : torch::autograd::Function<Recurrence> {
  static ScanProblem problem(const at::Tensor& k, const at::Tensor& v, const at::Tensor& w, const at::Tensor& u) {
    return {k.size(0),
            k.size(1),
            k.size(2),
            k.const_data_ptr<float>(),
            v.const_data_ptr<float>(),
            w.const_data_ptr<float>(),
            u.const_data_ptr<float>()};
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& keys, const at::Tensor& values,
                            const at::Tensor& decay, const at::Tensor& bonus) {
    for (const auto& x : {keys, values, decay, bonus})
      TORCH_CHECK(x.is_cpu() && x.scalar_type() == at::kFloat, "the recurrence wants float32 on the CPU");
    TORCH_CHECK(keys.dim() == 3 && keys.sizes() == values.sizes() && decay.numel() == keys.size(2) &&
                    bonus.numel() == keys.size(2),
                "keys ", keys.sizes(), ", values ", values.sizes(), ", decay ", decay.sizes(), " and bonus ",
                bonus.sizes(), " do not fit");
    auto k = keys.contiguous(), v = values.contiguous(), w = decay.contiguous(), u = bonus.contiguous();
    auto p = problem(k, v, w, u);
    auto y = at::empty_like(k);
    const int64_t chunks = (p.length + scanTokens - 1) / scanTokens;
    auto states = at::empty({p.batch, chunks, 4, (p.width + 63) / 64 * 64}, k.options());
    parallelFor(kernels().scanUnits(p), [&](int64_t begin, int64_t end) {
      kernels().scanForward(p, y.mutable_data_ptr<float>(), states.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({k, v, w, u, states});
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto p = problem(saved[0], saved[1], saved[2], saved[3]);
    auto gradient = grads[0].contiguous();
    auto dk = at::empty_like(saved[0]), dv = at::empty_like(saved[0]);
    auto dw = at::empty({p.batch, p.width}, gradient.options()), du = at::empty_like(dw);
    parallelFor(kernels().scanUnits(p), [&](int64_t begin, int64_t end) {
      kernels().scanBackward(p, saved[4].const_data_ptr<float>(), gradient.const_data_ptr<float>(),
                             dk.mutable_data_ptr<float>(), dv.mutable_data_ptr<float>(),
                             dw.mutable_data_ptr<float>(), du.mutable_data_ptr<float>(), begin, end);
    });
    return {dk, dv, at::sum(dw, 0).view(saved[2].sizes()), at::sum(du, 0).view(saved[3].sizes())};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_recurrence(ct_tensor keys, ct_tensor values, ct_tensor decay, ct_tensor bonus) {
  return guarded([&] { return Recurrence::apply(tensor(keys), tensor(values), tensor(decay), tensor(bonus)); });
}
