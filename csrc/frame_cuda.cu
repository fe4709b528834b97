// The CUDA operators of a frame: joint_sample, advect and composite. Each is one pass; no value depends on another.
#include "advect.h"
#include "composite.h"
#include "joint_sample.h"
#include "stencil.cuh"

namespace cinegan {
namespace {

const dim3 TILE(WARP, ROWS);  // threads of a block that takes as many pixels of a picture

// All columns at once, at most 2^24 of them; of rows, blocks take several when there are many.
inline dim3 tiles_for(Index height, Index width, unsigned groups) {
  return dim3(static_cast<unsigned>((width + WARP - 1) / WARP), std::min(blocks_for(height, ROWS), 65535u), groups);
}

// Where an output pixel lies on a coarser plane: between four of its values, half-pixel centres, clamped.
struct Footing {
  int offset, right, below;  // of the first value, and from it to its neighbours; 0 at the border
  float across, along;
};

// Where output row (or column) `at` lies between two of a grid; `scale` is grid rows per output row.
__device__ __forceinline__ int stand(int at, float scale, int grid, float* part) {
  const float place = max(0.0f, (static_cast<float>(at) + 0.5f) * scale - 0.5f);
  const int first = min(static_cast<int>(place), grid - 1);
  *part = first == grid - 1 ? 0.0f : place - static_cast<float>(first);
  return first;
}

__device__ __forceinline__ Footing footing(int x, int y, float scale_x, float scale_y, int height, int width) {
  Footing at;
  const int column = stand(x, scale_x, width, &at.across), row = stand(y, scale_y, height, &at.along);
  at.offset = row * width + column;
  at.right = column + 1 < width ? 1 : 0;
  at.below = row + 1 < height ? width : 0;
  return at;
}

__device__ __forceinline__ float blend(const float* plane, const Footing& at) {
  const float *above = plane + at.offset, *below = above + at.below;
  const float left = above[0] + at.along * (below[0] - above[0]);
  const float right = above[at.right] + at.along * (below[at.right] - above[at.right]);
  return left + at.across * (right - left);
}

struct JointSampleJob {
  JointSampleParams p;
  float grid_x, grid_y, gain_x, gain_y, base_x, base_y;  // coarse pixels per output pixel
};

constexpr int CHANNELS_PER_THREAD = 4;

// The mixed sources of one pixel, channels [first, first + count).
template <class K>
__device__ __forceinline__ void add_sources(const JointSampleJob& job, int x, int y, Index first, int count,
                                            float sums[CHANNELS_PER_THREAD]) {
  const JointSampleParams& p = job.p;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  const int grid_width = static_cast<int>(p.grid_width), grid_height = static_cast<int>(p.grid_height);
  const Footing at = footing(x, y, job.grid_x, job.grid_y, grid_height, grid_width);
  const Index grid = p.grid_height * p.grid_width, plane = p.height * p.width;
  const float gain = p.gain ? blend(p.gain, footing(x, y, job.gain_x, job.gain_y, static_cast<int>(p.gain_height),
                                                    static_cast<int>(p.gain_width)))
                            : 1.0f;
  for (int source = 0; source < 2; ++source) {
    if (p.shares[source] == 0.0f) continue;
    const float* origins = p.origins + 2 * source * grid;
    const float px =
        static_cast<float>(x) + static_cast<float>(p.width) / static_cast<float>(grid_width) * blend(origins, at);
    const float py = static_cast<float>(y) +
                     static_cast<float>(p.height) / static_cast<float>(grid_height) * blend(origins + grid, at);
    Stencil<K::TAPS, float> taps;
    float t[2];
    if (!sample_stencil<K>(px, py, width, height, {0, plane, p.width, 1}, p.border, &taps, t)) continue;
    const float share = p.shares[source] * gain;
    UNROLL
    for (int c = 0; c < CHANNELS_PER_THREAD; ++c) {
      if (c < count) sums[c] += share * gather(p.image + (first + c) * plane, taps);
    }
  }
}

// A thread takes one pixel and CHANNELS_PER_THREAD channels.
template <class K>
__global__ void joint_sample_pixels(JointSampleJob job) {
  const JointSampleParams& p = job.p;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  const int x = static_cast<int>(blockIdx.x * WARP + threadIdx.x), step = static_cast<int>(gridDim.y * ROWS);
  const Index first = static_cast<Index>(blockIdx.z) * CHANNELS_PER_THREAD;
  const int count = static_cast<int>(min(p.channels - first, static_cast<Index>(CHANNELS_PER_THREAD)));
  if (x >= width) return;
  for (int y = static_cast<int>(blockIdx.y * ROWS + threadIdx.y); y < height; y += step) {
    const Index pixel = static_cast<Index>(y) * width + x;
    const bool seen = !p.region || p.region[pixel];
    float sums[CHANNELS_PER_THREAD] = {0, 0, 0, 0};
    if (seen && p.base) {
      const Footing at =
          footing(x, y, job.base_x, job.base_y, static_cast<int>(p.base_height), static_cast<int>(p.base_width));
      const Index base = p.base_height * p.base_width;
      for (int c = 0; c < count; ++c) sums[c] = blend(p.base + (first + c) * base, at);
    }
    if (seen) add_sources<K>(job, x, y, first, count, sums);
    UNROLL
    for (int c = 0; c < CHANNELS_PER_THREAD; ++c) {
      if (c < count) p.out[(first + c) * p.height * p.width + pixel] = sums[c];
    }
  }
}

// Splits a coordinate, clamped to [0, last], into the pixel before it and the fraction beyond; NaN becomes 0.
__device__ __forceinline__ int before(float at, int last, float* part) {
  at = at > 0.0f ? at : 0.0f;
  at = at < static_cast<float>(last) ? at : static_cast<float>(last);
  const int pixel = static_cast<int>(at);
  *part = at - static_cast<float>(pixel);
  return pixel;
}

__global__ void advect_pixels(AdvectParams p) {
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  const int grid_width = static_cast<int>(p.grid_width), grid_height = static_cast<int>(p.grid_height);
  const Index plane = p.height * p.width, grid = p.grid_height * p.grid_width;
  const int x = static_cast<int>(blockIdx.x * WARP + threadIdx.x), step = static_cast<int>(gridDim.y * ROWS);
  if (x >= width) return;
  for (int y = static_cast<int>(blockIdx.y * ROWS + threadIdx.y); y < height; y += step) {
    const Index pixel = static_cast<Index>(y) * width + x;
    const float d[2] = {p.displacement[pixel], p.displacement[plane + pixel]};
    Footing at;
    const int column = before(static_cast<float>(p.left + x) + d[0], grid_width - 1, &at.across);
    const int row = before(static_cast<float>(p.top + y) + d[1], grid_height - 1, &at.along);
    at.offset = row * grid_width + column;
    at.right = at.across > 0.0f ? 1 : 0;
    at.below = at.along > 0.0f ? grid_width : 0;
    for (int c = 0; c < 2; ++c) p.out[c * plane + pixel] = d[c] + blend(p.velocity + c * grid, at);
  }
}

// One value of `composite`.
__device__ __forceinline__ std::uint8_t mix(std::uint8_t photo, float alpha, float warped, float still) {
  if (alpha == 0.0f) return photo;
  float value = static_cast<float>(photo) + 255.0f * alpha * (warped - still);
  value = value > 0.0f ? value : 0.0f;  // NaN becomes 0
  value = value < 255.0f ? value : 255.0f;
  return static_cast<std::uint8_t>(rint(value));  // halves to even
}

// A thread takes V neighbouring pixels: for four of them all is loaded and stored by words.
template <int V>
__global__ void composite_pixels(CompositeParams p) {
  const Index plane = p.height * p.width;
  const unsigned pixels = static_cast<unsigned>(plane), step = gridDim.x * blockDim.x * V;
  for (unsigned i = (blockIdx.x * blockDim.x + threadIdx.x) * V; i < pixels; i += step) {
    const Index byte = 3 * static_cast<Index>(i);
    const Pack<float, V> alpha = load_pack<V>(p.alpha + i);
    // The bytes of V pixels as three packs of V.
    Pack<std::uint8_t, V> bytes[3];
    for (int k = 0; k < 3; ++k) bytes[k] = load_pack<V>(p.photo + byte + k * V);
    UNROLL
    for (int c = 0; c < 3; ++c) {
      const Pack<float, V> warped = load_pack<V>(p.warped + c * plane + i),
                           still = load_pack<V>(p.still + c * plane + i);
      UNROLL
      for (int q = 0; q < V; ++q) {
        std::uint8_t& value = bytes[(3 * q + c) / V].v[(3 * q + c) % V];
        value = mix(value, alpha.v[q], warped.v[q], still.v[q]);
      }
    }
    for (int k = 0; k < 3; ++k) store_pack<V>(p.out + byte + k * V, bytes[k]);
  }
}

float ratio(Index grid, Index size) { return static_cast<float>(grid) / static_cast<float>(size); }

template <class T>
bool aligned(const T* data) {
  return reinterpret_cast<std::uintptr_t>(data) % (4 * sizeof(T)) == 0;
}

}  // namespace

void joint_sample_cuda(const JointSampleParams& p, void* stream) {
  if (p.channels == 0) return;
  for (Index pixels :
       {p.height * p.width, p.grid_height * p.grid_width, p.gain_height * p.gain_width, p.base_height * p.base_width}) {
    small(pixels, "the pixels of a picture");
  }
  const JointSampleJob job = {p,
                              ratio(p.grid_width, p.width),
                              ratio(p.grid_height, p.height),
                              ratio(p.gain_width, p.width),
                              ratio(p.gain_height, p.height),
                              ratio(p.base_width, p.width),
                              ratio(p.base_height, p.height)};
  const dim3 grid = tiles_for(p.height, p.width, groups_for(p.channels, CHANNELS_PER_THREAD));
  with_kernel(p.kernel, [&](auto kernel) {
    launch("joint_sample", joint_sample_pixels<decltype(kernel)>, grid, TILE, stream, job);
  });
}

void advect_cuda(const AdvectParams& p, void* stream) {
  small(p.grid_height * p.grid_width, "the pixels of a flow");
  if (p.height * p.width == 0) return;
  launch("advect", advect_pixels, tiles_for(p.height, p.width, 1), TILE, stream, p);
}

void composite_cuda(const CompositeParams& p, void* stream) {
  const int pixels = small(p.height * p.width, "the pixels of a picture");
  if (pixels == 0) return;
  const bool words = pixels % 4 == 0 && aligned(p.alpha) && aligned(p.warped) && aligned(p.still) && aligned(p.photo) &&
                     aligned(p.out);
  const dim3 grid(blocks_for(pixels, words ? 4 * THREADS : THREADS));
  launch("composite", words ? composite_pixels<4> : composite_pixels<1>, grid, THREADS, stream, p);
}

}  // namespace cinegan
