#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full.h>
#include <c10/core/CPUAllocator.h>
#include <torch/csrc/inductor/aoti_torch/c/shim.h>
#include <torch/csrc/stable/c/shim.h>
#include <torch/headeronly/version.h>

#include <algorithm>
#include <atomic>
#include <cstdlib>

#include "include/CTorch.h"
#include "internal.h"

namespace ct {

thread_local std::string lastError;

void fail(const char* message) { lastError = message; }

at::ScalarType scalarType(ct_dtype dtype) {
  switch (dtype) {
    case CT_FLOAT32: return at::kFloat;
    case CT_FLOAT64: return at::kDouble;
    case CT_BFLOAT16: return at::kBFloat16;
    case CT_INT64: return at::kLong;
    case CT_INT32: return at::kInt;
    case CT_UINT8: return at::kByte;
    case CT_BOOL: return at::kBool;
  }
  TORCH_CHECK(false, "unknown element type ", int(dtype));
}

at::Device device(int number) {
  return number == CT_CPU ? at::Device(at::kCPU) : at::Device(at::kCUDA, number);
}

namespace {

/// A range that threads take pieces of, large ones first: whoever is faster does more.
struct SharedRange {
  const int64_t count, threads;
  void (*const body)(int64_t, int64_t, void*);
  void* const context;
  std::atomic<int64_t> next = 0;

  void work() {
    int64_t begin = next.load(), end;
    while (begin < count) {
      end = begin + std::max<int64_t>((count - begin) / (2 * threads), 1);
      if (!next.compare_exchange_weak(begin, end)) continue;
      body(begin, end, context);
      begin = next.load();
    }
  }
};

}  // namespace

void parallel(int64_t count, void (*body)(int64_t, int64_t, void*), void* context) {
  if (count <= 0) return;
  const int64_t threads = std::min<int64_t>(at::get_num_threads(), count);
  if (threads == 1) return body(0, count, context);
  SharedRange range{count, threads, body, context};
  auto work = [](int64_t, int64_t, void* range) { static_cast<SharedRange*>(range)->work(); };
  if (torch_parallel_for(0, threads, 1, work, &range) != 0) TORCH_CHECK(false, "torch_parallel_for failed");
}

void installAllocator();

}  // namespace ct

using namespace ct;

const char* ct_error_message(void) { return lastError.c_str(); }

void ct_fail(const char* message) { fail(message); }

const char* ct_version(void) { return TORCH_VERSION; }

int ct_start(void) {
  // The C++ interface changes with every minor version: a mismatch would crash at the first call.
  uint64_t loaded = aoti_torch_abi_version() >> 56 << 8 | (aoti_torch_abi_version() >> 48 & 0xff);
  uint64_t compiled = uint64_t(TORCH_VERSION_MAJOR) << 8 | TORCH_VERSION_MINOR;
  if (loaded != compiled) {
    fail(("libtorch " + std::to_string(loaded >> 8) + "." + std::to_string(loaded & 0xff) +
          " is loaded, but this program was built against " TORCH_VERSION)
             .c_str());
    return 1;
  }
  installAllocator();
  const char* tier = std::getenv("LRA_CPU");
  return tier && ct_use_tier(tier) ? 2 : 0;
}

int ct_set_threads(int count) {
  return guardedStatus([&] { at::set_num_threads(count); });
}

int ct_threads(void) { return at::get_num_threads(); }

ct_tensor ct_empty(const int64_t* sizes, int dims, ct_dtype dtype, int number) {
  return guarded([&] {
    return at::empty(at::IntArrayRef(sizes, dims), at::TensorOptions(scalarType(dtype)).device(device(number)));
  });
}

ct_tensor ct_full(const int64_t* sizes, int dims, double value, ct_dtype dtype, int number) {
  return guarded([&] {
    return at::full(
        at::IntArrayRef(sizes, dims), value, at::TensorOptions(scalarType(dtype)).device(device(number)));
  });
}

ct_tensor ct_from_host(const void* data, size_t bytes, const int64_t* sizes, int dims, ct_dtype dtype) {
  return guarded([&] {
    auto result = at::empty(at::IntArrayRef(sizes, dims), at::TensorOptions(scalarType(dtype)));
    TORCH_CHECK(result.nbytes() == bytes, "expected ", result.nbytes(), " bytes, got ", bytes);
    if (bytes > 0) memcpy(result.mutable_data_ptr(), data, bytes);
    return result;
  });
}

int ct_to_host(ct_tensor handle, void* data, size_t bytes) {
  return guardedStatus([&] {
    auto source = tensor(handle).detach().to(at::kCPU).contiguous();
    TORCH_CHECK(source.nbytes() == bytes, "expected room for ", source.nbytes(), " bytes, got ", bytes);
    if (bytes > 0) memcpy(data, source.const_data_ptr(), bytes);
  });
}

void ct_free(ct_tensor handle) {
  c10::intrusive_ptr<at::TensorImpl>::reclaim(reinterpret_cast<at::TensorImpl*>(handle));
}

ct_tensor ct_share(ct_tensor handle) { return give(tensor(handle)); }

int ct_dims(ct_tensor handle) { return int(tensor(handle).dim()); }

int64_t ct_size(ct_tensor handle, int dim) {
  auto count = tensor(handle).dim();
  auto index = dim < 0 ? dim + count : dim;
  return index >= 0 && index < count ? tensor(handle).sizes()[index] : -1;
}

ct_dtype ct_dtype_of(ct_tensor handle) {
  switch (tensor(handle).scalar_type()) {
    case at::kDouble: return CT_FLOAT64;
    case at::kBFloat16: return CT_BFLOAT16;
    case at::kLong: return CT_INT64;
    case at::kInt: return CT_INT32;
    case at::kByte: return CT_UINT8;
    case at::kBool: return CT_BOOL;
    default: return CT_FLOAT32;
  }
}

int ct_device_of(ct_tensor handle) {
  auto place = tensor(handle).device();
  return place.is_cpu() ? CT_CPU : place.index();
}

ct_tensor ct_to_dtype(ct_tensor handle, ct_dtype dtype) {
  return guarded([&] { return tensor(handle).to(scalarType(dtype)); });
}

ct_tensor ct_to_device(ct_tensor handle, int number) {
  return guarded([&] { return tensor(handle).to(device(number)); });
}

int ct_copy(ct_tensor target, ct_tensor source) {
  return guardedStatus([&] {
    at::NoGradGuard noGrad;
    tensor(target).copy_(tensor(source));
  });
}

int ct_item(ct_tensor handle, double* value) {
  return guardedStatus([&] { *value = tensor(handle).item().toDouble(); });
}
