// render: one frame of the moving layer, from origins on the motion's grid to floats or to bytes, in strips of rows.
//
// A pixel of a level is the sum over the parts of weight * (gain * (shares[0] I(p_0) + shares[1] I(p_1)) + what the
// level below adds, upsampled), with I the level's picture, mirrored at its border, sampled by o-Moms at the finest
// level, of whose picture the coefficients are given, and by bicubic at the others.
#pragma once

#include <array>
#include <vector>

#include "common.h"

namespace cinegan {

// Pixels are four floats: red, green, blue, and one that is not looked at. Rows are `pitch` pixels apart.
struct RenderLevel {
  Index height, width, pitch;
  const float* pixels;  // [height, pitch, 4]
};

struct RenderPart {
  Index grid_height, grid_width;      // h w of origins
  const float* origins;               // [2, 2, h, w]: source, (x, y): grid px from a pixel to where it comes from
  std::array<float, 2> shares;        // what each source is multiplied by; a source with share 0 is not read
  Index gain_height, gain_width;      // of each level's gain
  const float* gains;                 // [levels, h3, w3]; or null: 1 for the finest level, 0 for the others
  Index weight_height, weight_width;  // of weight
  const float* weight;                // [h4, w4], or null for 1
  std::vector<const std::uint8_t*> regions;  // per level [height, width]: pixels with 0 are not computed
};

constexpr int ANCHOR_STEPS = 64;

struct RenderParams {
  std::vector<RenderLevel> levels;  // coarse to fine; the frame has the size of the last
  std::vector<RenderPart> parts;
  // [H, W, 4], in ANCHOR_STEPS to a level: what 255 alpha times the layer is added to, then 255 alpha; null for floats
  const std::int16_t* anchor;
  const std::uint8_t* photo;  // [H, W, 3]: copied where alpha is 0; unused without anchor
  std::uint8_t* bytes;        // out [H, W, 3] contiguous, with an anchor
  float* floats;              // out [3, H, W] contiguous, without
  int threads;
  int simd;  // a Simd level that this processor runs
};

void render_cpu(const RenderParams& p);

}  // namespace cinegan
