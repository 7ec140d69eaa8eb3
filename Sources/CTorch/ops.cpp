#include "include/ct_ops.h"

#include <ATen/ops/add.h>
#include <ATen/ops/argmax.h>
#include <ATen/ops/cat.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/div.h>
#include <ATen/ops/elu.h>
#include <ATen/ops/embedding.h>
#include <ATen/ops/eq.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/masked_fill.h>
#include <ATen/ops/matmul.h>
#include <ATen/ops/mul.h>
#include <ATen/ops/relu.h>
#include <ATen/ops/softmax.h>
#include <ATen/ops/sub.h>
#include <ATen/ops/sum.h>

#include "internal.h"

using namespace ct;

ct_tensor ct_add(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::add(tensor(a), tensor(b)); });
}
ct_tensor ct_subtract(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::sub(tensor(a), tensor(b)); });
}
ct_tensor ct_multiply(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::mul(tensor(a), tensor(b)); });
}
ct_tensor ct_divide(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::div(tensor(a), tensor(b)); });
}
ct_tensor ct_multiply_scalar(ct_tensor a, double b) {
  return guarded([&] { return at::mul(tensor(a), b); });
}
ct_tensor ct_add_scalar(ct_tensor a, double b) {
  return guarded([&] { return at::add(tensor(a), b); });
}
ct_tensor ct_matmul(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::matmul(tensor(a), tensor(b)); });
}
ct_tensor ct_embedding(ct_tensor weight, ct_tensor ids) {
  return guarded([&] { return at::embedding(tensor(weight), tensor(ids)); });
}
ct_tensor ct_gelu(ct_tensor x, int tanh_approximation) {
  return guarded([&] { return at::gelu(tensor(x), tanh_approximation ? "tanh" : "none"); });
}
ct_tensor ct_relu(ct_tensor x) {
  return guarded([&] { return at::relu(tensor(x)); });
}
ct_tensor ct_elu(ct_tensor x) {
  return guarded([&] { return at::elu(tensor(x)); });
}
ct_tensor ct_softmax(ct_tensor x, int dim) {
  return guarded([&] { return at::softmax(tensor(x), dim); });
}
ct_tensor ct_masked_fill(ct_tensor x, ct_tensor mask, double value) {
  return guarded([&] { return at::masked_fill(tensor(x), tensor(mask), value); });
}
ct_tensor ct_sum(ct_tensor x, const int64_t* dims, int count, int keep) {
  return guarded([&] { return at::sum(tensor(x), at::IntArrayRef(dims, count), keep != 0); });
}
ct_tensor ct_sum_all(ct_tensor x) {
  return guarded([&] { return at::sum(tensor(x)); });
}
ct_tensor ct_argmax(ct_tensor x, int dim) {
  return guarded([&] { return at::argmax(tensor(x), dim); });
}
ct_tensor ct_equal(ct_tensor a, ct_tensor b) {
  return guarded([&] { return at::eq(tensor(a), tensor(b)); });
}
ct_tensor ct_cross_entropy_sum(ct_tensor logits, ct_tensor labels) {
  return guarded([&] {
    return at::cross_entropy_loss(tensor(logits), tensor(labels), std::nullopt, at::Reduction::Sum);
  });
}

ct_tensor ct_reshape(ct_tensor x, const int64_t* sizes, int dims) {
  return guarded([&] { return tensor(x).reshape(at::IntArrayRef(sizes, dims)); });
}
ct_tensor ct_permute(ct_tensor x, const int64_t* order, int dims) {
  return guarded([&] { return tensor(x).permute(at::IntArrayRef(order, dims)); });
}
ct_tensor ct_transpose(ct_tensor x, int a, int b) {
  return guarded([&] { return tensor(x).transpose(a, b); });
}
ct_tensor ct_narrow(ct_tensor x, int dim, int64_t start, int64_t length) {
  return guarded([&] { return tensor(x).narrow(dim, start, length); });
}
ct_tensor ct_select(ct_tensor x, int dim, int64_t index) {
  return guarded([&] { return tensor(x).select(dim, index); });
}
int ct_unbind(ct_tensor x, int dim, ct_tensor* parts, int count) {
  return guardedStatus([&] {
    auto pieces = tensor(x).unbind(dim);
    TORCH_CHECK(int(pieces.size()) == count, "a dimension of ", pieces.size(), ", not ", count);
    for (int i = 0; i < count; i++) parts[i] = give(std::move(pieces[size_t(i)]));
  });
}
ct_tensor ct_unsqueeze(ct_tensor x, int dim) {
  return guarded([&] { return tensor(x).unsqueeze(dim); });
}
ct_tensor ct_expand(ct_tensor x, const int64_t* sizes, int dims) {
  return guarded([&] { return tensor(x).expand(at::IntArrayRef(sizes, dims)); });
}
ct_tensor ct_concatenate(const ct_tensor* tensors, int count, int dim) {
  return guarded([&] { return at::cat(list(tensors, count), dim); });
}
ct_tensor ct_contiguous(ct_tensor x) {
  return guarded([&] { return tensor(x).contiguous(); });
}
