#ifndef SGL_SGL_H
#define SGL_SGL_H

/// The whole public surface. Context first, outputs before inputs, scalars last. An operator is asynchronous on its context's
/// stream, neither allocates nor synchronises nor reads the environment unless its comment says so, and checks its shapes
/// before doing anything.

#include "sgl/activation.h"
#include "sgl/attention.h"
#include "sgl/base.h"
#include "sgl/comm.h"
#include "sgl/device.h"
#include "sgl/embedding.h"
#include "sgl/gemm.h"
#include "sgl/graph.h"
#include "sgl/kvcache.h"
#include "sgl/moe.h"
#include "sgl/norm.h"
#include "sgl/profile.h"
#include "sgl/quant.h"
#include "sgl/rope.h"
#include "sgl/sampling.h"

#endif
