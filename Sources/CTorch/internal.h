// What every file of the shim shares: handles, error text, devices.
#pragma once
#if !__has_include(<ATen/core/Tensor.h>)
#error "libtorch is missing: run ./setup"
#endif
#include <ATen/core/Tensor.h>
#include <c10/util/Exception.h>

#include <string>
#include <vector>

#include "include/ct_core.h"

namespace ct {

void fail(const char* message);

static_assert(sizeof(at::Tensor) == sizeof(ct_tensor), "a tensor is one pointer");

/// A handle seen as a tensor: no reference is counted.
inline const at::Tensor& tensor(const ct_tensor& handle) {
  return *reinterpret_cast<const at::Tensor*>(&handle);
}

/// Gives a tensor's reference away as a handle.
inline ct_tensor give(at::Tensor tensor) {
  return reinterpret_cast<ct_tensor>(tensor.unsafeReleaseTensorImpl());
}

inline std::optional<at::Tensor> optional(const ct_tensor& handle) {
  return handle ? std::optional<at::Tensor>(tensor(handle)) : std::nullopt;
}

inline std::vector<at::Tensor> list(const ct_tensor* handles, int count) {
  std::vector<at::Tensor> tensors;
  tensors.reserve(count);
  for (int i = 0; i < count; i++) tensors.push_back(tensor(handles[i]));
  return tensors;
}

at::ScalarType scalarType(ct_dtype dtype);
at::Device device(int number);

template <class Body>
ct_tensor guarded(Body&& body) {
  try {
    return give(body());
  } catch (const c10::Error& error) {
    fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail(error.what());
  }
  return nullptr;
}

template <class Body>
int guardedStatus(Body&& body) {
  try {
    body();
    return 0;
  } catch (const c10::Error& error) {
    fail(error.what_without_backtrace());
  } catch (const std::exception& error) {
    fail(error.what());
  }
  return 1;
}

/// Whether floating-point operations are counted now.
bool counting();
/// Adds to the count of floating-point operations while there is one; a kernel says so of itself.
void countOperations(double operations);

/// Whether kernels' products of float32 tensors are of bfloat16 here: under autocast, where the CPU has them.
bool wantsHalf();

/// Sums a tensor over all processes of the group, in place; nothing in a process on its own.
void sumOverGroup(at::Tensor& x);

/// Runs body(begin, end) over pieces of [0, count) on libtorch's own threads. A parallel_for compiled here would be
/// serial, for want of OpenMP; libtorch's exported one is not.
void parallel(int64_t count, void (*body)(int64_t, int64_t, void*), void* context);

template <class Body>
void parallelFor(int64_t count, Body&& body) {
  parallel(
      count, [](int64_t begin, int64_t end, void* context) { (*static_cast<Body*>(context))(begin, end); },
      &body);
}

}  // namespace ct
