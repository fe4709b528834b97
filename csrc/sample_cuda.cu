// CUDA sample. Forward and the gradient of the positions are gathers; the gradient of the image adds with atomics.
#include "launch.cuh"
#include "sample.h"

namespace cinegan {
namespace {

constexpr int CHANNELS_PER_THREAD = 4;

// The taps of one position: offsets along x and y in elements of a plane, and weights.
template <class K, class T>
struct PixelTaps {
  Index columns[K::TAPS], rows[K::TAPS];
  T across[K::TAPS], along[K::TAPS];
  T right, down;
};

template <class K, class T, class P>
__device__ bool taps_of(const P& p, const T* position, Index plane, PixelTaps<K, T>* taps) {
  Index x, y;
  if (!locate(position[0], p.width, p.border, &x, &taps->right)) return false;
  if (!locate(position[plane], p.height, p.border, &y, &taps->down)) return false;
  weights_of<K, T>(taps->right, taps->across);
  weights_of<K, T>(taps->down, taps->along);
  const bool inside =
      x + K::FIRST >= 0 && x + K::FIRST + K::TAPS <= p.width && y + K::FIRST >= 0 && y + K::FIRST + K::TAPS <= p.height;
  UNROLL
  for (int k = 0; k < K::TAPS; ++k) {
    const Index column = x + K::FIRST + k, row = y + K::FIRST + k;
    taps->columns[k] = (inside ? column : border_index(column, p.width, p.border)) * p.image_strides.column;
    taps->rows[k] = (inside ? row : border_index(row, p.height, p.border)) * p.image_strides.row;
  }
  return true;
}

template <class K, class T>
__device__ __forceinline__ T gather(const T* plane, const PixelTaps<K, T>& taps, const T along[], const T across[]) {
  T sum = 0;
  UNROLL
  for (int j = 0; j < K::TAPS; ++j) {
    T line = 0;
    UNROLL
    for (int k = 0; k < K::TAPS; ++k) line += across[k] * __ldg(plane + taps.rows[j] + taps.columns[k]);
    sum += along[j] * line;
  }
  return sum;
}

// A thread takes one output pixel and CHANNELS_PER_THREAD channels.
template <class K, class T>
__global__ void sample_planes(SampleParams<T> p) {
  const Index plane = p.out_height * p.out_width, pixels = p.batch * plane;
  const Index first = static_cast<Index>(blockIdx.y) * CHANNELS_PER_THREAD;
  const Index last = min(first + CHANNELS_PER_THREAD, p.channels);
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < pixels; i += step) {
    const Index b = i / plane, pixel = i % plane;
    PixelTaps<K, T> taps;
    const bool reads = taps_of<K, T>(p, p.positions + 2 * b * plane + pixel, plane, &taps);
    const T* image = p.image + b * p.image_strides.batch;
    T* out = p.out + b * p.out_strides.batch + pixel / p.out_width * p.out_strides.row +
             pixel % p.out_width * p.out_strides.column;
    for (Index c = first; c < last; ++c) {
      out[c * p.out_strides.channel] =
          reads ? gather<K, T>(image + c * p.image_strides.channel, taps, taps.along, taps.across) : T(0);
    }
  }
}

// Channels side by side: a thread takes one output pixel and four channels.
template <class K, class T>
__global__ void sample_quads(SampleParams<T> p) {
  const Index plane = p.out_height * p.out_width, groups = p.channels / 4, items = p.batch * plane * groups;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < items; i += step) {
    const Index group = i % groups, b = i / groups / plane, pixel = i / groups % plane;
    PixelTaps<K, T> taps;
    Quad<T> sum = {{0, 0, 0, 0}};
    if (taps_of<K, T>(p, p.positions + 2 * b * plane + pixel, plane, &taps)) {
      const T* image = p.image + b * p.image_strides.batch + 4 * group;
      UNROLL
      for (int j = 0; j < K::TAPS; ++j) {
        UNROLL
        for (int k = 0; k < K::TAPS; ++k) {
          const Quad<T> value = load_quad(image + taps.rows[j] + taps.columns[k]);
          const T weight = taps.along[j] * taps.across[k];
          for (int q = 0; q < 4; ++q) sum.v[q] += weight * value.v[q];
        }
      }
    }
    T* out = p.out + b * p.out_strides.batch + pixel / p.out_width * p.out_strides.row +
             pixel % p.out_width * p.out_strides.column + 4 * group;
    *reinterpret_cast<Quad<T>*>(out) = sum;
  }
}

// The gradient of the image: a thread takes one output pixel and CHANNELS_PER_THREAD channels.
template <class K, class T>
__global__ void sample_grad_image(SampleGradParams<T> p) {
  const Index plane = p.out_height * p.out_width, pixels = p.batch * plane;
  const Index first = static_cast<Index>(blockIdx.y) * CHANNELS_PER_THREAD;
  const Index last = min(first + CHANNELS_PER_THREAD, p.channels);
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < pixels; i += step) {
    const Index b = i / plane, pixel = i % plane;
    PixelTaps<K, T> taps;
    if (!taps_of<K, T>(p, p.positions + 2 * b * plane + pixel, plane, &taps)) continue;
    const T* grad = p.grad_out + b * p.out_strides.batch + pixel / p.out_width * p.out_strides.row +
                    pixel % p.out_width * p.out_strides.column;
    for (Index c = first; c < last; ++c) {
      T* image = p.grad_image + b * p.image_strides.batch + c * p.image_strides.channel;
      const T value = grad[c * p.out_strides.channel];
      UNROLL
      for (int j = 0; j < K::TAPS; ++j) {
        UNROLL
        for (int k = 0; k < K::TAPS; ++k) {
          atomicAdd(image + taps.rows[j] + taps.columns[k], value * taps.along[j] * taps.across[k]);
        }
      }
    }
  }
}

// The gradient of the positions: a block takes 32 neighbouring pixels, and its rows of threads take turns at the
// channels.
template <class K, class T>
__global__ void sample_grad_positions(SampleGradParams<T> p) {
  extern __shared__ unsigned char shared_bytes[];
  T* shared = reinterpret_cast<T*>(shared_bytes);  // [blockDim.y][2][WARP]
  const Index plane = p.out_height * p.out_width, pixels = p.batch * plane;
  const Index step = static_cast<Index>(gridDim.x) * WARP;
  for (Index start = static_cast<Index>(blockIdx.x) * WARP; start < pixels; start += step) {
    const Index i = start + threadIdx.x;
    const bool real = i < pixels;
    const Index b = real ? i / plane : 0, pixel = real ? i % plane : 0;
    PixelTaps<K, T> taps;
    T sum_x = 0, sum_y = 0;
    if (real && taps_of<K, T>(p, p.positions + 2 * b * plane + pixel, plane, &taps)) {
      T across[K::TAPS], along[K::TAPS];
      slopes_of<K, T>(taps.right, across);
      slopes_of<K, T>(taps.down, along);
      const T* image = p.image + b * p.image_strides.batch;
      const T* grad = p.grad_out + b * p.out_strides.batch + pixel / p.out_width * p.out_strides.row +
                      pixel % p.out_width * p.out_strides.column;
      for (Index c = threadIdx.y; c < p.channels; c += blockDim.y) {
        const T value = grad[c * p.out_strides.channel];
        const T* at = image + c * p.image_strides.channel;
        sum_x += value * gather<K, T>(at, taps, taps.along, across);
        sum_y += value * gather<K, T>(at, taps, along, taps.across);
      }
    }
    shared[threadIdx.y * 2 * WARP + threadIdx.x] = sum_x;
    shared[(threadIdx.y * 2 + 1) * WARP + threadIdx.x] = sum_y;
    __syncthreads();
    if (threadIdx.y == 0 && real) {
      for (unsigned row = 1; row < blockDim.y; ++row) {
        sum_x += shared[row * 2 * WARP + threadIdx.x];
        sum_y += shared[(row * 2 + 1) * WARP + threadIdx.x];
      }
      p.grad_positions[2 * b * plane + pixel] = sum_x;
      p.grad_positions[(2 * b + 1) * plane + pixel] = sum_y;
    }
    __syncthreads();
  }
}

template <class K, class T>
void sample_with(const SampleParams<T>& p, cudaStream_t queue) {
  const Index pixels = p.batch * p.out_height * p.out_width;
  if (pixels == 0 || p.channels == 0) return;
  if (quads_fit(p.image, p.image_strides, p.channels) && quads_fit(p.out, p.out_strides, p.channels)) {
    sample_quads<K, T><<<blocks_for(pixels * (p.channels / 4), THREADS), THREADS, 0, queue>>>(p);
  } else {
    const unsigned groups = groups_for(p.channels, CHANNELS_PER_THREAD);
    sample_planes<K, T><<<dim3(blocks_for(pixels, THREADS), groups), THREADS, 0, queue>>>(p);
  }
  check_launch("sample");
}

template <class K, class T>
void sample_grad_with(const SampleGradParams<T>& p, cudaStream_t queue) {
  const Index pixels = p.batch * p.out_height * p.out_width;
  if (pixels == 0) return;
  if (p.grad_image && p.channels > 0) {
    const unsigned groups = groups_for(p.channels, CHANNELS_PER_THREAD);
    sample_grad_image<K, T><<<dim3(blocks_for(pixels, THREADS), groups), THREADS, 0, queue>>>(p);
    check_launch("sample_backward, image");
  }
  if (p.grad_positions) {
    const dim3 block(WARP, static_cast<unsigned>(std::min<Index>(8, std::max<Index>(1, p.channels / 4))));
    const std::size_t bytes = block.y * 2 * WARP * sizeof(T);
    sample_grad_positions<K, T><<<blocks_for(pixels, WARP), block, bytes, queue>>>(p);
    check_launch("sample_backward, positions");
  }
}

}  // namespace

template <class T>
void sample_cuda(const SampleParams<T>& p, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  p.kernel == BICUBIC ? sample_with<Bicubic>(p, queue) : sample_with<Lanczos3>(p, queue);
}

template <class T>
void sample_grad_cuda(const SampleGradParams<T>& p, void* stream) {
  const auto queue = static_cast<cudaStream_t>(stream);
  p.kernel == BICUBIC ? sample_grad_with<Bicubic>(p, queue) : sample_grad_with<Lanczos3>(p, queue);
}

template void sample_cuda<float>(const SampleParams<float>&, void*);
template void sample_cuda<double>(const SampleParams<double>&, void*);
template void sample_grad_cuda<float>(const SampleGradParams<float>&, void*);
template void sample_grad_cuda<double>(const SampleGradParams<double>&, void*);

}  // namespace cinegan
