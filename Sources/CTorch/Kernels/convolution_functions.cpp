// The convolution along tokens as a differentiable function.
#include <ATen/ops/empty.h>
#include <ATen/ops/sum.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct RowConvolution : torch::autograd::Function<RowConvolution> {
  static ConvolutionProblem problem(const at::Tensor& v, const at::Tensor& w,
                                    const std::optional<at::Tensor>& lengths) {
    ConvolutionProblem p{};
    p.batch = v.size(0), p.heads = v.size(1), p.length = v.size(2), p.width = v.size(3);
    p.size = w.numel() / p.heads;
    p.v = {v.const_data_ptr<float>(), v.stride(0), v.stride(1), v.stride(2)};
    p.weights = w.const_data_ptr<float>();
    p.lengths = lengths ? lengths->const_data_ptr<int64_t>() : nullptr;
    return p;
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& values, const at::Tensor& filters,
                            const std::optional<at::Tensor>& lengths) {
    for (const auto& x : {values, filters})
      TORCH_CHECK(x.is_cpu() && x.scalar_type() == at::kFloat, "this convolution wants float32 on the CPU");
    TORCH_CHECK(values.dim() == 4 && values.size(3) >= 1 && filters.dim() >= 1 &&
                    filters.size(0) == values.size(1) && filters.numel() == filters.size(0) * filters.size(-1) &&
                    filters.size(-1) % 2 == 1,
                "values ", values.sizes(), " and filters ", filters.sizes(), " do not fit");
    lengthsOf(lengths, values.size(0), values.size(2));
    auto v = values.stride(-1) == 1 ? values : values.contiguous(), w = filters.contiguous();
    auto p = problem(v, w, lengths);
    auto out = at::empty({p.batch, p.length, p.heads, p.width}, v.options());
    countOperations(2 * double(out.numel()) * double(p.size));
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().convolutionForward(p, out.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({v, w});
    context->saved_data["lengths"] = lengths;
    return out;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto lengths = context->saved_data["lengths"].toOptional<at::Tensor>();
    auto p = problem(saved[0], saved[1], lengths);
    auto gradient = grads[0].contiguous();
    auto dv = at::empty({p.batch, p.length, p.heads, p.width}, gradient.options());
    auto dw = at::empty({p.batch, p.heads, p.size}, gradient.options());
    countOperations(4 * double(dv.numel()) * double(p.size));
    parallelFor(p.batch * p.heads, [&](int64_t begin, int64_t end) {
      kernels().convolutionBackward(p, gradient.const_data_ptr<float>(), dv.mutable_data_ptr<float>(),
                                    dw.mutable_data_ptr<float>(), begin, end);
    });
    return {dv.transpose(1, 2), at::sum(dw, 0).view(saved[1].sizes()), at::Tensor()};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_row_convolution(ct_tensor values, ct_tensor filters, ct_tensor lengths) {
  return guarded([&] {
    return RowConvolution::apply(tensor(values), tensor(filters), optional(lengths)).transpose(1, 2);
  });
}
