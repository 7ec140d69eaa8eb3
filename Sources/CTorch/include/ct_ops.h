// Differentiable operations of libtorch, one function each. Dimensions may be negative (from the end).
#ifndef CT_OPS_H
#define CT_OPS_H
#include "ct_core.h"

#ifdef __cplusplus
extern "C" {
#endif

ct_tensor ct_add(ct_tensor a, ct_tensor b);
ct_tensor ct_subtract(ct_tensor a, ct_tensor b);
ct_tensor ct_multiply(ct_tensor a, ct_tensor b);
ct_tensor ct_divide(ct_tensor a, ct_tensor b);
ct_tensor ct_multiply_scalar(ct_tensor a, double b);
ct_tensor ct_add_scalar(ct_tensor a, double b);
ct_tensor ct_matmul(ct_tensor a, ct_tensor b);
/// x W^T + b; `bias` may be NULL.
ct_tensor ct_linear(ct_tensor x, ct_tensor weight, ct_tensor bias);
ct_tensor ct_embedding(ct_tensor weight, ct_tensor ids);
ct_tensor ct_layer_norm(ct_tensor x, ct_tensor weight, ct_tensor bias, double eps);
/// GELU by erf, or its tanh approximation.
ct_tensor ct_gelu(ct_tensor x, int tanh_approximation);
ct_tensor ct_relu(ct_tensor x);
/// x where x > 0, else e^x - 1.
ct_tensor ct_elu(ct_tensor x);
ct_tensor ct_softmax(ct_tensor x, int dim);
ct_tensor ct_masked_fill(ct_tensor x, ct_tensor mask, double value);
ct_tensor ct_sum(ct_tensor x, const int64_t *dims, int count, int keep);
ct_tensor ct_sum_all(ct_tensor x);
ct_tensor ct_argmax(ct_tensor x, int dim);
ct_tensor ct_equal(ct_tensor a, ct_tensor b);
/// The sum over rows of -log softmax(logits)[label]; logits [N, C], labels [N] int64.
ct_tensor ct_cross_entropy_sum(ct_tensor logits, ct_tensor labels);

ct_tensor ct_reshape(ct_tensor x, const int64_t *sizes, int dims);
ct_tensor ct_permute(ct_tensor x, const int64_t *order, int dims);
ct_tensor ct_transpose(ct_tensor x, int a, int b);
ct_tensor ct_narrow(ct_tensor x, int dim, int64_t start, int64_t length);
ct_tensor ct_select(ct_tensor x, int dim, int64_t index);
ct_tensor ct_unsqueeze(ct_tensor x, int dim);
ct_tensor ct_expand(ct_tensor x, const int64_t *sizes, int dims);
ct_tensor ct_concatenate(const ct_tensor *tensors, int count, int dim);
ct_tensor ct_contiguous(ct_tensor x);

#ifdef __cplusplus
}
#endif
#endif
