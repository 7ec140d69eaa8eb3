// A part of a model whose activations are computed again in the backward pass.
#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "include/ct_train.h"
#include "internal.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

constexpr int mostOutputs = 16;

/// Whether autocast is on, on either device.
struct Autocast {
  bool cpu = at::autocast::is_autocast_enabled(at::kCPU), cuda = at::autocast::is_autocast_enabled(at::kCUDA);

  void use() const {
    at::autocast::set_autocast_enabled(at::kCPU, cpu);
    at::autocast::set_autocast_enabled(at::kCUDA, cuda);
  }
};

/// Autocast as it was, for the time of a scope, without its cache of narrowed weights: one that was made without
/// recording has no gradient, and one that is left behind is of an older step.
struct AutocastScope {
  const Autocast before;
  const bool caching = at::autocast::is_autocast_cache_enabled();
  explicit AutocastScope(const Autocast& wanted) {
    wanted.use();
    at::autocast::set_autocast_cache_enabled(false);
  }
  ~AutocastScope() {
    before.use();
    at::autocast::set_autocast_cache_enabled(caching);
  }
};

/// The part, and what it needs for as long as a backward pass may call it.
struct Part : torch::CustomClassHolder {
  ct_part body;
  void* context;
  void (*release)(void*);
  const Autocast autocast;

  Part(ct_part body, void* context, void (*release)(void*)) : body(body), context(context), release(release) {}
  ~Part() override { release(context); }

  variable_list run(const variable_list& inputs, bool again) const {
    const AutocastScope scope(autocast);
    std::vector<ct_tensor> handles;
    for (auto& input : inputs) handles.push_back(give(input));
    ct_tensor outputs[mostOutputs];
    const int count = body(context, handles.data(), int(handles.size()), outputs, mostOutputs, again);
    TORCH_CHECK(count >= 0, ct_error_message());
    variable_list results;
    for (int i = 0; i < count; i++) {
      results.push_back(tensor(outputs[i]));
      ct_free(outputs[i]);
    }
    return results;
  }
};

struct Recomputed : torch::autograd::Function<Recomputed> {
  static variable_list forward(AutogradContext* context, c10::intrusive_ptr<Part> part, at::TensorList list) {
    const auto inputs = list.vec();
    context->save_for_backward(inputs);
    context->set_materialize_grads(false);
    auto outputs = part->run(inputs, false);
    context->saved_data["part"] = c10::IValue::make_capsule(std::move(part));
    return outputs;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto capsule = context->saved_data["part"].toCapsule();
    const auto& part = *static_cast<Part*>(capsule.get());
    variable_list inputs;
    for (const auto& saved : context->get_saved_variables())
      inputs.push_back(saved.detach().requires_grad_(saved.requires_grad()));
    variable_list roots, slopes;
    {
      at::AutoGradMode recording(true);
      const auto outputs = part.run(inputs, true);
      for (size_t i = 0; i < outputs.size(); i++)
        if (outputs[i].requires_grad() && grads[i].defined()) roots.push_back(outputs[i]), slopes.push_back(grads[i]);
    }
    if (!roots.empty()) torch::autograd::backward(roots, slopes);
    variable_list results{at::Tensor()};  // of the part
    for (const auto& input : inputs) results.push_back(input.grad());
    return results;
  }
};

}  // namespace
}  // namespace ct

using namespace ct;

int ct_recompute(ct_part body, void* context, void (*release)(void*), const ct_tensor* inputs, int count,
                 ct_tensor* outputs, int most) {
  int found = -1;
  auto part = c10::make_intrusive<Part>(body, context, release);
  guardedStatus([&] {
    const auto given = list(inputs, count);
    const auto results = Recomputed::apply(part, at::TensorList(given));
    TORCH_CHECK(int(results.size()) <= most, "a part has at most ", most, " results");
    for (size_t i = 0; i < results.size(); i++) outputs[i] = give(results[i]);
    found = int(results.size());
  });
  return found;
}
