// composite: the moving part over the still photo, to bytes.
#pragma once

#include "common.h"

namespace cinegan {

struct CompositeParams {
  Index height, width;        // H W
  const std::uint8_t* photo;  // [H, W, 3] contiguous
  const float* alpha;         // [H, W] contiguous; pixels with 0 are copied from photo
  const float* warped;        // [3, H, W] contiguous
  const float* still;         // [3, H, W] contiguous
  std::uint8_t* out;          // out [H, W, 3] contiguous
  int threads;
  int simd;  // a Simd level that this processor runs
};

void composite_cpu(const CompositeParams& p);

#ifdef CINEGAN_CUDA
// `stream` is a cudaStream_t of the current device.
void composite_cuda(const CompositeParams& p, void* stream);
#endif

}  // namespace cinegan
