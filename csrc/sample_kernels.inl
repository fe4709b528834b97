// The inner loops of sample_cpu.cpp; included by foreach_simd.h once per instruction set. The first
// argument K{} of each names the kernel.

#include "taps.inl"

namespace cinegan {
namespace CINEGAN_SIMD {

// All channels of one position when channels lie side by side.
template <class K, class T>
void sample_channels(const T* image, const Strides& s, Index channels, const Taps<K, T>& taps, T* out) {
  Index c = 0;
  for (; c + 16 <= channels; c += 16) {
    Vector<T, 16> sum = {};
    for (int j = 0; j < K::TAPS; ++j) {
      for (int k = 0; k < K::TAPS; ++k) {
        const T* pixel = image + c + taps.rows[j] * s.row + taps.columns[k] * s.column;
        sum += load<T, 16>(pixel) * (taps.along[j] * taps.across[k]);
      }
    }
    std::memcpy(out + c, &sum, sizeof(sum));
  }
  for (; c < channels; ++c) out[c] = gather_border<K, T>(image + c, s, taps, taps.along, taps.across);
}

// All channels of one position, any layout, near the border too.
template <class K, class T>
ALWAYS_INLINE void sample_pixel(const SampleParams<T>& p, const T* image, Taps<K, T>* taps, T* out) {
  const Strides& from = p.image_strides;
  settle_taps(p.height, p.width, p.border, taps);
  if (from.channel == 1 && p.out_strides.channel == 1) {
    sample_channels<K, T>(image, from, p.channels, *taps, out);
    return;
  }
  for (Index c = 0; c < p.channels; ++c) {
    out[c * p.out_strides.channel] =
        gather_border<K, T>(image + c * from.channel, from, *taps, taps->along, taps->across);
  }
}

template <class K, class T>
void sample_row(K, const SampleParams<T>& p, Index b, Index y) {
  const Strides &from = p.image_strides, &to = p.out_strides;
  const T* image = p.image + b * from.batch;
  const T* px = p.positions + (b * 2 * p.out_height + y) * p.out_width;
  const T* py = px + p.out_height * p.out_width;
  T* out = p.out + b * to.batch + y * to.row;
  TapBlock<K, T> block;
  T sums[BLOCK];
  for (Index start = 0; start < p.out_width; start += BLOCK) {
    const Index end = start + BLOCK < p.out_width ? start + BLOCK : p.out_width;
    block.count = 0;
    for (Index x = start; x < end; ++x) {
      Taps<K, T> taps;
      if (!locate_taps(px[x], py[x], p.height, p.width, p.border, &taps)) {
        for (Index c = 0; c < p.channels; ++c) out[c * to.channel + x * to.column] = T(0);
      } else if (from.column == 1 && inside<K>(taps.x, taps.y, p.height, p.width)) {
        push(&block, taps, from.row, x);
      } else {
        sample_pixel(p, image, &taps, out + x * to.column);
      }
    }
    for (Index c = 0; block.count > 0 && c < p.channels; ++c) {
      gather_block<K, T>(image + c * from.channel, from.row, &block, sums);
      for (int i = 0; i < block.count; ++i) out[c * to.channel + block.pixel[i] * to.column] = sums[i];
    }
  }
}

// The gradient of the positions of output row y.
template <class K, class T>
void sample_grad_positions(K, const SampleGradParams<T>& p, Index b, Index y) {
  const Strides &from = p.image_strides, &to = p.out_strides;
  const T* image = p.image + b * from.batch;
  const Index first = (b * 2 * p.out_height + y) * p.out_width, plane = p.out_height * p.out_width;
  Taps<K, T> taps;
  for (Index x = 0; x < p.out_width; ++x) {
    T sum_x = 0, sum_y = 0;
    if (locate_taps(p.positions[first + x], p.positions[first + plane + x], p.height, p.width, p.border, &taps)) {
      T across[K::TAPS], along[K::TAPS];
      slopes_of<K, T>(taps.right, across);
      slopes_of<K, T>(taps.down, along);
      settle_taps(p.height, p.width, p.border, &taps);
      const T* grad = p.grad_out + b * to.batch + y * to.row + x * to.column;
      for (Index c = 0; c < p.channels; ++c) {
        const T* at = image + c * from.channel;
        sum_x += grad[c * to.channel] * gather_border<K, T>(at, from, taps, taps.along, across);
        sum_y += grad[c * to.channel] * gather_border<K, T>(at, from, taps, along, taps.across);
      }
    }
    p.grad_positions[first + x] = sum_x;
    p.grad_positions[first + plane + x] = sum_y;
  }
}

// Rows of the image that output row y reads: [first, last], empty when first > last.
template <class K, class T>
void sample_reach(K, const SampleGradParams<T>& p, Index b, Index y, Index* first, Index* last) {
  const T* py = p.positions + ((b * 2 + 1) * p.out_height + y) * p.out_width;
  *first = p.height;
  *last = -1;
  for (Index x = 0; x < p.out_width; ++x) {
    Index row;
    T down;
    if (!locate(py[x], p.height, p.border, &row, &down)) continue;
    if (row + K::FIRST < 0 || row + K::FIRST + K::TAPS > p.height) {
      *first = 0;
      *last = p.height - 1;
      return;
    }
    *first = row + K::FIRST < *first ? row + K::FIRST : *first;
    *last = row + K::FIRST + K::TAPS - 1 > *last ? row + K::FIRST + K::TAPS - 1 : *last;
  }
}

// The gradient of the image's rows [first, end): output pixels are added in reading order, whatever the bands.
template <class K, class T>
void sample_grad_band(K, const SampleGradParams<T>& p, Index b, Index first, Index end, const Index* reach) {
  const Strides &from = p.image_strides, &to = p.out_strides;
  T* image = p.grad_image + b * from.batch;
  Taps<K, T> taps;
  for (Index y = 0; y < p.out_height; ++y) {
    if (reach[2 * y] >= end || reach[2 * y + 1] < first) continue;
    const T* px = p.positions + (b * 2 * p.out_height + y) * p.out_width;
    const T* py = px + p.out_height * p.out_width;
    for (Index x = 0; x < p.out_width; ++x) {
      if (!locate_taps(px[x], py[x], p.height, p.width, p.border, &taps)) continue;
      settle_taps(p.height, p.width, p.border, &taps);
      const T* grad = p.grad_out + b * to.batch + y * to.row + x * to.column;
      for (int j = 0; j < K::TAPS; ++j) {
        if (taps.rows[j] < first || taps.rows[j] >= end) continue;
        for (int k = 0; k < K::TAPS; ++k) {
          T* at = image + taps.rows[j] * from.row + taps.columns[k] * from.column;
          const T weight = taps.along[j] * taps.across[k];
          if (from.channel == 1 && to.channel == 1) {
            for (Index c = 0; c < p.channels; ++c) at[c] += weight * grad[c];
          } else {
            for (Index c = 0; c < p.channels; ++c) at[c * from.channel] += weight * grad[c * to.channel];
          }
        }
      }
    }
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
