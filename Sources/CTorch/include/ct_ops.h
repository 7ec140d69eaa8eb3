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
/// x W^T + b; `bias` may be NULL. With `narrow` the result may be bfloat16 under autocast, also where it is made by
/// kernels that else give float32.
ct_tensor ct_linear(ct_tensor x, ct_tensor weight, ct_tensor bias, int narrow);
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

ct_tensor ct_exp(ct_tensor x);
ct_tensor ct_sin(ct_tensor x);
ct_tensor ct_cos(ct_tensor x);
ct_tensor ct_log(ct_tensor x);
ct_tensor ct_sqrt(ct_tensor x);
ct_tensor ct_sigmoid(ct_tensor x);
/// a sigmoid(b) of the halves [a, b] along a dimension.
ct_tensor ct_glu(ct_tensor x, int dim);
ct_tensor ct_softplus(ct_tensor x, double beta);
/// x where x > 0, else slope x.
ct_tensor ct_leaky_relu(ct_tensor x, double slope);
ct_tensor ct_clamp_min(ct_tensor x, double least);
/// a where the mask is true, else b.
ct_tensor ct_where(ct_tensor mask, ct_tensor a, ct_tensor b);
/// The largest elements along a dimension, which stays with size 1.
ct_tensor ct_amax(ct_tensor x, int dim);
/// log(sum(exp(x))) along a dimension, which stays with size 1.
ct_tensor ct_logsumexp(ct_tensor x, int dim);
/// Sums from the first element to each along a dimension.
ct_tensor ct_cumsum(ct_tensor x, int dim);

/// Integers from `first` up to `end`, `end` left out: [end - first] int64.
ct_tensor ct_range(int64_t first, int64_t end, int device);
ct_tensor ct_less(ct_tensor a, ct_tensor b);
ct_tensor ct_less_equal(ct_tensor a, ct_tensor b);
ct_tensor ct_and(ct_tensor a, ct_tensor b);
ct_tensor ct_or(ct_tensor a, ct_tensor b);
ct_tensor ct_not(ct_tensor a);
/// The remainder of integers by a positive number, at least 0.
ct_tensor ct_remainder(ct_tensor a, int64_t divisor);
/// The quotient of integers by a positive number, rounded down.
ct_tensor ct_floor_divide(ct_tensor a, int64_t divisor);

/// x[..., index[..., j, ...], ...] along a dimension; the other dimensions of `index` [int64] are those of x.
ct_tensor ct_gather(ct_tensor x, int dim, ct_tensor index);
/// Whole slices along a dimension: index [N] int64.
ct_tensor ct_index_select(ct_tensor x, int dim, ct_tensor index);
/// The order that sorts a dimension upwards, equal elements in their old order: int64.
ct_tensor ct_argsort(ct_tensor x, int dim);
/// The `count` largest along a dimension, as indices (int64), the largest first.
ct_tensor ct_topk(ct_tensor x, int count, int dim);
/// `x` plus `source` added at `index` along a dimension.
ct_tensor ct_scatter_add(ct_tensor x, int dim, ct_tensor index, ct_tensor source);
/// `value` added at both ends of one dimension.
ct_tensor ct_pad(ct_tensor x, int dim, int64_t before, int64_t after, double value);
/// Windows of `size` along a dimension, one every `step`, as a new last dimension (a view).
ct_tensor ct_unfold(ct_tensor x, int dim, int64_t size, int64_t step);
ct_tensor ct_flip(ct_tensor x, int dim);
/// Convolution over the last dimension: x [B, C, L], weight [O, C / groups, K]; zeros around.
ct_tensor ct_conv1d(ct_tensor x, ct_tensor weight, int64_t stride, int64_t padding, int64_t groups);
/// The real part of the discrete Fourier transform over the last two dimensions.
ct_tensor ct_fourier2(ct_tensor x);
/// Q of x = QR; with `positive`, of the factorisation whose R has a positive diagonal (no gradient).
ct_tensor ct_orthogonal(ct_tensor x, int positive);
/// The `rank` largest singular values with their vectors: [out, rank] (times the values), [rank, in]; no gradient.
ct_tensor ct_svd_left(ct_tensor x, int64_t rank);
ct_tensor ct_svd_right(ct_tensor x, int64_t rank);
/// Singular values of the last two dimensions, the largest first; no gradient.
ct_tensor ct_singular_values(ct_tensor x);
/// The Moore-Penrose inverse of the last two dimensions.
ct_tensor ct_pseudo_inverse(ct_tensor x);

/// The sum over rows of -log softmax(logits)[label]; logits [N, C], labels [N] int64.
ct_tensor ct_cross_entropy_sum(ct_tensor logits, ct_tensor labels);

ct_tensor ct_reshape(ct_tensor x, const int64_t *sizes, int dims);
ct_tensor ct_permute(ct_tensor x, const int64_t *order, int dims);
ct_tensor ct_transpose(ct_tensor x, int a, int b);
ct_tensor ct_narrow(ct_tensor x, int dim, int64_t start, int64_t length);
ct_tensor ct_select(ct_tensor x, int dim, int64_t index);
/// Every index along a dimension, which disappears: as many tensors as it is long, into `parts`.
int ct_unbind(ct_tensor x, int dim, ct_tensor *parts, int count);
ct_tensor ct_unsqueeze(ct_tensor x, int dim);
ct_tensor ct_expand(ct_tensor x, const int64_t *sizes, int dims);
ct_tensor ct_concatenate(const ct_tensor *tensors, int count, int dim);
ct_tensor ct_contiguous(ct_tensor x);

#ifdef __cplusplus
}
#endif
#endif
