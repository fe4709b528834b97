// joint_sample: one frame's warped picture in one pass over its pixels: two sharp gathers whose positions are
// interpolated from a coarser grid, mixed by the phase, scaled by a gain and added to an upsampled base.
#pragma once

#include "common.h"

namespace cinegan {

struct JointSampleParams {
  Index channels, height, width;  // C H W of image and out
  Index grid_height, grid_width;  // h w of origins
  Index gain_height, gain_width;  // of gain; unused when gain is null
  Index base_height, base_width;  // of base; unused when base is null
  const float* image;             // [C, H, W] contiguous
  const float* origins;        // [2, 2, h, w] contiguous: source, (x, y): grid px from a pixel to where it comes from
  float shares[2];             // what each source is multiplied by; a source with share 0 is not read
  const float* gain;           // [h3, w3] contiguous, or null for 1
  const float* base;           // [C, h2, w2] contiguous, or null for 0
  const std::uint8_t* region;  // [H, W] contiguous: pixels with 0 are skipped and 0; or null for all
  float* out;                  // out [C, H, W] contiguous
  int kernel;                  // a Kernel of sample.h
  int border;                  // a Border of sample.h
  int threads;
  int simd;  // a Simd level that this processor runs
};

void joint_sample_cpu(const JointSampleParams& p);

#ifdef CINEGAN_CUDA
// `stream` is a cudaStream_t of the current device.
void joint_sample_cuda(const JointSampleParams& p, void* stream);
#endif

}  // namespace cinegan
