// sample: a sharp gather, and what it shares with joint_sample and render: the kernels' weights and the borders.
//
// All sizes are in elements; positions are in pixels of the image, centres at integers, +x right, +y down.
#pragma once

#include "common.h"

namespace cinegan {

enum Kernel : int { LANCZOS3 = 0, BICUBIC = 1, OMOMS = 2 };
enum Border : int { REFLECT = 0, CLAMP = 1 };  // REFLECT mirrors about the edge pixels' centres (101)

template <class T>
struct SampleParams {
  Index batch, channels, height, width;  // B C H W of the image
  Index out_height, out_width;           // h w
  const T* image;                        // [B, C, H, W] at image_strides
  Strides image_strides;                 // either column == 1 or channel == 1
  const T* positions;                    // [B, 2, h, w] contiguous: x parts, then y parts
  T* out;                                // out [B, C, h, w] at out_strides
  Strides out_strides;                   // either column == 1 or channel == 1
  int kernel;                            // a Kernel
  int border;                            // a Border
  int threads;                           // CPU only
  int simd;                              // CPU only: a Simd level that this processor runs
};

template <class T>
struct SampleGradParams {
  Index batch, channels, height, width;
  Index out_height, out_width;
  const T* image;         // [B, C, H, W] at image_strides
  Strides image_strides;  // of image and grad_image; either column == 1 or channel == 1
  const T* positions;     // [B, 2, h, w] contiguous
  const T* grad_out;      // [B, C, h, w] at out_strides
  Strides out_strides;    // either column == 1 or channel == 1
  T* grad_image;          // in-out [B, C, H, W] at image_strides, zeroed by the caller; or null
  T* grad_positions;      // out [B, 2, h, w] contiguous, or null
  int kernel;
  int border;
  int threads;  // CPU only
  int simd;     // CPU only
};

// A kernel as polynomials: weight of tap k at the fraction t in [0, 1) is the sum of coefficient(j, k) t^j, and tap k
// lies FIRST + k pixels right of the pixel at or left of the position. At t = 0 the pixel itself has weight exactly 1,
// but for o-Moms.

// Lanczos-3 with its six weights divided by their sum. Least squares at Chebyshev nodes, with the weights at t = 0 and
// 1 held: 1.5e-7 from sinc(x) sinc(x/3) at worst, 3e-7 in float32; its derivative 2e-5.
struct Lanczos3 {
  static constexpr int TAPS = 6, FIRST = -2, DEGREE = 9;
  HOST_DEVICE static constexpr float coefficient(int degree, int tap) {
    constexpr float table[DEGREE + 1][TAPS] = {
        {0.0f, 0.0f, 1.0f, 0.0f, 0.0f, 0.0f},
        {0.206748798f, -0.826981366f, -2.04596563e-05f, 0.826996088f, -0.206748843f, 5.75474587e-06f},
        {-0.331743449f, 1.15347207f, -1.75470221f, 1.15378356f, -0.331678003f, 0.110868104f},
        {-0.158930957f, 0.280874431f, -0.0874002501f, -0.268876702f, 0.156696692f, 0.0776368007f},
        {0.451740921f, -0.81802392f, 0.980203032f, -0.924917996f, 0.494715929f, -0.183717966f},
        {-0.12548013f, 0.285901785f, -0.170943782f, -0.00850181188f, 0.0362970866f, -0.0172731262f},
        {0.0500932224f, -0.595436871f, 1.00897181f, -0.404373705f, 0.160083979f, -0.219338417f},
        {-0.242283389f, 0.984920204f, -1.87320769f, 1.40625095f, -0.703817368f, 0.428137362f},
        {0.199308351f, -0.587465763f, 1.13673675f, -1.01999748f, 0.517190039f, -0.24577184f},
        {-0.0494533554f, 0.122739539f, -0.239637136f, 0.239637136f, -0.122739539f, 0.0494533554f},
    };
    return table[degree][tap];
  }
};

// Keys' cubic with a = -1/2 (Catmull-Rom), exact.
struct Bicubic {
  static constexpr int TAPS = 4, FIRST = -1, DEGREE = 3;
  HOST_DEVICE static constexpr float coefficient(int degree, int tap) {
    constexpr float table[DEGREE + 1][TAPS] = {
        {0.0f, 1.0f, 0.0f, 0.0f},
        {-0.5f, 0.0f, 0.5f, 0.0f},
        {1.0f, -2.5f, 2.0f, -0.5f},
        {-0.5f, 1.5f, -1.5f, 0.5f},
    };
    return table[degree][tap];
  }
};

// The cubic o-Moms of Blu, Thevenaz and Unser (IEEE Trans. Image Processing 10(7), 2001, Table I), exact. It reads
// coefficients instead of pixels: those with which it gives the pixels at integers.
struct Omoms {
  static constexpr int TAPS = 4, FIRST = -1, DEGREE = 3;
  HOST_DEVICE static constexpr double coefficient(int degree, int tap) {
    constexpr double table[DEGREE + 1][TAPS] = {
        {4.0 / 21.0, 13.0 / 21.0, 4.0 / 21.0, 0.0},
        {-11.0 / 21.0, 1.0 / 14.0, 3.0 / 7.0, 1.0 / 42.0},
        {0.5, -1.0, 0.5, 0.0},
        {-1.0 / 6.0, 0.5, -0.5, 1.0 / 6.0},
    };
    return table[degree][tap];
  }
};

// Calls `work` with the kernel's type.
template <class Work>
void with_kernel(int kernel, const Work& work) {
  if (kernel == OMOMS) {
    work(Omoms{});
  } else if (kernel == BICUBIC) {
    work(Bicubic{});
  } else {
    work(Lanczos3{});
  }
}

// Weights of the taps at fraction t.
template <class K, class T>
HOST_DEVICE void weights_of(T t, T weights[K::TAPS]) {
  UNROLL
  for (int k = 0; k < K::TAPS; ++k) {
    T sum = static_cast<T>(K::coefficient(K::DEGREE, k));
    UNROLL
    for (int j = K::DEGREE - 1; j >= 0; --j) sum = sum * t + static_cast<T>(K::coefficient(j, k));
    weights[k] = sum;
  }
}

// Derivatives of weights_of by t.
template <class K, class T>
HOST_DEVICE void slopes_of(T t, T slopes[K::TAPS]) {
  UNROLL
  for (int k = 0; k < K::TAPS; ++k) {
    T sum = K::DEGREE * static_cast<T>(K::coefficient(K::DEGREE, k));
    UNROLL
    for (int j = K::DEGREE - 1; j >= 1; --j) sum = sum * t + j * static_cast<T>(K::coefficient(j, k));
    slopes[k] = sum;
  }
}

// Lanczos-3 from its formula, for float64: weights and, unless null, their derivatives by t.
HOST_DEVICE void lanczos3_exact(double t, double weights[6], double* slopes) {
  const double pi = 3.14159265358979323846;
  double sum = 0, slope_sum = 0, slope[6];
  for (int k = 0; k < 6; ++k) {
    const double x = pi * (t - (k + Lanczos3::FIRST));
    if (x == 0 || x >= 3 * pi || x <= -3 * pi) {
      weights[k] = x == 0 ? 1 : 0;
      slope[k] = 0;
    } else {
      const double wide = x / 3, s = sin(x) / x, r = sin(wide) / wide;
      weights[k] = s * r;
      slope[k] = pi * ((cos(x) - s) / x * r + s * (cos(wide) - r) / x);
    }
    // The zeros of the sine at integers are not exact in floating point; pixels are.
    if (t == 0 && k != -Lanczos3::FIRST) weights[k] = 0;
    sum += weights[k];
    slope_sum += slope[k];
  }
  for (int k = 0; k < 6; ++k) {
    weights[k] /= sum;
    if (slopes) slopes[k] = (slope[k] - weights[k] * slope_sum) / sum;
  }
}

template <>
HOST_DEVICE void weights_of<Lanczos3, double>(double t, double weights[6]) {
  lanczos3_exact(t, weights, nullptr);
}

template <>
HOST_DEVICE void slopes_of<Lanczos3, double>(double t, double slopes[6]) {
  double weights[6];
  lanczos3_exact(t, weights, slopes);
}

// A finite position brought near the picture without changing what is sampled there.
template <class T>
HOST_DEVICE T near_position(T position, Index size, int border) {
  if (border == CLAMP) {
    const T low = T(-4), high = static_cast<T>(size + 3);
    return position < low ? low : position > high ? high : position;
  }
  if (size == 1) return T(0);
  if (position > -static_cast<T>(size) && position < static_cast<T>(size)) return position;  // 4x faster than fmod
  return fmod(position, static_cast<T>(2 * (size - 1)));
}

// The pixel that stands for column (or row) `at`, which is at most two periods outside.
template <class I>
HOST_DEVICE I border_index(I at, I size, int border) {
  if (border == CLAMP) return at < 0 ? 0 : at >= size ? size - 1 : at;
  if (size == 1) return 0;
  const I period = 2 * (size - 1);
  at = at < 0 ? -at : at;
  if (at >= period) at %= period;  // divisions are slow
  return at < size ? at : period - at;
}

// The pixel at or left of a position, and the fraction beyond it. False for NaN and infinity.
template <class T, class I>
HOST_DEVICE bool locate(T position, I size, int border, I* pixel, T* fraction) {
  if (!(position - position == T(0))) return false;
  const T at = near_position(position, size, border);
  const T whole = floor(at);
  *pixel = static_cast<I>(whole);
  *fraction = at - whole;
  return true;
}

template <class T>
void sample_cpu(const SampleParams<T>& p);
template <class T>
void sample_grad_cpu(const SampleGradParams<T>& p);

#ifdef CINEGAN_CUDA
// `stream` is a cudaStream_t of the current device.
template <class T>
void sample_cuda(const SampleParams<T>& p, void* stream);
template <class T>
void sample_grad_cuda(const SampleGradParams<T>& p, void* stream);
#endif

}  // namespace cinegan
