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
#include "vector.inc"
#include "product.inc"
#include "attention.inc"
#include "dropout.inc"

}  // namespace

const Kernels kernelsPortable = {"portable", false, attentionForwardUnits, attentionForward, attentionBackward, attentionKeep,
                               dropout};

}  // namespace ct
