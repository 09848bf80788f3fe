// All kernels, one module.
#include "depthwise.cuh"
#include "elementwise.cuh"
#include "layout.cuh"
#include "loss.cuh"
#include "norm.cuh"
#include "spatial.cuh"
#include "update.cuh"
