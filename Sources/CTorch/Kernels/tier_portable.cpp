// The kernels compiled for the tier "portable".
#include <algorithm>
#include <cmath>
#include <cstring>
#include <vector>

#include "kernels.h"

namespace ct {
namespace {
#define WIDTH 4
#define REGISTERS 16
#include "tier.inc"
}  // namespace

constinit const Kernels kernelsPortable = tableOf("portable");

}  // namespace ct
