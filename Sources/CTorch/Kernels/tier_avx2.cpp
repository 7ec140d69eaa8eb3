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
#include "vector.inc"
#include "attention.inc"
#include "dropout.inc"
#include "matrix.inc"
#include "features.inc"
#include "feature_attention.inc"
#include "pairs.inc"
#include "convolution.inc"
#include "scan.inc"
#include "inverse.inc"
#pragma clang attribute pop
}  // namespace

const Kernels kernelsAvx2 = {
    "avx2",       attentionForward, attentionForwardUnits, attentionBackward, attentionKeep,
    dropout, featureStateSize, featureForward, featureBackward, pairForward, pairBackward,
    convolutionForward, convolutionBackward,
    scanUnits,    scanForward,      scanBackward,          inverseForward,    inverseBackward};

}  // namespace ct
