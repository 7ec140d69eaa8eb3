// Counts floating-point operations while asked to: those of matrix products, convolutions, Fourier transforms and
// library attention as libtorch dispatches them, forward and backward, and what our kernels add of their own.
// A multiplication with its addition is two. Elementwise work, sums, norms, softmax and decompositions are not
// counted, nor is what a backward pass computes again.
#ifndef NDEBUG
#define NDEBUG  // libtorch's libraries are built so, and RecordFunction has another layout without it
#endif
#include <ATen/core/ivalue.h>
#include <ATen/record_function.h>

#include <atomic>
#include <cmath>
#include <string_view>
#include <unordered_map>

#include "include/ct_core.h"
#include "internal.h"

namespace ct {
namespace {

using Inputs = c10::ArrayRef<const c10::IValue>;

std::atomic<bool> isCounting{false};
std::atomic<uint64_t> counted{0};
at::CallbackHandle handle = 0;
// Autocast dispatches an operation a second time within the first.
thread_local int depth = 0;

double elements(const at::Tensor& x) { return double(x.numel()); }

/// [..., n, k] by [..., k, m]: 2 n k m for every matrix of the first.
double product(const at::Tensor& a, const at::Tensor& b) { return 2 * elements(a) * double(b.size(-1)); }

double convolution(const at::Tensor& out, const at::Tensor& weight) {
  return 2 * elements(out) * elements(weight) / double(weight.size(0));
}

double convolutionForward(Inputs in) {
  auto x = in[0].toTensor(), weight = in[1].toTensor();
  auto stride = in[3].toIntVector(), padding = in[4].toIntVector(), dilation = in[5].toIntVector();
  double places = double(x.size(0) * weight.size(0));
  for (size_t d = 0; d < stride.size(); d++) {
    auto reach = dilation[d] * (weight.size(2 + d) - 1) + 1;
    places *= double((x.size(2 + d) + 2 * padding[d] - reach) / stride[d] + 1);
  }
  return 2 * places * elements(weight) / double(weight.size(0));
}

double convolutionBackward(Inputs in) {
  auto wanted = in[10].toBoolList();
  return convolution(in[0].toTensor(), in[2].toTensor()) * (double(wanted[0]) + double(wanted[1]));
}

double fourier(Inputs in, double share) {
  auto x = in[0].toTensor();
  double length = 1;
  for (auto dim : in[1].toIntVector()) length *= double(x.size(dim));
  return share * 5 * elements(x) * std::log2(std::max(length, 2.0));
}

/// Q K^T and P V over all pairs; their four gradients are twice that.
double attention(Inputs in, int first, double times) {
  auto q = in[first].toTensor(), k = in[first + 1].toTensor(), v = in[first + 2].toTensor();
  auto pairs = elements(q) / double(q.size(-1)) * double(k.size(-2));
  return times * 2 * pairs * double(q.size(-1) + v.size(-1));
}

using Rule = double (*)(Inputs);

const std::unordered_map<std::string_view, Rule>& rules() {
  static const std::unordered_map<std::string_view, Rule> table = {
      {"aten::mm", [](Inputs in) { return product(in[0].toTensor(), in[1].toTensor()); }},
      {"aten::bmm", [](Inputs in) { return product(in[0].toTensor(), in[1].toTensor()); }},
      {"aten::addmm", [](Inputs in) { return product(in[1].toTensor(), in[2].toTensor()); }},
      {"aten::baddbmm", [](Inputs in) { return product(in[1].toTensor(), in[2].toTensor()); }},
      {"aten::mv", [](Inputs in) { return 2 * elements(in[0].toTensor()); }},
      {"aten::addmv", [](Inputs in) { return 2 * elements(in[1].toTensor()); }},
      {"aten::dot", [](Inputs in) { return 2 * elements(in[0].toTensor()); }},
      {"aten::convolution", convolutionForward},
      {"aten::convolution_backward", convolutionBackward},
      {"aten::_fft_c2c", [](Inputs in) { return fourier(in, 1); }},
      {"aten::_fft_r2c", [](Inputs in) { return fourier(in, 0.5); }},
      {"aten::_fft_c2r", [](Inputs in) { return fourier(in, 1); }},
      {"aten::_scaled_dot_product_flash_attention_for_cpu", [](Inputs in) { return attention(in, 0, 1); }},
      {"aten::_scaled_dot_product_flash_attention_for_cpu_backward",
       [](Inputs in) { return attention(in, 1, 2); }},
      {"aten::_scaled_dot_product_flash_attention", [](Inputs in) { return attention(in, 0, 1); }},
      {"aten::_scaled_dot_product_flash_attention_backward", [](Inputs in) { return attention(in, 1, 2); }},
      {"aten::_scaled_dot_product_efficient_attention", [](Inputs in) { return attention(in, 0, 1); }},
      {"aten::_scaled_dot_product_efficient_attention_backward",
       [](Inputs in) { return attention(in, 1, 2); }},
      {"aten::_scaled_dot_product_cudnn_attention", [](Inputs in) { return attention(in, 0, 1); }},
      {"aten::_scaled_dot_product_cudnn_attention_backward", [](Inputs in) { return attention(in, 1, 2); }},
  };
  return table;
}

struct Within : at::ObserverContext {};

std::unique_ptr<at::ObserverContext> begin(const at::RecordFunction& function) {
  auto rule = rules().find(function.name());
  if (rule == rules().end()) return nullptr;
  auto within = std::make_unique<Within>();
  if (depth == 0) countOperations(rule->second(function.inputs()));
  depth++;
  return within;
}

void end(const at::RecordFunction&, at::ObserverContext* context) {
  if (context) depth--;
}

}  // namespace

bool counting() { return isCounting.load(std::memory_order_relaxed); }

void countOperations(double operations) {
  if (counting()) counted += uint64_t(operations);
}

}  // namespace ct

using namespace ct;

int ct_count_begin(void) {
  return guardedStatus([&] {
    TORCH_CHECK(!isCounting.exchange(true), "operations are counted already");
    counted = 0;
    handle = at::addGlobalCallback(
        at::RecordFunctionCallback(begin, end).needsInputs(true).scopes({at::RecordScope::FUNCTION}));
  });
}

double ct_count_end(void) {
  if (isCounting.exchange(false)) at::removeCallback(handle);
  return double(counted.load());
}
