// advect: one Euler step of particles in a steady flow, Eq. 1 of StyleCineGAN.
#pragma once

#include "common.h"

namespace cinegan {

struct AdvectParams {
  Index grid_height, grid_width;  // of velocity, each at least 1
  Index height, width;            // H W of the particles
  Index top, left;                // the grid point of the first particle
  const float* velocity;          // [2, grid height, grid width] contiguous, px per step
  const float* displacement;      // [2, H, W] contiguous, px
  float* out;                     // out [2, H, W] contiguous; may not overlap the inputs
  int threads;
  int simd;  // a Simd level that this processor runs
};

void advect_cpu(const AdvectParams& p);

#ifdef CINEGAN_CUDA
// `stream` is a cudaStream_t of the current device.
void advect_cuda(const AdvectParams& p, void* stream);
#endif

}  // namespace cinegan
