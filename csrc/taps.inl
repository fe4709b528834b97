// The taps of sample.h as short vectors; included by the *_kernels.inl that gather, once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

// Lanes that hold a kernel's taps along x. Lanes beyond the taps have weight 0 and are masked out, so that a pixel
// there cannot spoil the sum even when it is not finite.
template <class K>
constexpr int LANES = K::TAPS <= 4 ? 4 : 8;

template <class K, class T>
struct LaneTable {
  alignas(64) T rows[K::DEGREE + 1][LANES<K>] = {};
  constexpr LaneTable() {
    for (int j = 0; j <= K::DEGREE; ++j) {
      for (int k = 0; k < K::TAPS; ++k) rows[j][k] = static_cast<T>(K::coefficient(j, k));
    }
  }
};
template <class K, class T>
constexpr LaneTable<K, T> LANE_TABLE{};

template <class T, int N>
ALWAYS_INLINE Vector<T, N> load(const T* from) {
  Vector<T, N> value;
  std::memcpy(&value, from, sizeof(value));
  return value;
}

template <class K, class T>
ALWAYS_INLINE void lane_weights(T t, Vector<T, LANES<K>>* weights) {
  if constexpr (std::is_same<T, float>::value || !std::is_same<K, Lanczos3>::value) {
    Vector<T, LANES<K>> sum = load<T, LANES<K>>(LANE_TABLE<K, T>.rows[K::DEGREE]);
    for (int j = K::DEGREE - 1; j >= 0; --j) sum = sum * t + load<T, LANES<K>>(LANE_TABLE<K, T>.rows[j]);
    *weights = sum;
  } else {
    T taps[LANES<K>] = {};
    weights_of<K, T>(t, taps);
    *weights = load<T, LANES<K>>(taps);
  }
}

template <class T>
ALWAYS_INLINE T sum_lanes(const Vector<T, 4>& v) {
  return (v[0] + v[2]) + (v[1] + v[3]);
}
template <class T>
ALWAYS_INLINE T sum_lanes(const Vector<T, 8>& v) {
  return ((v[0] + v[1]) + (v[2] + v[3])) + ((v[4] + v[5]) + (v[6] + v[7]));
}

// sums[i] = the sum of the lanes of v[i]: for all vectors at once a third of the shuffles of one by one.
template <class T>
ALWAYS_INLINE void sum_all_lanes(const Vector<T, 4> v[4], T sums[4]) {
#ifdef CINEGAN_SHUFFLE
  const Vector<T, 4> ab = CINEGAN_SHUFFLE(v[0], v[1], 0, 4, 2, 6) + CINEGAN_SHUFFLE(v[0], v[1], 1, 5, 3, 7);
  const Vector<T, 4> cd = CINEGAN_SHUFFLE(v[2], v[3], 0, 4, 2, 6) + CINEGAN_SHUFFLE(v[2], v[3], 1, 5, 3, 7);
  const Vector<T, 4> all = CINEGAN_SHUFFLE(ab, cd, 0, 1, 4, 5) + CINEGAN_SHUFFLE(ab, cd, 2, 3, 6, 7);
  std::memcpy(sums, &all, sizeof(all));
#else
  for (int i = 0; i < 4; ++i) sums[i] = sum_lanes<T>(v[i]);
#endif
}
template <class T>
ALWAYS_INLINE void sum_all_lanes(const Vector<T, 8> v[8], T sums[8]) {
#ifdef CINEGAN_SHUFFLE
  Vector<T, 8> pairs[4], quads[2];
  for (int i = 0; i < 4; ++i) {
    pairs[i] = CINEGAN_SHUFFLE(v[2 * i], v[2 * i + 1], 0, 8, 2, 10, 4, 12, 6, 14) +
               CINEGAN_SHUFFLE(v[2 * i], v[2 * i + 1], 1, 9, 3, 11, 5, 13, 7, 15);
  }
  for (int i = 0; i < 2; ++i) {
    quads[i] = CINEGAN_SHUFFLE(pairs[2 * i], pairs[2 * i + 1], 0, 1, 8, 9, 4, 5, 12, 13) +
               CINEGAN_SHUFFLE(pairs[2 * i], pairs[2 * i + 1], 2, 3, 10, 11, 6, 7, 14, 15);
  }
  const Vector<T, 8> all = CINEGAN_SHUFFLE(quads[0], quads[1], 0, 1, 2, 3, 8, 9, 10, 11) +
                           CINEGAN_SHUFFLE(quads[0], quads[1], 4, 5, 6, 7, 12, 13, 14, 15);
  std::memcpy(sums, &all, sizeof(all));
#else
  for (int i = 0; i < 8; ++i) sums[i] = sum_lanes<T>(v[i]);
#endif
}

// Sets the lanes beyond the taps to 0, whatever they are.
template <class K, class T>
ALWAYS_INLINE void mask_lanes(Vector<T, LANES<K>>* v) {
  if constexpr (K::TAPS < LANES<K>) {
    using Bits = typename std::conditional<sizeof(T) == 4, std::int32_t, std::int64_t>::type;
    static_assert(LANES<K> == 8 && K::TAPS == 6, "the mask is written for 6 of 8 lanes");
    const Vector<Bits, 8> mask = {-1, -1, -1, -1, -1, -1, 0, 0};
    Vector<Bits, 8> bits;
    std::memcpy(&bits, v, sizeof(bits));
    bits &= mask;
    std::memcpy(v, &bits, sizeof(bits));
  }
}

// Where one position's taps lie.
template <class K, class T>
struct Taps {
  Index x, y;                             // the pixel at or left of and above the position
  T right, down;                          // the fractions beyond it
  T across[LANES<K>];                     // weights along x
  T along[LANES<K>];                      // weights along y
  Index columns[K::TAPS], rows[K::TAPS];  // pixels that the taps read, when near the border
};

// True when the taps, with the unused lanes, lie inside the picture.
template <class K>
ALWAYS_INLINE bool inside(Index x, Index y, Index height, Index width) {
  return x + K::FIRST >= 0 && x + K::FIRST + LANES<K> <= width && y + K::FIRST >= 0 && y + K::FIRST + K::TAPS <= height;
}

template <class K, class T>
ALWAYS_INLINE void weigh_taps(T right, T down, T across[], T along[]) {
  Vector<T, LANES<K>> weights;
  lane_weights<K, T>(right, &weights);
  std::memcpy(across, &weights, sizeof(weights));
  lane_weights<K, T>(down, &weights);
  std::memcpy(along, &weights, sizeof(weights));
}

// Fills in the weights and the pixels that located taps read.
template <class K, class T>
ALWAYS_INLINE void settle_taps(Index height, Index width, int border, Taps<K, T>* taps) {
  for (int k = 0; k < K::TAPS; ++k) {
    taps->columns[k] = border_index(taps->x + K::FIRST + k, width, border);
    taps->rows[k] = border_index(taps->y + K::FIRST + k, height, border);
  }
  weigh_taps<K, T>(taps->right, taps->down, taps->across, taps->along);
}

template <class K, class T>
ALWAYS_INLINE bool locate_taps(T x, T y, Index height, Index width, int border, Taps<K, T>* taps) {
  return locate(x, width, border, &taps->x, &taps->right) && locate(y, height, border, &taps->y, &taps->down);
}

// Positions whose taps lie inside the picture, gathered together. The planes of a block are read one after the other,
// not the channels of a pixel: when rows are 4096 bytes apart, as in a picture 1024 wide, all rows of a column fall
// into one set of the first-level cache, which holds the 6 rows of one plane but not the 18 of three (5 times slower).
constexpr int BLOCK = 64;
template <class K, class T>
struct TapBlock {
  int count = 0;
  std::int32_t pixel[BLOCK];  // output column
  Index corner[BLOCK];        // offset of the first tap in a plane
  alignas(64) T across[BLOCK][LANES<K>];
  alignas(64) T along[BLOCK][LANES<K>];
};

// sums[i] = the weighted sum over the taps of position i in one plane whose rows are contiguous and `row` apart.
template <class K, class T>
ALWAYS_INLINE void gather_block(const T* plane, Index row, TapBlock<K, T>* block, T sums[BLOCK]) {
  constexpr int N = LANES<K>;
  // The last group is filled up with its first position.
  for (int i = block->count; i % N != 0; ++i) block->corner[i] = block->corner[i / N * N];
  for (int i = 0; i < block->count; i += N) {
    Vector<T, N> group[N];
    for (int g = 0; g < N; ++g) {
      const T *corner = plane + block->corner[i + g], *along = block->along[i + g];
      Vector<T, N> sum = load<T, N>(corner) * along[0];
      for (int j = 1; j < K::TAPS; ++j) sum += load<T, N>(corner + j * row) * along[j];
      sum *= load<T, N>(block->across[i + g]);
      mask_lanes<K, T>(&sum);
      group[g] = sum;
    }
    sum_all_lanes<T>(group, sums + i);
  }
}

// Adds a located position whose taps lie inside to the block.
template <class K, class T>
ALWAYS_INLINE void push(TapBlock<K, T>* block, const Taps<K, T>& taps, Index row, Index pixel) {
  const int i = block->count++;
  block->pixel[i] = static_cast<std::int32_t>(pixel);
  block->corner[i] = (taps.y + K::FIRST) * row + taps.x + K::FIRST;
  weigh_taps<K, T>(taps.right, taps.down, block->across[i], block->along[i]);
}

// Weighted sum over the taps of one plane anywhere, any strides.
template <class K, class T>
T gather_border(const T* plane, const Strides& s, const Taps<K, T>& taps, const T along[], const T across[]) {
  T sum = 0;
  for (int j = 0; j < K::TAPS; ++j) {
    T line = 0;
    for (int k = 0; k < K::TAPS; ++k) line += across[k] * plane[taps.rows[j] * s.row + taps.columns[k] * s.column];
    sum += along[j] * line;
  }
  return sum;
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
