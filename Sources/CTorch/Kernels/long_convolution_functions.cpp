// The convolution of channels with kernels as long as the sequence as a differentiable function, which keeps its inputs
// alone.
#include <ATen/ops/add.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/fft_irfft.h>
#include <ATen/ops/fft_rfft.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/mul.h>
#include <torch/csrc/autograd/custom_function.h>

#include <bit>
#include <map>
#include <mutex>
#include <numbers>

#include "../include/ct_kernels.h"
#include "../internal.h"
#include "rates.h"

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

namespace ct {
namespace {

/// The roots of unity that a transform of so many points turns by, level after level: of n points, then of n/4, ...;
/// for every quarter's point e^(-i a), e^(-2 i a), e^(-3 i a) with a = 2 pi j / n.
const float* rootsOf(int64_t size) {
  static std::mutex mutex;
  static std::map<int64_t, std::vector<float>> known;
  std::lock_guard<std::mutex> lock(mutex);
  auto& roots = known[size];
  if (roots.empty())
    for (int64_t n = size; n >= 4; n /= 4)
      for (int64_t j = 0; j < n / 4; j++)
        for (int times = 1; times <= 3; times++) {
          const double angle = 2 * std::numbers::pi * double(times * j) / double(n);
          roots.push_back(float(std::cos(angle))), roots.push_back(float(-std::sin(angle)));
        }
  return roots.data();
}

struct LongConvolution : torch::autograd::Function<LongConvolution> {
  static LongConvolutionProblem problem(const at::Tensor& x, const at::Tensor& kernel,
                                        const std::optional<at::Tensor>& lengths) {
    LongConvolutionProblem p{};
    p.batch = x.size(0), p.length = x.size(1), p.width = x.size(2);
    p.size = std::max<int64_t>(4, int64_t(std::bit_ceil(uint64_t(2 * p.length))));
    p.x = x.const_data_ptr<float>(), p.kernel = kernel.const_data_ptr<float>();
    p.bothSides = kernel.size(0) == 2;
    p.lengths = lengthsOf(lengths, p.batch, p.length);
    p.roots = rootsOf(p.size);
    return p;
  }

  /// A transform of P points is some 5 P log2 P operations and serves two rows.
  static void count(const LongConvolutionProblem& p, double transforms) {
    countOperations(transforms * 2.5 * double(p.batch * p.width) * double(p.size) * std::log2(double(p.size)));
  }

  static at::Tensor forward(AutogradContext* context, const at::Tensor& input, const at::Tensor& kernels_,
                            const std::optional<at::Tensor>& lengths) {
    auto x = input.contiguous(), kernel = kernels_.contiguous();
    auto p = problem(x, kernel, lengths);
    auto y = at::empty_like(x);
    count(p, 2);
    parallelFor(kernels().longConvolutionUnits(p), [&](int64_t begin, int64_t end) {
      kernels().longConvolutionForward(p, y.mutable_data_ptr<float>(), begin, end);
    });
    context->save_for_backward({x, kernel});
    context->saved_data["lengths"] = lengths;
    return y;
  }

  static variable_list backward(AutogradContext* context, const variable_list& grads) {
    auto saved = context->get_saved_variables();
    auto p = problem(saved[0], saved[1], context->saved_data["lengths"].toOptional<at::Tensor>());
    auto gradient = grads[0].contiguous();
    auto dx = at::empty_like(saved[0]), dKernel = at::empty_like(saved[1]);
    count(p, 3);
    parallelFor(kernels().longConvolutionUnits(p), [&](int64_t begin, int64_t end) {
      kernels().longConvolutionBackward(p, gradient.const_data_ptr<float>(), dx.mutable_data_ptr<float>(),
                                        dKernel.mutable_data_ptr<float>(), begin, end);
    });
    return {dx, dKernel, at::Tensor()};
  }
};

/// By operations of the library, which know every type and device. x has zeros at padding.
at::Tensor composed(const at::Tensor& x, const at::Tensor& kernel) {
  const int64_t length = x.size(1);
  auto around = at::constant_pad_nd(kernel.select(0, 0), {0, length});  // [D, 2 L]
  if (kernel.size(0) == 2)
    around = at::add(around, at::constant_pad_nd(at::flip(kernel.select(0, 1), {-1}), {length, 0}));
  auto spectrum = at::mul(at::fft_rfft(x.transpose(1, 2), 2 * length), at::fft_rfft(around, 2 * length));
  return at::fft_irfft(spectrum, 2 * length).narrow(-1, 0, length).transpose(1, 2);
}

}  // namespace
}  // namespace ct

using namespace ct;

ct_tensor ct_long_convolution(ct_tensor input, ct_tensor kernel, ct_tensor lengths) {
  return guarded([&] {
    const auto &x = tensor(input), &k = tensor(kernel);
    TORCH_CHECK(x.dim() == 3 && k.dim() == 3 && k.size(0) >= 1 && k.size(0) <= 2 && k.size(1) == x.size(2) &&
                    k.size(2) == x.size(1) && x.size(1) >= 1,
                "rows ", x.sizes(), " and kernels ", k.sizes(), " do not fit");
    if (x.is_cpu() && x.scalar_type() == at::kFloat && k.scalar_type() == at::kFloat)
      return LongConvolution::apply(x, k, optional(lengths));
    return composed(x, k);
  });
}
