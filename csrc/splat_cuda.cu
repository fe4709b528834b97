// CUDA splat. Forward adds with atomics (no fixed order); backward is a gather with sums in a fixed order.
#include "launch.cuh"
#include "splat.h"

namespace cinegan {
namespace {

constexpr int CHANNELS_PER_THREAD = 8;
constexpr Index NOWHERE = -(Index(1) << 40);  // left of every cell by more than one

// Where pixel (x, y) lands; `pixel` = y * W + x. P is either params struct.
template <class P, class T>
__device__ __forceinline__ bool land_pixel(const P& p, Index b, Index pixel, Index y, Index x, Landing<T>* at) {
  const Index plane = p.height * p.width;
  const T* dx = p.displacement + 2 * b * plane + pixel;
  return land(static_cast<std::int32_t>(x), static_cast<std::int32_t>(y), dx[0], dx[plane],
              static_cast<std::int32_t>(p.width), static_cast<std::int32_t>(p.height), at);
}

template <class T>
__device__ __forceinline__ bool corner_inside(const Landing<T>& at, int k, Index height, Index width, Index* x,
                                              Index* y) {
  *x = at.x + (k & 1);
  *y = at.y + (k >> 1);
  return *x >= 0 && *x < width && *y >= 0 && *y < height;
}

// Rows contiguous: a thread takes one pixel and CHANNELS_PER_THREAD channels (channel C is the denominator). A pixel's
// right corners are usually its right neighbour's left ones: the neighbour's thread then adds both, which halves the
// atomics.
template <class T>
__global__ void splat_planes(SplatParams<T> p) {
  const Index plane = p.height * p.width, pixels = p.batch * plane;
  const Index first_channel = static_cast<Index>(blockIdx.y) * CHANNELS_PER_THREAD;
  const Index last_channel = min(first_channel + CHANNELS_PER_THREAD, p.channels + 1);
  const int lane = threadIdx.x % WARP;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  // All lanes of a warp stay in the loop together: they exchange values.
  for (Index start = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x - lane; start < pixels; start += step) {
    const Index i = start + lane;
    const bool real = i < pixels;
    const Index b = real ? i / plane : 0, pixel = real ? i % plane : 0;
    const Index y = pixel / p.width, x = pixel % p.width;
    Landing<T> at = {-4, -4, 0, 0};
    const bool lands = real && land_pixel(p, b, pixel, y, x, &at);
    const Index cell = lands ? (b * (p.height + 2) + at.y) * (p.width + 4) + at.x : NOWHERE;
    const Index left = __shfl_up_sync(0xffffffffu, static_cast<long long>(cell), 1);
    const bool merges = lands && lane > 0 && left + 1 == cell;
    const bool taken = __shfl_down_sync(0xffffffffu, static_cast<int>(merges), 1) && lane + 1 < WARP;
    T votes[4] = {0, 0, 0, 0};
    if (lands) {
      votes_of(at, votes);
      const T w = p.weight[b * plane + pixel];
      for (int k = 0; k < 4; ++k) votes[k] *= w;
    }
    const T* feature =
        p.features + b * p.feature_strides.batch + y * p.feature_strides.row + x * p.feature_strides.column;
    for (Index c = first_channel; c < last_channel; ++c) {
      const bool is_weight = c == p.channels;
      const T value = !lands ? T(0) : is_weight ? T(1) : feature[c * p.feature_strides.channel];
      T* out = is_weight ? p.denominator + b * plane
                         : p.numerator + b * p.numerator_strides.batch + c * p.numerator_strides.channel;
      const Index row = is_weight ? p.width : p.numerator_strides.row;
      const Index column = is_weight ? 1 : p.numerator_strides.column;
      for (int k = 0; k < 4; k += 2) {
        T here = votes[k] * value;
        const T beyond = votes[k + 1] * value;
        const T from_left = __shfl_up_sync(0xffffffffu, beyond, 1);
        if (merges) here += from_left;
        Index corner_x, corner_y;
        if (lands && corner_inside(at, k, p.height, p.width, &corner_x, &corner_y)) {
          atomicAdd(out + corner_y * row + corner_x * column, here);
        }
        if (lands && !taken && corner_inside(at, k + 1, p.height, p.width, &corner_x, &corner_y)) {
          atomicAdd(out + corner_y * row + corner_x * column, beyond);
        }
      }
    }
  }
}

// Channels side by side: a thread takes one pixel and four channels; neighbouring threads take neighbouring channels.
template <class T>
__global__ void splat_quads(SplatParams<T> p) {
  const Index plane = p.height * p.width, groups = p.channels / 4, items = p.batch * plane * groups;
  const Index step = static_cast<Index>(gridDim.x) * blockDim.x;
  for (Index i = static_cast<Index>(blockIdx.x) * blockDim.x + threadIdx.x; i < items; i += step) {
    const Index group = i % groups, b = i / groups / plane, pixel = i / groups % plane;
    const Index y = pixel / p.width, x = pixel % p.width;
    Landing<T> at;
    if (!land_pixel(p, b, pixel, y, x, &at)) continue;
    T votes[4];
    votes_of(at, votes);
    const T w = p.weight[b * plane + pixel];
    const Strides &from = p.feature_strides, &to = p.numerator_strides;
    const Quad<T> value = load_quad(p.features + b * from.batch + y * from.row + x * from.column + 4 * group);
    for (int k = 0; k < 4; ++k) {
      Index corner_x, corner_y;
      if (!corner_inside(at, k, p.height, p.width, &corner_x, &corner_y)) continue;
      const T vote = votes[k] * w;
      Quad<T> share;
      for (int q = 0; q < 4; ++q) share.v[q] = vote * value.v[q];
      add_quad(p.numerator + b * to.batch + corner_y * to.row + corner_x * to.column + 4 * group, share);
      if (group == 0) atomicAdd(p.denominator + (b * p.height + corner_y) * p.width + corner_x, vote);
    }
  }
}

// Writes the gradients that one pixel has once: of its displacement and its weight.
template <class T>
__device__ void finish_pixel(const SplatGradParams<T>& p, Index b, Index pixel, bool lands, const Landing<T>& at,
                             const T sums[4]) {
  const Index plane = p.height * p.width;
  const T w = p.weight[b * plane + pixel];
  if (p.grad_weight) {
    T votes[4];
    votes_of(at, votes);
    const T sum = votes[0] * sums[0] + votes[1] * sums[1] + votes[2] * sums[2] + votes[3] * sums[3];
    p.grad_weight[b * plane + pixel] = lands ? sum : T(0);
  }
  if (p.grad_displacement) {
    p.grad_displacement[2 * b * plane + pixel] = lands ? w * slope_x(at, sums) : T(0);
    p.grad_displacement[(2 * b + 1) * plane + pixel] = lands ? w * slope_y(at, sums) : T(0);
  }
}

// A pixel's corners: offsets into one plane of grad_numerator (-1 outside) and the denominator's part of the sums.
template <class T>
__device__ void start_pixel(const SplatGradParams<T>& p, Index b, const Landing<T>& at, bool lands, Index corner[4],
                            T sums[4]) {
  for (int k = 0; k < 4; ++k) {
    Index x, y;
    const bool inside = lands && corner_inside(at, k, p.height, p.width, &x, &y);
    corner[k] = inside ? y * p.strides.row + x * p.strides.column : -1;
    sums[k] = inside ? p.grad_denominator[(b * p.height + y) * p.width + x] : T(0);
  }
}

// Channels c, c + stride, ... of one pixel: the gradient of the features, and the four sums over these channels.
template <class T>
__device__ void add_channels(const SplatGradParams<T>& p, Index b, Index y, Index x, const Index corner[4],
                             const T votes[4], Index c, Index stride, T sums[4]) {
  const Index offset = b * p.strides.batch + y * p.strides.row + x * p.strides.column;
  const T* grad = p.grad_numerator + b * p.strides.batch;
  for (; c < p.channels; c += stride) {
    const Index at = c * p.strides.channel;
    const T feature = p.features[offset + at];
    T total = 0;
    for (int k = 0; k < 4; ++k) {
      if (corner[k] < 0) continue;
      const T value = grad[corner[k] + at];
      sums[k] += feature * value;
      total += votes[k] * value;
    }
    if (p.grad_features) p.grad_features[offset + at] = total;
  }
}

// Rows contiguous: a block takes 32 neighbouring pixels, and its rows of threads take turns at the channels.
template <class T>
__global__ void splat_grad_planes(SplatGradParams<T> p) {
  extern __shared__ unsigned char shared_bytes[];
  T* shared = reinterpret_cast<T*>(shared_bytes);  // [blockDim.y][4][WARP]
  const Index plane = p.height * p.width, pixels = p.batch * plane;
  const Index step = static_cast<Index>(gridDim.x) * WARP;
  for (Index start = static_cast<Index>(blockIdx.x) * WARP; start < pixels; start += step) {
    const Index i = start + threadIdx.x;
    const bool real = i < pixels;
    const Index b = real ? i / plane : 0, pixel = real ? i % plane : 0, y = pixel / p.width, x = pixel % p.width;
    Landing<T> at = {0, 0, 0, 0};
    const bool lands = real && land_pixel(p, b, pixel, y, x, &at);
    Index corner[4];
    T sums[4], votes[4], mine[4] = {0, 0, 0, 0};
    start_pixel(p, b, at, lands, corner, sums);
    votes_of(at, votes);
    const T w = p.weight[b * plane + pixel];
    for (int k = 0; k < 4; ++k) votes[k] *= w;
    if (real) add_channels(p, b, y, x, corner, votes, threadIdx.y, blockDim.y, mine);
    for (int k = 0; k < 4; ++k) shared[(threadIdx.y * 4 + k) * WARP + threadIdx.x] = mine[k];
    __syncthreads();
    if (threadIdx.y == 0 && real) {
      for (int k = 0; k < 4; ++k) {
        for (unsigned row = 0; row < blockDim.y; ++row) sums[k] += shared[(row * 4 + k) * WARP + threadIdx.x];
      }
      finish_pixel(p, b, pixel, lands, at, sums);
    }
    __syncthreads();
  }
}

// Channels side by side: a warp takes one pixel, its lanes take turns at the channels.
template <class T>
__global__ void splat_grad_channels(SplatGradParams<T> p) {
  const Index plane = p.height * p.width, pixels = p.batch * plane;
  const int lane = threadIdx.x % WARP, warps = blockDim.x / WARP;
  const Index step = static_cast<Index>(gridDim.x) * warps;
  for (Index i = static_cast<Index>(blockIdx.x) * warps + threadIdx.x / WARP; i < pixels; i += step) {
    const Index b = i / plane, pixel = i % plane, y = pixel / p.width, x = pixel % p.width;
    Landing<T> at = {0, 0, 0, 0};
    const bool lands = land_pixel(p, b, pixel, y, x, &at);
    Index corner[4];
    T sums[4], votes[4], mine[4] = {0, 0, 0, 0};
    start_pixel(p, b, at, lands, corner, sums);
    votes_of(at, votes);
    const T w = p.weight[b * plane + pixel];
    for (int k = 0; k < 4; ++k) votes[k] *= w;
    add_channels(p, b, y, x, corner, votes, lane, WARP, mine);
    for (int k = 0; k < 4; ++k) sums[k] += sum_warp(mine[k]);
    if (lane == 0) finish_pixel(p, b, pixel, lands, at, sums);
  }
}

}  // namespace

template <class T>
void splat_cuda(const SplatParams<T>& p, void* stream) {
  const Index pixels = p.batch * p.height * p.width;
  if (pixels == 0) return;
  const auto queue = static_cast<cudaStream_t>(stream);
  if (quads_fit(p.features, p.feature_strides, p.channels) && quads_fit(p.numerator, p.numerator_strides, p.channels)) {
    splat_quads<<<blocks_for(pixels * (p.channels / 4), THREADS), THREADS, 0, queue>>>(p);
  } else {
    const unsigned groups = groups_for(p.channels + 1, CHANNELS_PER_THREAD);
    splat_planes<<<dim3(blocks_for(pixels, THREADS), groups), THREADS, 0, queue>>>(p);
  }
  check_launch("splat");
}

template <class T>
void splat_grad_cuda(const SplatGradParams<T>& p, void* stream) {
  const Index pixels = p.batch * p.height * p.width;
  if (pixels == 0) return;
  const auto queue = static_cast<cudaStream_t>(stream);
  if (p.strides.channel == 1 && p.channels >= WARP) {
    splat_grad_channels<<<blocks_for(pixels, THREADS / WARP), THREADS, 0, queue>>>(p);
  } else {
    const dim3 block(WARP, static_cast<unsigned>(std::min<Index>(8, std::max<Index>(1, p.channels / 4))));
    const std::size_t bytes = block.y * 4 * WARP * sizeof(T);
    splat_grad_planes<<<blocks_for(pixels, WARP), block, bytes, queue>>>(p);
  }
  check_launch("splat_backward");
}

template void splat_cuda<float>(const SplatParams<float>&, void*);
template void splat_cuda<double>(const SplatParams<double>&, void*);
template void splat_grad_cuda<float>(const SplatGradParams<float>&, void*);
template void splat_grad_cuda<double>(const SplatGradParams<double>&, void*);

}  // namespace cinegan
