// Embeddings of tokens and their positions as a differentiable function.
#include <ATen/ops/empty.h>
#include <ATen/ops/zeros_like.h>
#include <torch/csrc/autograd/custom_function.h>

#include "../include/ct_kernels.h"
#include "chunks.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

struct EmbeddingFunction : torch::autograd::Function<EmbeddingFunction> {
  struct Call {
    EmbeddingProblem problem{};
    std::vector<uint64_t> keys;

    /// tensors: ids, table, places (undefined where there are none).
    Call(AutogradContext* context, const variable_list& tensors) {
      auto& p = problem;
      p.examples = tensors[0].size(0), p.length = tensors[0].size(1), p.width = tensors[1].size(1);
      p.ids = tensors[0].const_data_ptr<int64_t>();
      p.table = pointer(tensors[1]), p.places = pointer(tensors[2]);
      Rate rate(context->saved_data["rate"].toDouble());
      p.dropThreshold = rate.threshold, p.keepScale = rate.keepScale;
      if (!rate.threshold) return;
      keys = keysOfRows(context->saved_data["rows"].toTensor(),
                        uint64_t(context->saved_data["key"].toInt()), p.examples);
      p.keys = keys.data();
    }
  };

  static at::Tensor forward(AutogradContext* context, const at::Tensor& table, const at::Tensor& ids,
                            const std::optional<at::Tensor>& places, double rate,
                            const std::optional<at::Tensor>& rows, int64_t key) {
    variable_list tensors = {ids.contiguous(), table.contiguous(),
                             places ? places->contiguous() : at::Tensor()};
    context->save_for_backward(tensors);
    context->saved_data["rate"] = rate;
    context->saved_data["key"] = key;
    if (rows) context->saved_data["rows"] = *rows;
    Call call(context, tensors);
    const auto& p = call.problem;
    for (int64_t i = 0; i < ids.numel(); i++)
      TORCH_CHECK(p.ids[i] >= 0 && p.ids[i] < table.size(0), "token ", p.ids[i], " is outside a table of ",
                  table.size(0));
    auto y = at::empty({p.examples, p.length, p.width}, table.options());
    parallelFor(p.length, [&](int64_t begin, int64_t end) {
      kernels().embeddingForward(p, y.mutable_data_ptr<float>(), begin, end);
    });
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    Call call(context, saved);
    const auto& p = call.problem;
    auto dy = grads[0].contiguous();
    const bool toPlaces = p.places && context->needs_input_grad(2);
    auto dPlaces = toPlaces ? at::zeros_like(saved[2]) : at::Tensor();
    const auto& table = saved[1];
    Chunks chunks(p.length, p.examples * p.length, table.numel() + kernels().padded(1));
    chunks.run([&](float* sums, int64_t begin, int64_t end) {
      std::fill_n(sums, table.numel(), 0.0f);
      kernels().embeddingBackward(p, pointer(dy), sums, toPlaces ? dPlaces.mutable_data_ptr<float>() : nullptr,
                                  begin, end);
    });
    at::Tensor none;
    return {chunks.sum(0, {table.numel()}).view(table.sizes()), none, dPlaces, none, none, none};
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_embed(ct_tensor table, ct_tensor ids, ct_tensor places, double rate, ct_tensor rows, uint64_t key) {
  return guarded([&] {
    const auto &all = tensor(table), &tokens = tensor(ids);
    TORCH_CHECK(isPlain(all) && all.dim() == 2 && tokens.dim() == 2 && tokens.scalar_type() == at::kLong,
                "the embedding kernel takes a float32 table and ids [B, L] of int64");
    if (places)
      TORCH_CHECK(isPlain(tensor(places)) && tensor(places).size(0) >= tokens.size(1) &&
                      tensor(places).size(1) == all.size(1),
                  "places ", tensor(places).sizes(), " do not fit ", tokens.sizes());
    TORCH_CHECK(Rate(rate).threshold == 0 || rows, "dropout needs the examples' positions");
    return EmbeddingFunction::apply(all, tokens, optional(places), rate, optional(rows), int64_t(key));
  });
}
