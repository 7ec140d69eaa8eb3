// Autograd, autocast, AdamW and gradient clipping.
#ifndef CT_TRAIN_H
#define CT_TRAIN_H
#include "ct_core.h"

#ifdef __cplusplus
extern "C" {
#endif

int ct_set_requires_grad(ct_tensor tensor, int on);
/// Whether a backward pass would give the tensor a gradient.
int ct_requires_grad(ct_tensor tensor);
/// Sets gradient recording for this thread; returns what it was.
int ct_set_grad_enabled(int on);
ct_tensor ct_detach(ct_tensor tensor);
/// Adds the gradients of a scalar to every leaf that requires one.
int ct_backward(ct_tensor loss);
/// The gradient of a leaf, or NULL (without a message) when it has none.
ct_tensor ct_grad(ct_tensor tensor);
/// Replaces the gradient of a leaf.
int ct_set_grad(ct_tensor tensor, ct_tensor grad);
void ct_clear_grad(ct_tensor tensor);

/// Part of a model: writes its results, at most `most`, and returns their number, or -1 after ct_fail. It takes over the
/// handles of its inputs. `again` is 1 in the backward pass.
typedef int (*ct_part)(void *context, const ct_tensor *inputs, int count, ct_tensor *outputs, int most, int again);
/// Results of a part of which only the inputs are kept: the backward pass calls it again. At least one input must
/// require a gradient for the part's parameters to get theirs. `release` is called once, when no pass needs `context`
/// any more. Returns the number of results, or -1.
int ct_recompute(ct_part part, void *context, void (*release)(void *), const ct_tensor *inputs, int count,
                 ct_tensor *outputs, int most);

/// Enters bfloat16 autocast on a device; leave it with `ct_autocast_end`.
int ct_autocast_begin(int device);
void ct_autocast_end(int device);

/// One fused AdamW step over all tensors, with decoupled weight decay (p -= lr * decay * p).
/// `steps` are float32 scalars, one per parameter, counted up by the call.
int ct_adamw(const ct_tensor *parameters, const ct_tensor *grads, const ct_tensor *exp_avg,
             const ct_tensor *exp_avg_sq, const ct_tensor *steps, int count, double learning_rate,
             double beta1, double beta2, double eps, double weight_decay);
/// Scales gradients so that their joint 2-norm is at most `max_norm` (a negative one only measures).
/// Leaves the norm before scaling in `norm`.
int ct_clip_grad_norm(const ct_tensor *grads, int count, double max_norm, double *norm);

#ifdef __cplusplus
}
#endif
#endif
