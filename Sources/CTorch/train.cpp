#include "include/ct_train.h"

#include <ATen/autocast_mode.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/_foreach_mul.h>
#include <ATen/ops/_foreach_norm.h>
#include <ATen/ops/_fused_adamw.h>
#include <ATen/ops/linalg_vector_norm.h>
#include <ATen/ops/stack.h>

#include "internal.h"

using namespace ct;

int ct_set_requires_grad(ct_tensor handle, int on) {
  return guardedStatus([&] { tensor(handle).set_requires_grad(on != 0); });
}

int ct_requires_grad(ct_tensor handle) { return tensor(handle).requires_grad(); }

int ct_set_grad_enabled(int on) {
  int before = at::GradMode::is_enabled();
  at::GradMode::set_enabled(on != 0);
  return before;
}

ct_tensor ct_detach(ct_tensor handle) {
  return guarded([&] { return tensor(handle).detach(); });
}

int ct_backward(ct_tensor loss) {
  return guardedStatus([&] { tensor(loss).backward(); });
}

ct_tensor ct_grad(ct_tensor handle) {
  const auto& grad = tensor(handle).grad();
  return grad.defined() ? give(grad) : nullptr;
}

int ct_set_grad(ct_tensor handle, ct_tensor grad) {
  return guardedStatus([&] { tensor(handle).mutable_grad() = tensor(grad); });
}

void ct_clear_grad(ct_tensor handle) { tensor(handle).mutable_grad() = at::Tensor(); }

int ct_autocast_begin(int number) {
  return guardedStatus([&] {
    auto type = device(number).type();
    at::autocast::set_autocast_dtype(type, at::kBFloat16);
    at::autocast::set_autocast_enabled(type, true);
    at::autocast::increment_nesting();
  });
}

void ct_autocast_end(int number) {
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  at::autocast::set_autocast_enabled(device(number).type(), false);
}

int ct_adamw(const ct_tensor* parameters, const ct_tensor* grads, const ct_tensor* exp_avg,
             const ct_tensor* exp_avg_sq, const ct_tensor* steps, int count, double learning_rate,
             double beta1, double beta2, double eps, double weight_decay) {
  return guardedStatus([&] {
    at::NoGradGuard noGrad;
    auto counts = list(steps, count);
    auto values = list(parameters, count), gradients = list(grads, count);
    auto means = list(exp_avg, count), squares = list(exp_avg_sq, count);
    // The fused update goes through memory, whatever the strides.
    for (const auto& all : {values, gradients, means, squares})
      for (const auto& one : all)
        TORCH_CHECK(one.is_contiguous(), "AdamW wants rows one after the other, got strides ", one.strides());
    for (auto& step : counts) step.add_(1);
    at::_fused_adamw_(values, gradients, means, squares, {}, counts, learning_rate, beta1, beta2, weight_decay, eps,
                      /*amsgrad=*/false, /*maximize=*/false);
  });
}

int ct_clip_grad_norm(const ct_tensor* grads, int count, double max_norm, double* norm) {
  return guardedStatus([&] {
    at::NoGradGuard noGrad;
    auto all = list(grads, count);
    auto total = at::linalg_vector_norm(at::stack(at::_foreach_norm(all, 2)), 2);
    *norm = total.item().toDouble();
    if (max_norm >= 0) at::_foreach_mul_(all, (max_norm / (total + 1e-6)).clamp_max(1.0));
  });
}
