// splat: every source pixel adds weight * vote * feature to the four pixels around its target.
//
// All sizes are in elements. Pixel (x, y) of the source lands at (x + displacement_x, y + displacement_y), centres at
// integers, +x right, +y down.
#pragma once

#include "common.h"

namespace cinegan {

template <class T>
struct SplatParams {
  Index batch, channels, height, width;  // B C H W of the features
  const T* features;                     // [B, C, H, W] at feature_strides
  Strides feature_strides;               // either column == 1 or channel == 1
  const T* displacement;                 // [B, 2, H, W] contiguous: x parts, then y parts
  const T* weight;                       // [B, 1, H, W] contiguous
  T* numerator;                          // out [B, C, H, W] at numerator_strides; written whole on CPU, zeroed on CUDA
  Strides numerator_strides;             // the same kind as feature_strides
  T* denominator;                        // out [B, 1, H, W] contiguous; likewise
  int threads;                           // CPU only
  int simd;                              // CPU only: a Simd level that this processor runs
};

template <class T>
struct SplatGradParams {
  Index batch, channels, height, width;
  const T* features;          // [B, C, H, W] at strides
  const T* displacement;      // [B, 2, H, W] contiguous
  const T* weight;            // [B, 1, H, W] contiguous
  const T* grad_numerator;    // [B, C, H, W] at strides
  const T* grad_denominator;  // [B, 1, H, W] contiguous
  Strides strides;            // of features, grad_numerator and grad_features; either column == 1 or channel == 1
  T* grad_features;           // out [B, C, H, W] at strides, or null
  T* grad_displacement;       // out [B, 2, H, W] contiguous, or null
  T* grad_weight;             // out [B, 1, H, W] contiguous, or null
  int threads;                // CPU only
  int simd;                   // CPU only
};

// Where one pixel lands: the corner left above its target and the distances to it.
template <class T>
struct Landing {
  std::int32_t x, y;  // in [-1, W-1] and [-1, H-1]
  T right, down;      // in [0, 1]: the votes are the products of these and of 1 minus these
};

// False for targets that touch no pixel: out of the picture by one pixel or more, NaN, infinite. The coordinate is
// tested before the cast because casting such a value to an integer is undefined; floor because truncation is wrong
// below 0. Without branches, so that loops over pixels become vector code.
template <class T>
HOST_DEVICE bool land(std::int32_t x, std::int32_t y, T dx, T dy, std::int32_t width, std::int32_t height,
                      Landing<T>* out) {
  T target_x = static_cast<T>(x) + dx;
  T target_y = static_cast<T>(y) + dy;
  const bool inside = (target_x > T(-1)) & (target_x < static_cast<T>(width)) & (target_y > T(-1)) &
                      (target_y < static_cast<T>(height));
  target_x = inside ? target_x : T(0);
  target_y = inside ? target_y : T(0);
  const T left = floor(target_x), top = floor(target_y);
  out->x = static_cast<std::int32_t>(left);
  out->y = static_cast<std::int32_t>(top);
  out->right = target_x - left;
  out->down = target_y - top;
  return inside;
}

// Votes of the corners (x, y), (x+1, y), (x, y+1), (x+1, y+1).
template <class T>
HOST_DEVICE void votes_of(const Landing<T>& at, T votes[4]) {
  votes[0] = (1 - at.right) * (1 - at.down);
  votes[1] = at.right * (1 - at.down);
  votes[2] = (1 - at.right) * at.down;
  votes[3] = at.right * at.down;
}

// Derivatives of a weighted sum of the corners' values by the target's x and y.
template <class T>
HOST_DEVICE T slope_x(const Landing<T>& at, const T value[4]) {
  return (1 - at.down) * (value[1] - value[0]) + at.down * (value[3] - value[2]);
}
template <class T>
HOST_DEVICE T slope_y(const Landing<T>& at, const T value[4]) {
  return (1 - at.right) * (value[2] - value[0]) + at.right * (value[3] - value[1]);
}

template <class T>
void splat_cpu(const SplatParams<T>& p);
template <class T>
void splat_grad_cpu(const SplatGradParams<T>& p);

#ifdef CINEGAN_CUDA
// `stream` is a cudaStream_t of the current device.
template <class T>
void splat_cuda(const SplatParams<T>& p, void* stream);
template <class T>
void splat_grad_cuda(const SplatGradParams<T>& p, void* stream);
#endif

}  // namespace cinegan
