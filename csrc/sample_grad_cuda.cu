// CUDA gradients of sample: that of the image adds with atomics (no fixed order), that of the positions is a gather
// with sums in a fixed order.
#include "stencil.cuh"

namespace cinegan {
namespace {

constexpr int CHANNELS_PER_THREAD = 4;

template <class T>
struct SampleGradJob {
  SampleGradParams<T> p;
  int plane;    // pixels of one plane of the output
  Divider row;  // by its width
  RunShape runs;
  int sharers;  // rows of threads that share the channels of a pixel, or
  unsigned lanes;
};

template <class T>
__device__ __forceinline__ const T* grad_of(const SampleGradJob<T>& job, Index b, unsigned pixel) {
  unsigned y, x;
  job.row.split(pixel, &y, &x);
  const Strides& s = job.p.out_strides;
  return job.p.grad_out + b * s.batch + y * s.row + x * s.column;
}

template <class K, class T>
__device__ __forceinline__ bool stencil_of(const SampleGradJob<T>& job, Index b, unsigned pixel,
                                           Stencil<K::TAPS, T>* out, T t[2]) {
  const SampleGradParams<T>& p = job.p;
  const T* at = p.positions + 2 * b * job.plane + pixel;
  return sample_stencil<K>(at[0], at[job.plane], static_cast<int>(p.width), static_cast<int>(p.height), p.image_strides,
                           p.border, out, t);
}

// The gradient of the image: a thread takes one output pixel and CHANNELS_PER_THREAD channels, and hands on to its
// neighbours what they can add.
template <class K, class T>
__global__ void sample_grad_image_planes(SampleGradJob<T> job) {
  const SampleGradParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane), step = gridDim.x * blockDim.x;
  const unsigned lane = threadIdx.x % WARP;
  const Index first = static_cast<Index>(blockIdx.y) * CHANNELS_PER_THREAD;
  const Index last = min(first + CHANNELS_PER_THREAD, p.channels);
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    T* image = p.grad_image + b * p.image_strides.batch;
    // All lanes of a warp stay in the loop together.
    for (unsigned start = blockIdx.x * blockDim.x + threadIdx.x - lane; start < plane; start += step) {
      const unsigned pixel = start + lane;
      Stencil<K::TAPS, T> at = {};
      T t[2];
      at.cell = NOTHING;
      const T* grad = p.grad_out;
      if (pixel < plane && stencil_of<K>(job, b, pixel, &at, t)) grad = grad_of(job, b, pixel);
      const Neighbours run = neighbours_of(at.cell);
      for (Index c = first; c < last; ++c) {
        const T value = at.cell != NOTHING ? grad[c * p.out_strides.channel] : T(0);
        scatter(image + c * p.image_strides.channel, at, run, value);
      }
    }
  }
}

// The same where channels are side by side: a block takes BATCH_OF_PIXELS output pixels, a thread V channels of a run.
template <class K, int V, class T>
__global__ void sample_grad_image_channels(SampleGradJob<T> job) {
  __shared__ Stencil<K::TAPS, T> stencils[BATCH_OF_PIXELS];
  const SampleGradParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane), step = gridDim.x * BATCH_OF_PIXELS;
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    for (unsigned start = blockIdx.x * BATCH_OF_PIXELS; start < plane; start += step) {
      const unsigned pixels = min(plane - start, static_cast<unsigned>(BATCH_OF_PIXELS));
      T t[2];
      for (unsigned i = threadIdx.x; i < pixels; i += blockDim.x) stencil_of<K>(job, b, start + i, &stencils[i], t);
      __syncthreads();
      unsigned first, group;
      if (job.runs.find(pixels, &first, &group)) {
        const unsigned count = min(pixels - first, static_cast<unsigned>(RUN_OF_PIXELS));
        scatter_run<V>(
            p.grad_image + b * p.image_strides.batch + V * group, stencils + first, static_cast<int>(count),
            [&](int i) { return load_pack<V>(grad_of(job, b, start + first + static_cast<unsigned>(i)) + V * group); });
      }
      __syncthreads();
    }
  }
}

// The sums over the taps of one plane with the weights' derivatives along x and along y.
template <int TAPS, class T>
__device__ __forceinline__ void gather_slopes(const T* plane, const Stencil<TAPS, T>& at, const T across[],
                                              const T along[], T value, T sums[2]) {
  UNROLL
  for (int j = 0; j < TAPS; ++j) {
    T line = 0, slope = 0;
    UNROLL
    for (int k = 0; k < TAPS; ++k) {
      const T pixel = __ldg(plane + at.rows[j] + at.columns[k]);
      line += at.across[k] * pixel;
      slope += across[k] * pixel;
    }
    sums[0] += value * (at.along[j] * slope);
    sums[1] += value * (along[j] * line);
  }
}

// Adds channels c, c + stride, ... of one pixel to the gradient of its position.
template <class K, class T>
__device__ __forceinline__ void add_slopes(const SampleGradJob<T>& job, Index b, unsigned pixel, Index c, Index stride,
                                           T sums[2]) {
  const SampleGradParams<T>& p = job.p;
  Stencil<K::TAPS, T> at;
  T t[2], across[K::TAPS], along[K::TAPS];
  if (!stencil_of<K>(job, b, pixel, &at, t)) return;
  slopes_of<K, T>(t[0], across);
  slopes_of<K, T>(t[1], along);
  const T* image = p.image + b * p.image_strides.batch;
  const T* grad = grad_of(job, b, pixel);
  for (; c < p.channels; c += stride) {
    const T value = grad[c * p.out_strides.channel];
    gather_slopes(image + c * p.image_strides.channel, at, across, along, value, sums);
  }
}

// The gradient of the positions: a row of threads takes 32 neighbouring pixels; of many channels it takes its share.
template <class K, class T>
__global__ void sample_grad_positions_planes(SampleGradJob<T> job) {
  const SampleGradParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane);
  const unsigned sharers = static_cast<unsigned>(job.sharers), pixels = ROWS / sharers * WARP;
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    for (unsigned start = blockIdx.x * pixels; start < plane; start += gridDim.x * pixels) {
      const unsigned pixel = start + threadIdx.y / sharers * WARP + threadIdx.x;
      T sums[2] = {0, 0};
      if (pixel < plane) add_slopes<K>(job, b, pixel, threadIdx.y % sharers, sharers, sums);
      sum_sharers<2>(job.sharers, sums);
      if (threadIdx.y % sharers == 0 && pixel < plane) {
        p.grad_positions[2 * b * plane + pixel] = sums[0];
        p.grad_positions[(2 * b + 1) * plane + pixel] = sums[1];
      }
    }
  }
}

// The same where channels are side by side: the lanes of a pixel take turns at them.
template <class K, class T>
__global__ void sample_grad_positions_channels(SampleGradJob<T> job) {
  const SampleGradParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane), lane = threadIdx.x % job.lanes;
  const unsigned pixels = blockDim.x / job.lanes;  // of a block, whose threads stay in the loop together
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    for (unsigned start = blockIdx.x * pixels; start < plane; start += gridDim.x * pixels) {
      const unsigned pixel = start + threadIdx.x / job.lanes;
      T sums[2] = {0, 0};
      if (pixel < plane) add_slopes<K>(job, b, pixel, lane, job.lanes, sums);
      for (int k = 0; k < 2; ++k) {
        const T sum = sum_lanes(sums[k], job.lanes);
        if (lane == 0 && pixel < plane) p.grad_positions[(2 * b + k) * plane + pixel] = sum;
      }
    }
  }
}

template <class K, class T>
void launch_image(const SampleGradJob<T>& job, bool channels, bool packs, void* stream) {
  const SampleGradParams<T>& p = job.p;
  if (channels) {
    launch("sample_grad_image_channels",
           packs ? sample_grad_image_channels<K, 4, T> : sample_grad_image_channels<K, 1, T>,
           job.runs.grid(job.plane, p.batch), job.runs.threads(), stream, job);
  } else {
    const dim3 grid(blocks_for(job.plane, THREADS), groups_for(p.channels, CHANNELS_PER_THREAD),
                    at_most_groups(p.batch));
    launch("sample_grad_image_planes", sample_grad_image_planes<K, T>, grid, THREADS, stream, job);
  }
}

template <class K, class T>
void sample_grad_with(const SampleGradParams<T>& p, void* stream) {
  const int plane = small(p.out_height * p.out_width, "positions of one picture");
  if (p.batch == 0 || plane == 0) return;
  plane_extent(p.height, p.width, p.image_strides);
  const bool channels = lanes_take_channels(p.image_strides, p.channels) && p.out_strides.channel == 1;
  const bool packs =
      quads_fit(p.grad_image, p.image_strides, p.channels) && quads_fit(p.grad_out, p.out_strides, p.channels);
  const RunShape runs(packs ? p.channels / 4 : p.channels);
  const SampleGradJob<T> job = {p, plane, Divider(p.out_width), runs, sharers_for(p.channels), lanes_for(p.channels)};
  if (p.grad_image && p.channels > 0) launch_image<K>(job, channels, packs, stream);
  if (!p.grad_positions) return;
  const unsigned batch = at_most_groups(p.batch);
  if (channels) {
    launch("sample_grad_positions_channels", sample_grad_positions_channels<K, T>,
           dim3(blocks_for(plane, THREADS / job.lanes), 1, batch), THREADS, stream, job);
  } else {
    launch("sample_grad_positions_planes", sample_grad_positions_planes<K, T>,
           dim3(blocks_for(plane, THREADS / job.sharers), 1, batch), dim3(WARP, ROWS), stream, job);
  }
}

}  // namespace

template <class T>
void sample_grad_cuda(const SampleGradParams<T>& p, void* stream) {
  with_kernel(p.kernel, [&](auto kernel) { sample_grad_with<decltype(kernel)>(p, stream); });
}

template void sample_grad_cuda<float>(const SampleGradParams<float>&, void*);
template void sample_grad_cuda<double>(const SampleGradParams<double>&, void*);

}  // namespace cinegan
