// The kernels compiled for the tier "avx2".
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"

namespace ct {
namespace {
#pragma clang attribute push(__attribute__((target("avx2,fma"))), apply_to = function)
#define WIDTH 8
#define REGISTERS 16
#include "tier.inc"
#pragma clang attribute pop
}  // namespace

constinit const Kernels kernelsAvx2 = tableOf("avx2");

}  // namespace ct
