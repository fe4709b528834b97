// CUDA sample: a gather. Where the pixels of a row are neighbours in memory, lanes take pixels; where channels are,
// lanes take channels of pixels whose taps the block works out once.
#include "stencil.cuh"

namespace cinegan {
namespace {

constexpr int CHANNELS_PER_THREAD = 4;
constexpr int PIXELS = 32, GROUPS_OF_BLOCK = 16;  // of a block whose lanes take channels

template <class T>
struct SampleJob {
  SampleParams<T> p;
  int plane;           // pixels of one plane of the output
  unsigned groups;     // of channels
  Divider row, taken;  // by the output's width, and by the groups that a block takes
};

template <class T>
__device__ __forceinline__ Index out_offset(const SampleJob<T>& job, Index b, unsigned pixel) {
  unsigned y, x;
  job.row.split(pixel, &y, &x);
  return b * job.p.out_strides.batch + y * job.p.out_strides.row + x * job.p.out_strides.column;
}

template <class K, class T>
__device__ __forceinline__ bool stencil_of(const SampleJob<T>& job, Index b, unsigned pixel, Stencil<K::TAPS, T>* out) {
  const SampleParams<T>& p = job.p;
  const T* at = p.positions + 2 * b * job.plane + pixel;
  T t[2];
  return sample_stencil<K>(at[0], at[job.plane], static_cast<int>(p.width), static_cast<int>(p.height), p.image_strides,
                           p.border, out, t);
}

// A thread takes one output pixel and CHANNELS_PER_THREAD channels.
template <class K, class T>
__global__ void sample_planes(SampleJob<T> job) {
  const SampleParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane), step = gridDim.x * blockDim.x;
  const Index first = static_cast<Index>(blockIdx.y) * CHANNELS_PER_THREAD;
  const Index last = min(first + CHANNELS_PER_THREAD, p.channels);
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    const T* image = p.image + b * p.image_strides.batch;
    for (unsigned pixel = blockIdx.x * blockDim.x + threadIdx.x; pixel < plane; pixel += step) {
      Stencil<K::TAPS, T> at;
      const bool reads = stencil_of<K>(job, b, pixel, &at);
      T* out = p.out + out_offset(job, b, pixel);
      for (Index c = first; c < last; ++c) {
        out[c * p.out_strides.channel] = reads ? gather(image + c * p.image_strides.channel, at) : T(0);
      }
    }
  }
}

// A block takes PIXELS output pixels, a thread V channels of some of them.
template <class K, int V, class T>
__global__ void sample_channels(SampleJob<T> job) {
  __shared__ Stencil<K::TAPS, T> stencils[PIXELS];
  const SampleParams<T>& p = job.p;
  const unsigned plane = static_cast<unsigned>(job.plane), step = gridDim.x * PIXELS;
  for (Index b = blockIdx.z; b < p.batch; b += gridDim.z) {
    const T* image = p.image + b * p.image_strides.batch;
    for (unsigned start = blockIdx.x * PIXELS; start < plane; start += step) {
      const unsigned pixels = min(plane - start, static_cast<unsigned>(PIXELS));
      if (threadIdx.x < pixels) stencil_of<K>(job, b, start + threadIdx.x, &stencils[threadIdx.x]);
      __syncthreads();
      for (unsigned item = threadIdx.x; item < pixels * job.taken.divisor; item += blockDim.x) {
        unsigned i, group;
        job.taken.split(item, &i, &group);
        group += blockIdx.y * job.taken.divisor;
        if (group >= job.groups) continue;
        const Stencil<K::TAPS, T>& at = stencils[i];
        Pack<T, V> sum = {};
        for (int j = 0; at.cell != NOTHING && j < K::TAPS; ++j) {
          UNROLL
          for (int k = 0; k < K::TAPS; ++k) {
            const Pack<T, V> value = load_pack<V>(image + at.rows[j] + at.columns[k] + V * group);
            const T weight = at.along[j] * at.across[k];
            for (int q = 0; q < V; ++q) sum.v[q] += weight * value.v[q];
          }
        }
        store_pack<V>(p.out + out_offset(job, b, start + i) + V * group, sum);
      }
      __syncthreads();
    }
  }
}

template <class K, class T>
void sample_with(const SampleParams<T>& p, void* stream) {
  const int plane = small(p.out_height * p.out_width, "positions of one picture");
  if (p.batch == 0 || plane == 0 || p.channels == 0) return;
  plane_extent(p.height, p.width, p.image_strides);
  const bool packs = quads_fit(p.image, p.image_strides, p.channels) && quads_fit(p.out, p.out_strides, p.channels);
  const Index groups = packs ? p.channels / 4 : p.channels, taken = std::min<Index>(groups, GROUPS_OF_BLOCK);
  const SampleJob<T> job = {p, plane, static_cast<unsigned>(groups), Divider(p.out_width), Divider(taken)};
  const unsigned batch = at_most_groups(p.batch);
  if (lanes_take_channels(p.image_strides, p.channels) && lanes_take_channels(p.out_strides, p.channels)) {
    const dim3 grid(blocks_for(plane, PIXELS), groups_for(groups, taken), batch);
    launch("sample_channels", packs ? sample_channels<K, 4, T> : sample_channels<K, 1, T>, grid, THREADS, stream, job);
  } else {
    const dim3 grid(blocks_for(plane, THREADS), groups_for(p.channels, CHANNELS_PER_THREAD), batch);
    launch("sample_planes", sample_planes<K, T>, grid, THREADS, stream, job);
  }
}

}  // namespace

template <class T>
void sample_cuda(const SampleParams<T>& p, void* stream) {
  with_kernel(p.kernel, [&](auto kernel) { sample_with<decltype(kernel)>(p, stream); });
}

template void sample_cuda<float>(const SampleParams<float>&, void*);
template void sample_cuda<double>(const SampleParams<double>&, void*);

}  // namespace cinegan
