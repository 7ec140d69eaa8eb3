// CUDA is loaded by name, so that the same binary runs on machines without it.
#include <ATen/DeviceAccelerator.h>
#include <dlfcn.h>

#include "include/ct_core.h"
#include "internal.h"

using namespace ct;

int ct_load_cuda(void) {
  // libtorch looks for CUDA once, at its first use: this must come before any other call of it.
  if (dlopen("libtorch_cuda.so", RTLD_NOW | RTLD_GLOBAL)) return 0;
  fail(dlerror());
  return 1;
}

int ct_cuda_device_count(void) {
  try {
    auto accelerator = at::accelerator::getAccelerator();
    return accelerator == at::kCUDA ? int(at::accelerator::deviceCount()) : 0;
  } catch (const std::exception&) {
    return 0;  // no driver, no device
  }
}

int ct_synchronize(int number) {
  return guardedStatus([&] {
    if (number != CT_CPU) at::accelerator::synchronizeDevice(c10::DeviceIndex(number));
  });
}
