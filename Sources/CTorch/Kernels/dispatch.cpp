// The kernel tier in use: the best the CPU has, unless a lower one is asked for.
#include <ATen/autocast_mode.h>

#include <cstdlib>
#include <cstring>
#include <string>

#include "../include/ct_core.h"
#include "../internal.h"
#include "kernels.h"

namespace ct {
namespace {

struct Tier {
  const Kernels* kernels;
  bool usable;
};

/// From the highest to the lowest.
const std::vector<Tier>& tiers() {
#if defined(__x86_64__)
  static const std::vector<Tier> all = [] {
    __builtin_cpu_init();
    bool avx512 = __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                  __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
    bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma");
    bool half = avx512 && __builtin_cpu_supports("avx512bf16");
    return std::vector<Tier>{{&kernelsAvx512Bf16, half},
                             {&kernelsAvx512, avx512}, {&kernelsAvx2, avx2}, {&kernelsPortable, true}};
  }();
#else
  static const std::vector<Tier> all = {{&kernelsPortable, true}};
#endif
  return all;
}

const Kernels* best() {
  for (auto& tier : tiers())
    if (tier.usable) return tier.kernels;
  return &kernelsPortable;
}

const Kernels* current = nullptr;

}  // namespace

const Kernels& kernels() {
  if (!current) current = best();
  return *current;
}

bool wantsHalf() { return kernels().half && at::autocast::is_autocast_enabled(at::kCPU); }

}  // namespace ct

using namespace ct;

const char* ct_kernel_tier(void) { return kernels().name; }

int ct_use_tier(const char* name) {
  std::string names;
  for (auto& tier : tiers()) {
    if (!tier.usable) continue;
    if (!strcmp(tier.kernels->name, name)) {
      current = tier.kernels;
      return 0;
    }
    names += (names.empty() ? "" : ", ") + std::string(tier.kernels->name);
  }
  fail(("kernel tier " + std::string(name) + " is unknown or not in this CPU; it has: " + names).c_str());
  return 1;
}
