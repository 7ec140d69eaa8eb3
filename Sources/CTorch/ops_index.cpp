// Differentiable operations of libtorch: elementary functions, comparisons, indexing and sorting.
#include <ATen/ops/amax.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/argsort.h>
#include <ATen/ops/clamp_min.h>
#include <ATen/ops/constant_pad_nd.h>
#include <ATen/ops/conv1d.h>
#include <ATen/ops/cos.h>
#include <ATen/ops/cumsum.h>
#include <ATen/ops/div.h>
#include <ATen/ops/exp.h>
#include <ATen/ops/fft_fft2.h>
#include <ATen/ops/flip.h>
#include <ATen/ops/gather.h>
#include <ATen/ops/glu.h>
#include <ATen/ops/index_select.h>
#include <ATen/ops/le.h>
#include <ATen/ops/leaky_relu.h>
#include <ATen/ops/linalg_pinv.h>
#include <ATen/ops/linalg_qr.h>
#include <ATen/ops/linalg_svd.h>
#include <ATen/ops/linalg_svdvals.h>
#include <ATen/ops/log.h>
#include <ATen/ops/logical_and.h>
#include <ATen/ops/logical_not.h>
#include <ATen/ops/logical_or.h>
#include <ATen/ops/logsumexp.h>
#include <ATen/ops/lt.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/real.h>
#include <ATen/ops/remainder.h>
#include <ATen/ops/scatter_add.h>
#include <ATen/ops/sigmoid.h>
#include <ATen/ops/sign.h>
#include <ATen/ops/sin.h>
#include <ATen/ops/softplus.h>
#include <ATen/ops/sqrt.h>
#include <ATen/ops/topk.h>
#include <ATen/ops/where.h>

#include "include/ct_ops.h"
#include "internal.h"

using namespace ct;

ct_tensor ct_exp(ct_tensor x) {
  return guarded([&] { return at::exp(tensor(x)); });
}
ct_tensor ct_sin(ct_tensor x) {
  return guarded([&] { return at::sin(tensor(x)); });
}
ct_tensor ct_cos(ct_tensor x) {
  return guarded([&] { return at::cos(tensor(x)); });
}
ct_tensor ct_log(ct_tensor x) {
  return guarded([&] { return at::log(tensor(x)); });
}
ct_tensor ct_sqrt(ct_tensor x) {
  return guarded([&] { return at::sqrt(tensor(x)); });
}
ct_tensor ct_sigmoid(ct_tensor x) {
  return guarded([&] { return at::sigmoid(tensor(x)); });
}
ct_tensor ct_glu(ct_tensor x, int dim) {
  return guarded([&] { return at::glu(tensor(x), dim); });
}
ct_tensor ct_softplus(ct_tensor x, double beta) {
  return guarded([&] { return at::softplus(tensor(x), beta); });
}
ct_tensor ct_leaky_relu(ct_tensor x, double slope) {
  return guarded([&] { return at::leaky_relu(tensor(x), slope); });
}
ct_tensor ct_clamp_min(ct_tensor x, double least) {
  return guarded([&] { return at::clamp_min(tensor(x), least); });
}
ct_tensor ct_where(ct_tensor mask, ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::where(tensor(mask), tensor(a), tensor(b)); });
}
ct_tensor ct_amax(ct_tensor x, int dim) {
  return guarded([&] { return at::amax(tensor(x), dim, /*keepdim=*/true); });
}
ct_tensor ct_logsumexp(ct_tensor x, int dim) {
  return guarded([&] { return at::logsumexp(tensor(x), dim, /*keepdim=*/true); });
}
ct_tensor ct_cumsum(ct_tensor x, int dim) {
  return guarded([&] { return at::cumsum(tensor(x), dim); });
}

ct_tensor ct_range(int64_t first, int64_t end, int number) {
  return guarded([&] { return at::arange(first, end, at::TensorOptions(at::kLong).device(device(number))); });
}
ct_tensor ct_less(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::lt(tensor(a), tensor(b)); });
}
ct_tensor ct_less_equal(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::le(tensor(a), tensor(b)); });
}
ct_tensor ct_and(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::logical_and(tensor(a), tensor(b)); });
}
ct_tensor ct_or(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::logical_or(tensor(a), tensor(b)); });
}
ct_tensor ct_not(ct_tensor a) {
  return guarded([&] { return at::logical_not(tensor(a)); });
}
ct_tensor ct_remainder(ct_tensor a, int64_t divisor) {
  return guarded([&] { return at::remainder(tensor(a), divisor); });
}
ct_tensor ct_floor_divide(ct_tensor a, int64_t divisor) {
  return guarded([&] { return at::div(tensor(a), divisor, "floor"); });
}

ct_tensor ct_gather(ct_tensor x, int dim, ct_tensor index) {
  return guarded([&] { return at::gather(tensor(x), dim, tensor(index)); });
}
ct_tensor ct_index_select(ct_tensor x, int dim, ct_tensor index) {
  return guarded([&] { return at::index_select(tensor(x), dim, tensor(index)); });
}
ct_tensor ct_argsort(ct_tensor x, int dim) {
  return guarded([&] { return at::argsort(tensor(x), /*stable=*/true, dim); });
}
ct_tensor ct_topk(ct_tensor x, int count, int dim) {
  return guarded([&] { return std::get<1>(at::topk(tensor(x), count, dim)); });
}
ct_tensor ct_scatter_add(ct_tensor x, int dim, ct_tensor index, ct_tensor source) {
  return guarded([&] { return at::scatter_add(tensor(x), dim, tensor(index), tensor(source)); });
}
ct_tensor ct_pad(ct_tensor x, int dim, int64_t before, int64_t after, double value) {
  return guarded([&] {
    const auto& source = tensor(x);
    auto place = dim < 0 ? dim + source.dim() : dim;
    // Pairs count from the last dimension.
    std::vector<int64_t> ends(size_t(2 * (source.dim() - place)), 0);
    ends[ends.size() - 2] = before;
    ends[ends.size() - 1] = after;
    return at::constant_pad_nd(source, ends, value);
  });
}
ct_tensor ct_unfold(ct_tensor x, int dim, int64_t size, int64_t step) {
  return guarded([&] { return tensor(x).unfold(dim, size, step); });
}
ct_tensor ct_flip(ct_tensor x, int dim) {
  return guarded([&] { return at::flip(tensor(x), {dim}); });
}
ct_tensor ct_conv1d(ct_tensor x, ct_tensor weight, int64_t stride, int64_t padding, int64_t groups) {
  return guarded([&] {
    return at::conv1d(tensor(x), tensor(weight), std::nullopt, {stride}, {padding}, {1}, groups);
  });
}
ct_tensor ct_fourier2(ct_tensor x) {
  return guarded([&] { return at::real(at::fft_fft2(tensor(x))); });
}
ct_tensor ct_orthogonal(ct_tensor x, int positive) {
  return guarded([&] {
    auto [q, r] = at::linalg_qr(tensor(x).detach());
    return positive ? at::mul(q, at::sign(r.diagonal())) : q;
  });
}
ct_tensor ct_svd_left(ct_tensor x, int64_t rank) {
  return guarded([&] {
    auto [u, s, vh] = at::linalg_svd(tensor(x).detach(), /*full_matrices=*/false);
    // LAPACK's columns are contiguous; a parameter's rows are.
    return at::mul(u.narrow(1, 0, rank), s.narrow(0, 0, rank)).contiguous();
  });
}
ct_tensor ct_svd_right(ct_tensor x, int64_t rank) {
  return guarded([&] {
    auto [u, s, vh] = at::linalg_svd(tensor(x).detach(), /*full_matrices=*/false);
    return vh.narrow(0, 0, rank).contiguous();
  });
}
ct_tensor ct_singular_values(ct_tensor x) {
  return guarded([&] { return at::linalg_svdvals(tensor(x).detach()); });
}
ct_tensor ct_pseudo_inverse(ct_tensor x) {
  return guarded([&] { return at::linalg_pinv(tensor(x)); });
}
