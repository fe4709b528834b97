// CUDA splat: adds with atomics, in no fixed order. Where the pixels of a row are neighbours in memory, lanes take
// pixels; where channels are, lanes take channels of pixels whose targets the block works out once.
#include "splat.h"
#include "stencil.cuh"

namespace cinegan {
namespace {

constexpr int CHANNELS_PER_THREAD = 8;

template <class T>
struct SplatJob {
  SplatParams<T> p;
  int plane;
  Divider row;  // by the width
  RunShape runs;
};

// The rows and columns of pixels that pixel number `pixel` adds to, and its votes times its weight. Taps outside the
// picture are dropped. A lane without a pixel has nothing.
template <class T>
__device__ __forceinline__ Stencil<2, T> target_of(const SplatJob<T>& job, Index b, unsigned pixel) {
  const SplatParams<T>& p = job.p;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  Stencil<2, T> out = {};
  out.cell = NOTHING;
  if (pixel >= static_cast<unsigned>(job.plane)) return out;
  unsigned y, x;
  job.row.split(pixel, &y, &x);
  const T* at = p.displacement + 2 * b * job.plane + pixel;
  Landing<T> landing;
  if (!land(static_cast<int>(x), static_cast<int>(y), at[0], at[job.plane], width, height, &landing)) return out;
  const T w = p.weight[b * job.plane + pixel];
  out.across[0] = 1 - landing.right;
  out.across[1] = landing.right;
  out.along[0] = (1 - landing.down) * w;
  out.along[1] = landing.down * w;
  UNROLL
  for (int k = 0; k < 2; ++k) {
    const int left = landing.x + k, top = landing.y + k;
    out.columns[k] = left < width ? left : -1;
    out.rows[k] = top < height ? top : -1;
  }
  out.cell = (landing.y + 1) * (width + 2) + landing.x + 1;  // columns -1 to W, so that rows do not touch
  return out;
}

// The same as offsets in a plane whose rows and columns are so far apart.
template <class T>
__device__ __forceinline__ Stencil<2, T> placed(Stencil<2, T> at, Index row, Index column) {
  for (int k = 0; k < 2; ++k) {
    at.rows[k] = at.rows[k] < 0 ? -1 : at.rows[k] * static_cast<int>(row);
    at.columns[k] = at.columns[k] < 0 ? -1 : at.columns[k] * static_cast<int>(column);
  }
  return at;
}

// A thread takes one pixel and CHANNELS_PER_THREAD channels, and hands on to its neighbours what they can add. Channel
// C is the denominator.
template <class T>
__global__ void splat_planes(SplatJob<T> job) {
  const SplatParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane), step = gridDim.x * blockDim.x;
  const unsigned lane = threadIdx.x % WARP;
  const Index first = static_cast<Index>(blockIdx.y) * CHANNELS_PER_THREAD;
  const Index last = min(first + CHANNELS_PER_THREAD, p.channels + 1);
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    // All lanes of a warp stay in the loop together.
    for (unsigned start = blockIdx.x * blockDim.x + threadIdx.x - lane; start < plane; start += step) {
      const unsigned pixel = start + lane;
      const Stencil<2, T> target = target_of(job, b, pixel);
      const Stencil<2, T> at = placed(target, p.numerator_strides.row, p.numerator_strides.column);
      const Neighbours run = neighbours_of(at.cell);
      unsigned y, x;
      job.row.split(pixel < plane ? pixel : 0, &y, &x);
      const Strides& from = p.feature_strides;
      const T* feature = p.features + b * from.batch + y * from.row + x * from.column;
      T* out = p.numerator + b * p.numerator_strides.batch;
      for (Index c = first; c < min(last, p.channels); ++c) {
        const T value = at.cell != NOTHING ? feature[c * from.channel] : T(0);
        scatter(out + c * p.numerator_strides.channel, at, run, value);
      }
      if (last > p.channels) scatter(p.denominator + b * job.plane, placed(target, p.width, 1), run, T(1));
    }
  }
}

// Channels side by side: a block takes BATCH_OF_PIXELS pixels, a thread V channels of a run of them.
template <int V, class T>
__global__ void splat_channels(SplatJob<T> job) {
  __shared__ Stencil<2, T> stencils[BATCH_OF_PIXELS];
  const SplatParams<T>& p = job.p;
  const Strides &from = p.feature_strides, &to = p.numerator_strides;
  const unsigned plane = static_cast<unsigned>(job.plane), step = gridDim.x * BATCH_OF_PIXELS;
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    for (unsigned start = blockIdx.x * BATCH_OF_PIXELS; start < plane; start += step) {
      const unsigned pixels = min(plane - start, static_cast<unsigned>(BATCH_OF_PIXELS));
      for (unsigned i = threadIdx.x; i < BATCH_OF_PIXELS; i += blockDim.x) {  // whole warps
        const Stencil<2, T> at = target_of(job, b, start + i);
        if (blockIdx.y == 0)
          scatter(p.denominator + b * job.plane, placed(at, p.width, 1), neighbours_of(at.cell), T(1));
        stencils[i] = placed(at, to.row, to.column);
      }
      __syncthreads();
      unsigned first, group;
      if (job.runs.find(pixels, &first, &group)) {
        const unsigned count = min(pixels - first, static_cast<unsigned>(RUN_OF_PIXELS));
        const T* features = p.features + b * from.batch + V * group;
        scatter_run<V>(p.numerator + b * to.batch + V * group, stencils + first, static_cast<int>(count), [&](int i) {
          unsigned y, x;
          job.row.split(start + first + static_cast<unsigned>(i), &y, &x);
          return load_pack<V>(features + y * from.row + x * from.column);
        });
      }
      __syncthreads();
    }
  }
}

}  // namespace

template <class T>
void splat_cuda(const SplatParams<T>& p, void* stream) {
  const int plane = static_cast<int>(p.height * p.width);
  small((p.height + 2) * (p.width + 2), "the pixels of a picture with a border of one");
  if (p.batch == 0 || plane == 0) return;
  plane_extent(p.height, p.width, p.numerator_strides);
  const Strides &from = p.feature_strides, &to = p.numerator_strides;
  const bool packs = quads_fit(p.features, from, p.channels) && quads_fit(p.numerator, to, p.channels);
  const SplatJob<T> job = {p, plane, Divider(p.width), RunShape(packs ? p.channels / 4 : p.channels)};
  const unsigned batch = at_most_groups(p.batch);
  if (lanes_take_channels(from, p.channels) && lanes_take_channels(to, p.channels)) {
    launch("splat_channels", packs ? splat_channels<4, T> : splat_channels<1, T>, job.runs.grid(plane, p.batch),
           job.runs.threads(), stream, job);
  } else {
    const dim3 grid(blocks_for(plane, THREADS), groups_for(p.channels + 1, CHANNELS_PER_THREAD), batch);
    launch("splat_planes", splat_planes<T>, grid, THREADS, stream, job);
  }
}

template void splat_cuda<float>(const SplatParams<float>&, void*);
template void splat_cuda<double>(const SplatParams<double>&, void*);

}  // namespace cinegan
