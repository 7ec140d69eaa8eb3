// The kernels compiled for the tier "amx".
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"

namespace ct {
namespace {
#pragma clang attribute push(__attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,amx-tile,amx-bf16,avx2,fma"))), apply_to = function)
#define HALF
#define TILES
#define WIDTH 16
#define REGISTERS 32
#include "tier.inc"
#pragma clang attribute pop
}  // namespace

constinit const Kernels kernelsAmx = tableOf("amx");

}  // namespace ct
