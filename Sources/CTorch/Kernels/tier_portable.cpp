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
#include "attention.inc"
#include "dropout.inc"
#include "matrix.inc"
#include "features.inc"
#include "feature_attention.inc"
#include "pairs.inc"
#include "convolution.inc"
#include "scan.inc"
#include "inverse.inc"

}  // namespace

const Kernels kernelsPortable = {
    "portable",       attentionForward, attentionForwardUnits, attentionBackward, attentionKeep,
    dropout, featureStateSize, featureForward, featureBackward, pairForward, pairBackward,
    convolutionForward, convolutionBackward,
    scanUnits,    scanForward,      scanBackward,          inverseForward,    inverseBackward};

}  // namespace ct
