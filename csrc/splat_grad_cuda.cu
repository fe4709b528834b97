// CUDA gradients of splat: a gather with sums in a fixed order.
#include "launch.cuh"
#include "splat.h"

namespace cinegan {
namespace {

template <class T>
struct SplatGradJob {
  SplatGradParams<T> p;
  int plane;
  Divider row;  // by the width
  int sharers;  // rows of threads that share the channels of a pixel, or
  unsigned lanes;
};

// A pixel, where it lands, and what its four corners are: offsets into a plane, negative outside.
template <class T>
struct Corners {
  unsigned pixel;
  Index own;  // offset of the pixel itself
  Landing<T> at;
  bool lands;
  int offset[4];
  T votes[4], sums[4];  // votes without the weight; the denominator's part of the sums
};

template <class T>
__device__ __forceinline__ void find_corners(const SplatGradJob<T>& job, Index b, unsigned pixel, Corners<T>* out) {
  const SplatGradParams<T>& p = job.p;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  unsigned y, x;
  job.row.split(pixel, &y, &x);
  const T* d = p.displacement + 2 * b * job.plane + pixel;
  out->pixel = pixel;
  out->own = b * p.strides.batch + y * p.strides.row + x * p.strides.column;
  out->lands = land(static_cast<int>(x), static_cast<int>(y), d[0], d[job.plane], width, height, &out->at);
  votes_of(out->at, out->votes);
  const int row = static_cast<int>(p.strides.row), column = static_cast<int>(p.strides.column);
  UNROLL
  for (int k = 0; k < 4; ++k) {
    const int cx = out->at.x + (k & 1), cy = out->at.y + (k >> 1);
    const bool inside = out->lands && cx >= 0 && cx < width && cy >= 0 && cy < height;
    out->offset[k] = inside ? cy * row + cx * column : -1;
    out->sums[k] = inside ? p.grad_denominator[b * job.plane + cy * width + cx] : T(0);
  }
}

// Channels c, c + stride, ... of one pixel: the gradient of the features, and the four sums over these channels.
template <class T>
__device__ __forceinline__ void add_channels(const SplatGradJob<T>& job, Index b, const Corners<T>& corners, Index c,
                                             Index stride, T sums[4]) {
  const SplatGradParams<T>& p = job.p;
  const T w = p.weight[b * job.plane + corners.pixel];
  const T* grad = p.grad_numerator + b * p.strides.batch;
  for (; c < p.channels; c += stride) {
    const Index at = c * p.strides.channel;
    const T feature = p.features[corners.own + at];
    T total = 0;
    UNROLL
    for (int k = 0; k < 4; ++k) {
      if (corners.offset[k] < 0) continue;
      const T value = grad[corners.offset[k] + at];
      sums[k] += feature * value;
      total += corners.votes[k] * w * value;
    }
    if (p.grad_features) p.grad_features[corners.own + at] = total;
  }
}

// Writes the gradients that a pixel has once: of its displacement and its weight.
template <class T>
__device__ __forceinline__ void finish_pixel(const SplatGradJob<T>& job, Index b, const Corners<T>& corners,
                                             const T channel_sums[4]) {
  const SplatGradParams<T>& p = job.p;
  const Index plane = job.plane;
  T sums[4], total = 0;
  for (int k = 0; k < 4; ++k) {
    sums[k] = corners.sums[k] + channel_sums[k];
    total += corners.votes[k] * sums[k];
  }
  if (p.grad_weight) p.grad_weight[b * plane + corners.pixel] = corners.lands ? total : T(0);
  if (p.grad_displacement) {
    const T w = p.weight[b * plane + corners.pixel];
    p.grad_displacement[2 * b * plane + corners.pixel] = corners.lands ? w * slope_x(corners.at, sums) : T(0);
    p.grad_displacement[(2 * b + 1) * plane + corners.pixel] = corners.lands ? w * slope_y(corners.at, sums) : T(0);
  }
}

// A row of threads takes 32 neighbouring pixels; of many channels it takes its share.
template <class T>
__global__ void splat_grad_planes(SplatGradJob<T> job) {
  const unsigned plane = static_cast<unsigned>(job.plane), sharers = static_cast<unsigned>(job.sharers);
  const unsigned pixels = ROWS / sharers * WARP;
  for (Index b = blockIdx.z; b < job.p.batch; b += gridDim.z) {
    for (unsigned start = blockIdx.x * pixels; start < plane; start += gridDim.x * pixels) {
      const unsigned pixel = start + threadIdx.y / sharers * WARP + threadIdx.x;
      Corners<T> corners;
      T sums[4] = {0, 0, 0, 0};
      if (pixel < plane) {
        find_corners(job, b, pixel, &corners);
        add_channels(job, b, corners, threadIdx.y % sharers, sharers, sums);
      }
      sum_sharers<4>(job.sharers, sums);
      if (threadIdx.y % sharers == 0 && pixel < plane) finish_pixel(job, b, corners, sums);
    }
  }
}

// Channels side by side: the lanes of a pixel take turns at them.
template <class T>
__global__ void splat_grad_channels(SplatGradJob<T> job) {
  const unsigned plane = static_cast<unsigned>(job.plane), lane = threadIdx.x % job.lanes;
  const unsigned pixels = blockDim.x / job.lanes;  // of a block, whose threads stay in the loop together
  for (Index b = blockIdx.z; b < job.p.batch; b += gridDim.z) {
    for (unsigned start = blockIdx.x * pixels; start < plane; start += gridDim.x * pixels) {
      const unsigned pixel = start + threadIdx.x / job.lanes;
      Corners<T> corners;
      T sums[4] = {0, 0, 0, 0};
      if (pixel < plane) {
        find_corners(job, b, pixel, &corners);
        add_channels(job, b, corners, lane, job.lanes, sums);
      }
      for (int k = 0; k < 4; ++k) sums[k] = sum_lanes(sums[k], job.lanes);
      if (lane == 0 && pixel < plane) finish_pixel(job, b, corners, sums);
    }
  }
}

}  // namespace

template <class T>
void splat_grad_cuda(const SplatGradParams<T>& p, void* stream) {
  const int plane = small(p.height * p.width, "the pixels of a picture");
  if (p.batch == 0 || plane == 0) return;
  plane_extent(p.height, p.width, p.strides);
  const SplatGradJob<T> job = {p, plane, Divider(p.width), sharers_for(p.channels), lanes_for(p.channels)};
  const unsigned batch = at_most_groups(p.batch);
  if (lanes_take_channels(p.strides, p.channels)) {
    const dim3 grid(blocks_for(plane, THREADS / job.lanes), 1, batch);
    launch("splat_grad_channels", splat_grad_channels<T>, grid, THREADS, stream, job);
  } else {
    const dim3 grid(blocks_for(plane, THREADS / job.sharers), 1, batch);
    launch("splat_grad_planes", splat_grad_planes<T>, grid, dim3(WARP, ROWS), stream, job);
  }
}

template void splat_grad_cuda<float>(const SplatGradParams<float>&, void*);
template void splat_grad_cuda<double>(const SplatGradParams<double>&, void*);

}  // namespace cinegan
