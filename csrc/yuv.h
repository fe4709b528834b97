// yuv420: a frame as encoders take it: BT.709, limited range, chroma at half the size, between the pixels.
#pragma once

#include "common.h"

namespace cinegan {

struct YuvParams {
  Index height, width;      // H W
  const std::uint8_t* rgb;  // [H, W, 3] contiguous
  std::uint8_t* out;        // out: luma [H, W], then blue and red difference [(H + 1) / 2, (W + 1) / 2] each
  int threads;
  int simd;  // a Simd level that this processor runs
};

void yuv420_cpu(const YuvParams& p);

}  // namespace cinegan
