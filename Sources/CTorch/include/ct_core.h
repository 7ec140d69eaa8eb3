// Handles, errors, devices, threads, memory, creation and host copies.
//
// A `ct_tensor` owns one reference to a tensor and is released with `ct_free`. A function that can fail
// returns NULL or a non-zero status and leaves its message for `ct_error_message` (one per thread). No C++
// exception and no torch type crosses this border.
#ifndef CT_CORE_H
#define CT_CORE_H
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct ct_tensor_opaque *ct_tensor;

typedef enum {
  CT_FLOAT32 = 0,
  CT_FLOAT64 = 1,
  CT_BFLOAT16 = 2,
  CT_INT64 = 3,
  CT_INT32 = 4,
  CT_UINT8 = 5,
  CT_BOOL = 6
} ct_dtype;

/// The CPU, as a device number; CUDA devices count from 0.
#define CT_CPU (-1)

/// The message of the last failure on this thread.
const char *ct_error_message(void);
/// Leaves a message for it, from a function that the shim calls.
void ct_fail(const char *message);

/// Checks that the loaded libtorch has the version this shim was compiled against, and installs the
/// caching allocator. Call it first. Non-zero with a message: 1 when the versions differ, 2 when LRA_CPU names no usable tier.
int ct_start(void);
/// The version that the shim was compiled against, such as "2.13.0".
const char *ct_version(void);
/// Loads the CUDA half of libtorch. Must run before any other call; non-zero when there is none.
int ct_load_cuda(void);
int ct_cuda_device_count(void);
/// Waits until everything queued on the device is done.
int ct_synchronize(int device);
int ct_set_threads(int count);
int ct_threads(void);
/// The kernel tier in use: "amx", "avx512_bf16", "avx512", "avx2" or "portable"; at start the best the CPU has, or
/// LRA_CPU's.
const char *ct_kernel_tier(void);
/// Chooses a tier by name; non-zero with a message when the CPU does not have it.
int ct_use_tier(const char *name);
/// Lets "amx" be chosen on a CPU with AVX-512 BF16 but without AMX: the program emulates its instructions, as our tests
/// do.
void ct_emulates_amx(void);
/// Bytes the caching allocator holds in total, and the most that were in use at once.
void ct_memory(int64_t *held, int64_t *peak_in_use);
/// Gives cached blocks back to the system and lets the peak begin again at the bytes in use, which it returns.
int64_t ct_restart_peak(void);

/// Counts floating-point operations from now on, of all threads; see flops.cpp for which. Non-zero when a count goes on.
int ct_count_begin(void);
/// Ends the count and returns it.
double ct_count_end(void);

ct_tensor ct_empty(const int64_t *sizes, int dims, ct_dtype dtype, int device);
ct_tensor ct_full(const int64_t *sizes, int dims, double value, ct_dtype dtype, int device);
/// Copies `bytes` of row-major host memory into a new CPU tensor.
ct_tensor ct_from_host(const void *data, size_t bytes, const int64_t *sizes, int dims, ct_dtype dtype);
/// Copies a tensor's elements, row-major, to host memory of exactly `bytes`.
int ct_to_host(ct_tensor tensor, void *data, size_t bytes);
void ct_free(ct_tensor tensor);
/// Another handle of the same tensor.
ct_tensor ct_share(ct_tensor tensor);

int ct_dims(ct_tensor tensor);
int64_t ct_size(ct_tensor tensor, int dim);
ct_dtype ct_dtype_of(ct_tensor tensor);
int ct_device_of(ct_tensor tensor);
ct_tensor ct_to_dtype(ct_tensor tensor, ct_dtype dtype);
ct_tensor ct_to_device(ct_tensor tensor, int device);
/// Copies `source` into `target` in place (same shape).
int ct_copy(ct_tensor target, ct_tensor source);
/// The value of a tensor of one element.
int ct_item(ct_tensor tensor, double *value);

#ifdef __cplusplus
}
#endif
#endif
