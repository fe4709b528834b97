// The inner loops of splat_cpu.cpp; included by foreach_simd.h once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

constexpr int BLOCK = 64;  // pixels whose features are brought together before they are added

// Smallest and largest row that the pixels of source row y reach: rows [first, last], empty when first > last.
template <class T>
void row_reach(const SplatParams<T>& p, Index b, Index y, int* first, int* last) {
  const T* dx = p.displacement + (b * 2 * p.height + y) * p.width;
  const T* dy = dx + p.height * p.width;
  const T right = static_cast<T>(p.width), bottom = static_cast<T>(p.height), row = static_cast<T>(y);
  T low = bottom, high = T(-2);
  for (Index x = 0; x < p.width; ++x) {
    const T target_x = static_cast<T>(x) + dx[x], target_y = row + dy[x];
    const bool inside = (target_x > T(-1)) & (target_x < right) & (target_y > T(-1)) & (target_y < bottom);
    const T low_here = inside ? target_y : bottom, high_here = inside ? target_y : T(-2);
    low = low_here < low ? low_here : low;
    high = high_here > high ? high_here : high;
  }
  *first = static_cast<int>(std::floor(low));
  *last = static_cast<int>(std::floor(high)) + 1;
}

// Features of n pixels from (x, y), channels [c, c + K), to block[n][K]. Channel C is 1: its sum is the denominator.
template <class T, int K>
ALWAYS_INLINE void gather_block(const SplatParams<T>& p, Index b, Index c, Index y, Index x, int n, T* block) {
  const Strides& s = p.feature_strides;
  const T* source = p.features + b * s.batch + c * s.channel + y * s.row + x * s.column;
  const int real = static_cast<int>(p.channels - c < K ? p.channels - c : K);
  if (s.channel == 1 && real == K) {
    for (int i = 0; i < n; ++i) std::memcpy(block + i * K, source + i * s.column, K * sizeof(T));
    return;
  }
  if (s.channel == 1) {
    for (int i = 0; i < n; ++i) {
      for (int k = 0; k < real; ++k) block[i * K + k] = source[i * s.column + k];
    }
  } else {
    for (int k = 0; k < real; ++k) {
      const T* plane = source + k * s.channel;
      for (int i = 0; i < n; ++i) block[i * K + k] = plane[i];
    }
  }
  for (int k = real; k < K; ++k) {
    const T value = c + k == p.channels ? T(1) : T(0);
    for (int i = 0; i < n; ++i) block[i * K + k] = value;
  }
}

// Adds factor * value to the K sums at `at`.
template <class T, int K>
ALWAYS_INLINE void add(T* at, const Vector<T, K>& value, T factor) {
  Vector<T, K> sum;
  std::memcpy(&sum, at, sizeof(sum));
  sum += value * factor;
  std::memcpy(at, &sum, sizeof(sum));
}

// Sums of the target rows [first, end), with one more row and column on every side so that no corner needs a test:
// sums[end - first + 2][W + 2][K]. Source pixels are added in reading order, whatever the bands: the same bits.
template <class T, int K>
void splat_rows(const SplatParams<T>& p, Index b, Index c, Index first, Index end, const int* reach, T* sums) {
  const Index pitch = (p.width + 2) * K;
  std::memset(sums, 0, static_cast<std::size_t>((end - first + 2) * pitch) * sizeof(T));
  alignas(64) T block[BLOCK * K];
  for (Index y = 0; y < p.height; ++y) {
    if (reach[2 * y] >= end || reach[2 * y + 1] < first) continue;
    const T* dx = p.displacement + (b * 2 * p.height + y) * p.width;
    const T* dy = dx + p.height * p.width;
    const T* weight = p.weight + (b * p.height + y) * p.width;
    for (Index x = 0; x < p.width; x += BLOCK) {
      const int n = static_cast<int>(p.width - x < BLOCK ? p.width - x : BLOCK);
      gather_block<T, K>(p, b, c, y, x, n, block);
      for (int i = 0; i < n; ++i) {
        Landing<T> at;
        if (!land(x + i, y, dx[x + i], dy[x + i], p.width, p.height, &at)) continue;
        if (at.y < first - 1 || at.y >= end) continue;
        T votes[4];
        votes_of(at, votes);
        Vector<T, K> value;
        std::memcpy(&value, block + i * K, sizeof(value));
        T* corner = sums + (at.y - first + 1) * pitch + (at.x + 1) * K;
        const T w = weight[x + i];
        add<T, K>(corner, value, votes[0] * w);
        add<T, K>(corner + K, value, votes[1] * w);
        add<T, K>(corner + pitch, value, votes[2] * w);
        add<T, K>(corner + pitch + K, value, votes[3] * w);
      }
    }
  }
}

// The sums of splat_rows to numerator and denominator.
template <class T, int K>
void store_rows(const SplatParams<T>& p, Index b, Index c, Index first, Index end, const T* sums) {
  const Strides& s = p.numerator_strides;
  const int real = static_cast<int>(p.channels - c < K ? p.channels - c : K);
  for (Index y = first; y < end; ++y) {
    const T* row = sums + ((y - first + 1) * (p.width + 2) + 1) * K;
    T* out = p.numerator + b * s.batch + c * s.channel + y * s.row;
    if (s.channel == 1 && real == K) {
      for (Index x = 0; x < p.width; ++x) std::memcpy(out + x * s.column, row + x * K, K * sizeof(T));
    } else {
      for (int k = 0; k < real; ++k) {
        for (Index x = 0; x < p.width; ++x) out[k * s.channel + x * s.column] = row[x * K + k];
      }
    }
    if (p.channels < c + K) {
      T* denominator = p.denominator + (b * p.height + y) * p.width;
      for (Index x = 0; x < p.width; ++x) denominator[x] = row[x * K + (p.channels - c)];
    }
  }
}

template <class T>
void splat_band(const SplatParams<T>& p, Index b, Index c, int lanes, Index first, Index end, const int* reach,
                T* sums) {
  if (lanes == 16) {
    splat_rows<T, 16>(p, b, c, first, end, reach, sums);
    store_rows<T, 16>(p, b, c, first, end, sums);
  } else {
    splat_rows<T, 4>(p, b, c, first, end, reach, sums);
    store_rows<T, 4>(p, b, c, first, end, sums);
  }
}

// What one pixel's gradients are made of, for BLOCK pixels of one row.
template <class T>
struct GradBlock {
  Landing<T> at[BLOCK];
  Index corner[BLOCK][4];  // offset of the corner in one plane (row and column strides), or -1
  bool lands[BLOCK];
  T sums[BLOCK][4];  // per corner: grad_denominator + sum over channels of feature * grad_numerator
};

template <class T>
void start_grad_block(const SplatGradParams<T>& p, Index b, Index y, Index x, int n, GradBlock<T>* block) {
  const T* dx = p.displacement + (b * 2 * p.height + y) * p.width + x;
  const T* dy = dx + p.height * p.width;
  const T* grad = p.grad_denominator + b * p.height * p.width;
  for (int i = 0; i < n; ++i) {
    Landing<T>& at = block->at[i];
    block->lands[i] = land(x + i, y, dx[i], dy[i], p.width, p.height, &at);
    for (int k = 0; k < 4; ++k) {
      const Index column = block->lands[i] ? at.x + (k & 1) : -1, row = block->lands[i] ? at.y + (k >> 1) : -1;
      const bool inside = column >= 0 && column < p.width && row >= 0 && row < p.height;
      block->corner[i][k] = inside ? row * p.strides.row + column * p.strides.column : -1;
      block->sums[i][k] = inside ? grad[row * p.width + column] : T(0);
    }
  }
}

// One pixel's channels when they lie side by side: the gradient of its features, and the four sums over channels.
template <class T>
void grad_pixel(const SplatGradParams<T>& p, Index offset, Index plane, const Index corner[4], const T votes[4], T w,
                T sums[4]) {
  const T* feature = p.features + offset;
  T* out = p.grad_features ? p.grad_features + offset : nullptr;
  if (out) std::memset(out, 0, static_cast<std::size_t>(p.channels) * sizeof(T));
  for (int k = 0; k < 4; ++k) {
    if (corner[k] < 0) continue;
    const T* grad = p.grad_numerator + plane + corner[k];
    const T vote = votes[k] * w;
    Vector<T, 16> lanes = {};
    Index c = 0;
    for (; c + 16 <= p.channels; c += 16) {
      Vector<T, 16> g, f;
      std::memcpy(&g, grad + c, sizeof(g));
      std::memcpy(&f, feature + c, sizeof(f));
      lanes += g * f;
      if (!out) continue;
      Vector<T, 16> sum;
      std::memcpy(&sum, out + c, sizeof(sum));
      sum += vote * g;
      std::memcpy(out + c, &sum, sizeof(sum));
    }
    T total = 0;
    for (int lane = 0; lane < 16; ++lane) total += lanes[lane];
    for (; c < p.channels; ++c) {
      total += grad[c] * feature[c];
      if (out) out[c] += vote * grad[c];
    }
    sums[k] += total;
  }
}

// One channel of n pixels when rows are contiguous.
template <class T>
void grad_plane(const SplatGradParams<T>& p, Index offset, Index plane, const T* weight, int n, GradBlock<T>* block) {
  const T* feature = p.features + offset;
  const T* grad = p.grad_numerator + plane;
  for (int i = 0; i < n; ++i) {
    T value[4], votes[4];
    for (int k = 0; k < 4; ++k) {
      const Index corner = block->corner[i][k];
      value[k] = corner >= 0 ? grad[corner] : T(0);
      block->sums[i][k] += feature[i] * value[k];
    }
    if (!p.grad_features) continue;
    votes_of(block->at[i], votes);
    const T sum = votes[0] * value[0] + votes[1] * value[1] + votes[2] * value[2] + votes[3] * value[3];
    p.grad_features[offset + i] = block->lands[i] ? weight[i] * sum : T(0);
  }
}

template <class T>
void finish_grad_block(const SplatGradParams<T>& p, Index b, Index y, Index x, int n, const GradBlock<T>& block) {
  const Index pixel = (b * p.height + y) * p.width + x, size = p.height * p.width;
  const Index first = (2 * b * p.height + y) * p.width + x;
  for (int i = 0; i < n; ++i) {
    const bool lands = block.lands[i];
    const T w = p.weight[pixel + i];
    if (p.grad_weight) {
      T votes[4];
      votes_of(block.at[i], votes);
      const T* s = block.sums[i];
      p.grad_weight[pixel + i] =
          lands ? votes[0] * s[0] + votes[1] * s[1] + votes[2] * s[2] + votes[3] * s[3] : T(0);
    }
    if (p.grad_displacement) {
      p.grad_displacement[first + i] = lands ? w * slope_x(block.at[i], block.sums[i]) : T(0);
      p.grad_displacement[first + size + i] = lands ? w * slope_y(block.at[i], block.sums[i]) : T(0);
    }
  }
}

// All gradients of source row y: a gather, so rows are independent of each other.
template <class T>
void splat_grad_row(const SplatGradParams<T>& p, Index b, Index y) {
  const Strides& s = p.strides;
  GradBlock<T> block = {};
  for (Index x = 0; x < p.width; x += BLOCK) {
    const int n = static_cast<int>(p.width - x < BLOCK ? p.width - x : BLOCK);
    const T* weight = p.weight + (b * p.height + y) * p.width + x;
    start_grad_block(p, b, y, x, n, &block);
    const Index offset = b * s.batch + y * s.row + x * s.column;
    if (s.channel == 1) {
      for (int i = 0; i < n; ++i) {
        T votes[4];
        votes_of(block.at[i], votes);
        grad_pixel(p, offset + i * s.column, b * s.batch, block.corner[i], votes, weight[i], block.sums[i]);
      }
    } else {
      for (Index c = 0; c < p.channels; ++c) {
        grad_plane(p, offset + c * s.channel, b * s.batch + c * s.channel, weight, n, &block);
      }
    }
    finish_grad_block(p, b, y, x, n, block);
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
