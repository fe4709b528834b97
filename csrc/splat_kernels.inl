// The inner loops of splat_cpu.cpp; included by foreach_simd.h once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

// The pixels of a block are added in the order 0, 8, 16 .. 56, 1, 9, ..: neighbours mostly add to the same sums, and
// each would wait for the sum that the last one stored. With the sums in the first cache, the adding alone takes 1.8 ns
// a pixel in this order and 2.2 ns from left to right.
constexpr int CHAINS = 8, CHAIN = BLOCK / CHAINS;

// The target rows that source row y reaches: out[0] for all of it, out[1 + i] for its i-th block. A block reaches few
// rows where motion is smooth, so bands can be small without much work done twice.
template <class T>
void row_reach(const SplatParams<T>& p, Index b, Index y, Reach* out) {
  const T* dx = p.displacement + (b * 2 * p.height + y) * p.width;
  const T* dy = dx + p.height * p.width;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  out[0] = {height, -1};
  for (int x = 0, block = 1; x < width; ++block) {
    int low = height, high = -2;
    for (const int end = width - x < BLOCK ? width : x + BLOCK; x < end; ++x) {
      Landing<T> at;
      const bool lands = land(x, static_cast<int>(y), dx[x], dy[x], width, height, &at);
      const int low_here = lands ? at.y : height, high_here = lands ? at.y : -2;
      low = low_here < low ? low_here : low;
      high = high_here > high ? high_here : high;
    }
    out[block] = {low, high + 1};
    if (low < out[0].first) out[0].first = low;
    if (high + 1 > out[0].last) out[0].last = high + 1;
  }
}

// Rows of four vectors become columns.
template <class T>
ALWAYS_INLINE void transpose(Vector<T, 4> v[4]) {
#ifdef CINEGAN_SHUFFLE
  const Vector<T, 4> a = CINEGAN_SHUFFLE(v[0], v[1], 0, 4, 1, 5), b = CINEGAN_SHUFFLE(v[0], v[1], 2, 6, 3, 7);
  const Vector<T, 4> c = CINEGAN_SHUFFLE(v[2], v[3], 0, 4, 1, 5), d = CINEGAN_SHUFFLE(v[2], v[3], 2, 6, 3, 7);
  v[0] = CINEGAN_SHUFFLE(a, c, 0, 1, 4, 5);
  v[1] = CINEGAN_SHUFFLE(a, c, 2, 3, 6, 7);
  v[2] = CINEGAN_SHUFFLE(b, d, 0, 1, 4, 5);
  v[3] = CINEGAN_SHUFFLE(b, d, 2, 3, 6, 7);
#else
  for (int i = 0; i < 4; ++i) {
    for (int j = 0; j < i; ++j) {
      const T swapped = v[i][j];
      v[i][j] = v[j][i];
      v[j][i] = swapped;
    }
  }
#endif
}

template <class T>
ALWAYS_INLINE Vector<T, 4> load4(const T* from) {
  Vector<T, 4> value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

// Asks for `bytes` that are read soon; any address is allowed. Processors look ahead within a page only, and one row of
// 1024 floats is a page. So each block asks for the one below it: about 4 % less time for 3 x 1024 x 1024.
ALWAYS_INLINE void prefetch(const void* from, Index bytes) {
  const char* address = static_cast<const char*>(from);
  for (Index i = 0; i < bytes; i += 64) __builtin_prefetch(address + i);
}

// Features of n pixels from (x, y), channels [c, c + K), to block[n][K]. Channel C is 1: its sum is the denominator.
template <class T, int K>
ALWAYS_INLINE void gather_block(const SplatParams<T>& p, Index b, Index c, Index y, Index x, int n, T* block) {
  const Strides& s = p.feature_strides;
  const T* source = p.features + b * s.batch + c * s.channel + y * s.row + x * s.column;
  const int real = static_cast<int>(p.channels - c < K ? p.channels - c : K);
  if (s.channel == 1) {
    if (K == 4) prefetch(source + s.row, BLOCK * s.column * Index(sizeof(T)));
    for (int i = 0; i < n; ++i) {
      if (real == K) {
        std::memcpy(block + i * K, source + i * s.column, K * sizeof(T));
      } else if (real == 3) {  // colours: in one vector, twice as fast as the loop
        const T* pixel = source + i * s.column;
        const Vector<T, 4> value = {pixel[0], pixel[1], pixel[2], T(1)};
        std::memcpy(block + i * K, &value, sizeof(value));
      } else {
        for (int k = 0; k < K; ++k) block[i * K + k] = k < real ? source[i * s.column + k] : T(c + k == p.channels);
      }
    }
    return;
  }
  if (K == 4) {
    for (int k = 0; k < real; ++k) prefetch(source + k * s.channel + s.row, BLOCK * Index(sizeof(T)));
  }
  T ones[BLOCK], zeros[BLOCK] = {};
  for (int i = 0; i < n; ++i) ones[i] = T(1);
  for (int k = 0; k < K; k += 4) {
    const T* planes[4];
    for (int j = 0; j < 4; ++j) {
      planes[j] = k + j < real ? source + (k + j) * s.channel : c + k + j == p.channels ? ones : zeros;
    }
    int i = 0;
    for (; i + 4 <= n; i += 4) {
      Vector<T, 4> square[4] = {load4(planes[0] + i), load4(planes[1] + i), load4(planes[2] + i), load4(planes[3] + i)};
      transpose<T>(square);
      for (int j = 0; j < 4; ++j) std::memcpy(block + (i + j) * K + k, &square[j], sizeof(square[j]));
    }
    for (; i < n; ++i) {
      for (int j = 0; j < 4; ++j) block[i * K + k + j] = planes[j][i];
    }
  }
}

// Where n pixels from (x, y) land in the sums of rows [first, end): the number of the corner left above, or -1 for
// those that do not and those after n; and their votes, times their weight.
template <class T>
struct VoteBlock {
  std::int32_t corner[BLOCK];
  T votes[4][BLOCK];
};
template <class T>
ALWAYS_INLINE void vote_block(const SplatParams<T>& p, Index b, Index y, Index x, int n, Index first, Index end,
                              VoteBlock<T>* block) {
  const T* dx = p.displacement + (b * 2 * p.height + y) * p.width + x;
  const T* dy = dx + p.height * p.width;
  const T* weight = p.weight + (b * p.height + y) * p.width + x;
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height);
  const int above = static_cast<int>(first) - 1, below = static_cast<int>(end), left = static_cast<int>(x);
  for (const T* plane : {dx, dy, weight}) prefetch(plane + p.width, BLOCK * Index(sizeof(T)));
  for (int i = 0; i < n; ++i) {
    Landing<T> at;
    const bool lands = land(left + i, static_cast<int>(y), dx[i], dy[i], width, height, &at);
    T votes[4];
    votes_of(at, votes);
    for (int k = 0; k < 4; ++k) block->votes[k][i] = votes[k] * weight[i];
    const bool here = lands & (at.y >= above) & (at.y < below);
    block->corner[i] = here ? (at.y - above) * (width + 2) + at.x + 1 : -1;
  }
  for (int i = n; i < BLOCK; ++i) block->corner[i] = -1;
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
// sums[end - first + 2][W + 2][K]. Source pixels are added in one order, whatever the bands: the same bits.
template <class T, int K>
void splat_rows(const SplatParams<T>& p, Index b, Index c, Index first, Index end, const Reach* reach, T* sums) {
  const Index pitch = (p.width + 2) * K;
  std::memset(sums, 0, static_cast<std::size_t>((end - first + 2) * pitch) * sizeof(T));
  alignas(64) T block[BLOCK * K];
  VoteBlock<T> at;
  const Index blocks = blocks_of(p.width);
  for (Index y = 0; y < p.height; ++y, reach += 1 + blocks) {
    if (reach[0].misses(first, end)) continue;
    for (Index x = 0; x < p.width; x += BLOCK) {
      if (reach[1 + x / BLOCK].misses(first, end)) continue;
      const int n = static_cast<int>(p.width - x < BLOCK ? p.width - x : BLOCK);
      gather_block<T, K>(p, b, c, y, x, n, block);
      vote_block(p, b, y, x, n, first, end, &at);
      for (int i = 0; i < BLOCK; ++i) {
        const int pixel = i % CHAINS * CHAIN + i / CHAINS;
        if (at.corner[pixel] < 0) continue;
        Vector<T, K> value;
        std::memcpy(&value, block + pixel * K, sizeof(value));
        T* corner = sums + static_cast<Index>(at.corner[pixel]) * K;
        add<T, K>(corner, value, at.votes[0][pixel]);
        add<T, K>(corner + K, value, at.votes[1][pixel]);
        add<T, K>(corner + pitch, value, at.votes[2][pixel]);
        add<T, K>(corner + pitch + K, value, at.votes[3][pixel]);
      }
    }
  }
}

// Four of the K channels of one row of sums to as many planes; null for those not asked for.
template <class T, int K>
ALWAYS_INLINE void store_planes(const T* row, Index width, T* const planes[4]) {
  Index x = 0;
  for (; x + 4 <= width; x += 4) {
    Vector<T, 4> square[4] = {load4(row + x * K), load4(row + x * K + K), load4(row + x * K + 2 * K),
                              load4(row + x * K + 3 * K)};
    transpose<T>(square);
    for (int k = 0; k < 4; ++k) {
      if (planes[k]) std::memcpy(planes[k] + x, &square[k], sizeof(square[k]));
    }
  }
  for (; x < width; ++x) {
    for (int k = 0; k < 4; ++k) {
      if (planes[k]) planes[k][x] = row[x * K + k];
    }
  }
}

// One row of sums to pixels whose `real` channels lie side by side.
template <class T, int K>
ALWAYS_INLINE void store_pixels(const T* row, Index width, int real, Index column, T* out) {
  if (real == K) {
    for (Index x = 0; x < width; ++x) std::memcpy(out + x * column, row + x * K, K * sizeof(T));
    return;
  }
  Index x = 0;
  if (K == 4 && real == 3 && column == 3) {  // whole vectors: the next pixel overwrites the fourth value
    for (; x + 1 < width; ++x) std::memcpy(out + x * column, row + x * K, K * sizeof(T));
  }
  for (; x < width; ++x) {
    for (int k = 0; k < real; ++k) out[x * column + k] = row[x * K + k];
  }
}

// The sums of splat_rows to numerator and denominator.
template <class T, int K>
void store_rows(const SplatParams<T>& p, Index b, Index c, Index first, Index end, const T* sums) {
  const Strides& s = p.numerator_strides;
  const int real = static_cast<int>(p.channels - c < K ? p.channels - c : K);
  const bool planar = s.column == 1;
  for (Index y = first; y < end; ++y) {
    const T* row = sums + ((y - first + 1) * (p.width + 2) + 1) * K;
    T* out = p.numerator + b * s.batch + c * s.channel + y * s.row;
    T* denominator = p.denominator + (b * p.height + y) * p.width;
    if (!planar) store_pixels<T, K>(row, p.width, real, s.column, out);
    for (int k = planar ? 0 : real & ~3; k < K && k <= real; k += 4) {
      T* planes[4];
      for (int j = 0; j < 4; ++j) {
        planes[j] = planar && k + j < real    ? out + (k + j) * s.channel
                    : c + k + j == p.channels ? denominator
                                              : nullptr;
      }
      if (planes[0] || planes[1] || planes[2] || planes[3]) store_planes<T, K>(row + k, p.width, planes);
    }
  }
}

template <class T>
void splat_band(const SplatParams<T>& p, Index b, Index c, int lanes, Index first, Index end, const Reach* reach,
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
  const int width = static_cast<int>(p.width), height = static_cast<int>(p.height), left = static_cast<int>(x);
  for (int i = 0; i < n; ++i) {
    Landing<T>& at = block->at[i];
    block->lands[i] = land<T>(left + i, static_cast<int>(y), dx[i], dy[i], width, height, &at);
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
      p.grad_weight[pixel + i] = lands ? votes[0] * s[0] + votes[1] * s[1] + votes[2] * s[2] + votes[3] * s[3] : T(0);
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
