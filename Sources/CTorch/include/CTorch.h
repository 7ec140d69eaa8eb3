// The C face of libtorch, split by area. Nothing else of libtorch is visible to Swift.
#ifndef CTORCH_H
#define CTORCH_H
#include "ct_core.h"
#include "ct_distributed.h"
#include "ct_kernels.h"
#include "ct_ops.h"
#include "ct_train.h"
#endif
