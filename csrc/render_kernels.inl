// The inner loops of render_cpu.cpp; included by foreach_simd.h once per instruction set.

#include "taps.inl"

namespace cinegan {
namespace CINEGAN_SIMD {

using Float4 = Vector<float, 4>;
using Float8 = Vector<float, 8>;
using Int4 = Vector<std::int32_t, 4>;
using Byte4 = Vector<std::uint8_t, 4>;

ALWAYS_INLINE Float4 load4(const float* from) { return load<float, 4>(from); }
ALWAYS_INLINE void store4(float* to, const Float4& value) { std::memcpy(to, &value, sizeof(value)); }

// Items of a coarse row that are wanted, `last` among them.
struct Span {
  Index first, last;
};

// Those under the columns from `start` on, up to `end`; pixels lie between two.
inline Span span_under(const Columns& columns, Index start, Index end, Index grid) {
  return {columns.first.data()[start], std::min<Index>(columns.first.data()[end - 1] + 1, grid - 1)};
}

// Between two rows of items of N values: those of the span, the last one twice.
template <int N>
void blend_rows(const float* above, const float* below, float part, Span span, float* out) {
  for (Index i = N * span.first; i < N * (span.last + 1); ++i) out[i] = above[i] + part * (below[i] - above[i]);
  std::memcpy(out + N * (span.last + 1), out + N * span.last, N * sizeof(float));
}

// Row `at` of a coarse plane of values.
inline void blend_plane(const float* plane, const Footing& at, Index width, Span span, float* out) {
  blend_rows<1>(plane + at.first * width, plane + at.second * width, at.part, span, out);
}

// A part's origins, x and y of both sources side by side, at row y of a level, in px of the level: out[(w + 1) * 4].
inline void blend_origins(const RenderPart& part, const float* origins, const RenderLevel& level, Index y, Span span,
                          float* out) {
  const Footing at = footing(y, level.height, part.grid_height);
  const float across = static_cast<float>(level.width) / static_cast<float>(part.grid_width),
              along = static_cast<float>(level.height) / static_cast<float>(part.grid_height);
  const Float4 scale = {across, along, across, along};
  const float *above = origins + 4 * at.first * part.grid_width, *below = origins + 4 * at.second * part.grid_width;
  for (Index x = 4 * span.first; x <= 4 * span.last; x += 4) {
    const Float4 upper = load4(above + x);
    store4(out + x, scale * (upper + at.part * (load4(below + x) - upper)));
  }
  store4(out + 4 * (span.last + 1), load4(out + 4 * span.last));
}

// A row of pixels at column x of the finer picture.
ALWAYS_INLINE Float4 pixel_at(const float* row, const Columns& columns, Index x) {
  const float* at = row + 4 * columns.first.data()[x];
  const Float4 left = load4(at);
  return left + columns.part.data()[x] * (load4(at + 4) - left);
}

// The weights of taps I and I + 1, each for the four values of its pixel.
template <int I>
ALWAYS_INLINE Float8 spread(const Float8& w) {
#ifdef CINEGAN_SHUFFLE
  return CINEGAN_SHUFFLE(w, w, I, I, I, I, I + 1, I + 1, I + 1, I + 1);
#else
  return Float8{w[I], w[I], w[I], w[I], w[I + 1], w[I + 1], w[I + 1], w[I + 1]};
#endif
}

// Where the sources of a run of pixels are read: x, y of the first, then of the second; or, where taps are outside, the
// position itself. Found for a run at a time, because finding them takes long and the sums need not wait for it.
constexpr int RUN = 64;
struct Places {
  alignas(64) float at[RUN][4];
  std::int32_t pixel[RUN][4];    // at or left of, at or above the position
  std::int32_t weights[RUN][4];  // rows of the table for the fractions
  std::int64_t inside[RUN][2];   // -1 where all taps of the source are
};

template <class K>
void find_places(const float* origins, const Columns& columns, const RenderLevel& level, Index y, Index start,
                 int count, Places* places) {
  const float first = -K::FIRST, last = K::FIRST + K::TAPS - 1;
  const float right = static_cast<float>(level.width) - last, bottom = static_cast<float>(level.height) - last;
  const Float4 least = {first, first, first, first}, most = {right, bottom, right, bottom};
  const float line = static_cast<float>(y);
  for (int i = 0; i < count; ++i) {
    const float x = static_cast<float>(start + i);
    const Float4 at = pixel_at(origins, columns, start + i) + Float4{x, line, x, line};
    const Int4 fits = (at >= least) & (at < most);
    const Float4 safe = fits ? at : least;
    const Int4 whole = __builtin_convertvector(safe, Int4);
    const Float4 fraction = safe - __builtin_convertvector(whole, Float4);
    const Int4 nearest = __builtin_convertvector(fraction * FRACTIONS + 0.5f, Int4);
    std::memcpy(places->at[i], &at, sizeof(at));
    std::memcpy(places->pixel[i], &whole, sizeof(whole));
    std::memcpy(places->weights[i], &nearest, sizeof(nearest));
    std::memcpy(places->inside[i], &fits, sizeof(fits));
  }
}

template <class K>
const float* weights_at(float fraction) {
  return WEIGHTS<K>.rows[static_cast<int>(fraction * FRACTIONS + 0.5f)];
}

// `share` of the picture around a spot whose taps all lie inside; the two halves of the sum are two parts of it.
template <class K>
ALWAYS_INLINE Float8 gather_inside(const float* corner, Index pitch, const float* across, const float* along,
                                   float share) {
  Float8 sums[2][K::TAPS / 2];
  for (int j = 0; j < K::TAPS; ++j, corner += pitch) {
    for (int k = 0; k < K::TAPS / 2; ++k) {
      const Float8 part = load<float, 8>(corner + 8 * k) * along[j];
      sums[j % 2][k] = j < 2 ? part : sums[j % 2][k] + part;
    }
  }
  const Float8 weights = load<float, 8>(across) * share;
  Float8 sum = (sums[0][0] + sums[1][0]) * spread<0>(weights) + (sums[0][1] + sums[1][1]) * spread<2>(weights);
  if constexpr (K::TAPS == 6) sum += (sums[0][2] + sums[1][2]) * spread<4>(weights);
  return sum;
}

// The same for any position, mirrored at the border; nothing when it is not finite.
template <class K>
Float4 gather_border(const RenderLevel& level, float x, float y, float share) {
  Index left, above, columns[K::TAPS];
  float right, down;
  Float4 sum = {};
  if (!locate(x, level.width, REFLECT, &left, &right) || !locate(y, level.height, REFLECT, &above, &down)) return sum;
  const float *across = weights_at<K>(right), *along = weights_at<K>(down);
  for (int k = 0; k < K::TAPS; ++k) {
    columns[k] = 4 * border_index(left + K::FIRST + k, level.width, REFLECT);
  }
  for (int j = 0; j < K::TAPS; ++j) {
    const Index row = border_index(above + K::FIRST + j, level.height, REFLECT);
    Float4 line = {};
    for (int k = 0; k < K::TAPS; ++k) line += load4(level.pixels + 4 * level.pitch * row + columns[k]) * across[k];
    sum += line * (share * along[j]);
  }
  return sum;
}

// A row of values at the columns from `start` on; 1 without a row.
inline void values_of_run(const float* row, const Columns& columns, Index start, int count, float out[RUN]) {
  if (!row) {
    std::fill(out, out + RUN, 1.0f);
    return;
  }
  float left[RUN], right[RUN], part[RUN];
  const std::int32_t* first = columns.first.data() + start;
  for (int i = 0; i < count; ++i) {
    left[i] = row[first[i]];
    right[i] = row[first[i] + 1];
  }
  std::memcpy(part, columns.part.data() + start, static_cast<std::size_t>(count) * sizeof(float));
  for (int i = 0; i < count; ++i) out[i] = left[i] + part[i] * (right[i] - left[i]);
}

// What is made of the sources' sum at a run of pixels: times `gain`, and of the level below `weight` times a pixel.
struct Mix {
  alignas(64) float gain[RUN], weight[RUN];
  const float* base;  // the row of the level below, or null
};

// Adds the sources' shares at a run of pixels to out [count, 4], where `region` is not 0.
template <class K>
void gather_run(const RenderLevel& level, const Places& places, const std::uint8_t* region, int count,
                const float shares[2], const Mix& mix, const Columns& base, Index start, float* out) {
  const Index pitch = 4 * level.pitch;
  const float* first = level.pixels + K::FIRST * (pitch + 4);
  const float* table = WEIGHTS<K>.rows[0];
  for (int i = 0; i < count; ++i) {
    if (!region[i]) continue;
    const std::int32_t *pixel = places.pixel[i], *weights = places.weights[i];
    Float8 inner = {};
    if (places.inside[i][0] == -1 && shares[0] != 0.0f) {
      inner = gather_inside<K>(first + pixel[1] * pitch + 4 * pixel[0], pitch, table + 8 * weights[0],
                               table + 8 * weights[1], shares[0]);
    }
    if (places.inside[i][1] == -1 && shares[1] != 0.0f) {
      inner += gather_inside<K>(first + pixel[3] * pitch + 4 * pixel[2], pitch, table + 8 * weights[2],
                                table + 8 * weights[3], shares[1]);
    }
    Float4 halves[2];
    std::memcpy(halves, &inner, sizeof(inner));
    Float4 value = load4(out + 4 * i) + mix.gain[i] * (halves[0] + halves[1]);
    if (mix.base) value += mix.weight[i] * pixel_at(mix.base, base, start + i);
    store4(out + 4 * i, value);
  }
  for (int i = 0; i < count; ++i) {
    for (int s = 0; s < 2; ++s) {
      if (places.inside[i][s] == -1 || !region[i] || shares[s] == 0.0f) continue;
      const float* at = places.at[i] + 2 * s;
      store4(out + 4 * i, load4(out + 4 * i) + mix.gain[i] * gather_border<K>(level, at[0], at[1], shares[s]));
    }
  }
}

// The first and one past the last byte that is not 0 in [0, end); both `end` where there is none.
inline std::pair<Index, Index> bounds_of(const std::uint8_t* bytes, Index end) {
  const auto any = [&](Index at) {
    std::uint64_t eight;
    std::memcpy(&eight, bytes + at, sizeof(eight));
    return eight != 0;
  };
  Index start = 0, last = end;
  while (start + 8 <= end && !any(start)) start += 8;
  while (start < end && !bytes[start]) ++start;
  while (last - 8 >= start && !any(last - 8)) last -= 8;
  while (last > start && !bytes[last - 1]) --last;
  return {start, last};
}

// Adds row y of level k of part i to out [width, 4]; `base_first` is the row of the level below that its rows begin
// with.
inline void render_row(const RenderParams& p, const PartColumns& columns, std::size_t i, std::size_t k, Index y,
                       Index base_first, RenderScratch& s, float* out) {
  const RenderPart& part = p.parts[i];
  const RenderLevel& level = p.levels[k];
  const bool finest = k + 1 == p.levels.size();
  const std::uint8_t* region = part.regions[k] + y * level.width;
  const auto [start, end] = bounds_of(region, level.width);
  if (start == end) return;
  const auto under = [&, from = start, to = end](const Columns& c, Index grid) {
    return span_under(c, from, to, grid);
  };
  blend_origins(part, columns.origins.data(), level, y, under(columns.grid[k], part.grid_width), s.origins.data());
  const float *gain = nullptr, *weight = nullptr;
  Mix mix;
  mix.base = nullptr;
  if (part.gains) {
    const Index plane = part.gain_height * part.gain_width;
    blend_plane(part.gains + static_cast<Index>(k) * plane, footing(y, level.height, part.gain_height), part.gain_width,
                under(columns.gain[k], part.gain_width), s.gain.data());
    gain = s.gain.data();
  }
  if (part.gains && k > 0) {
    const Index below = p.levels[k - 1].width;
    const Footing at = footing(y, level.height, p.levels[k - 1].height);
    const float* rows = s.bases[i * p.levels.size() + k - 1].data();
    blend_rows<4>(rows + 4 * below * (at.first - base_first), rows + 4 * below * (at.second - base_first), at.part,
                  under(columns.base[k], below), s.base.data());
    mix.base = s.base.data();
  }
  if (part.weight && finest) {
    blend_plane(part.weight, footing(y, level.height, part.weight_height), part.weight_width,
                under(columns.weight, part.weight_width), s.weight.data());
    weight = s.weight.data();
  }
  Places places;
  for (Index x = start; x < end; x += RUN) {
    const int count = static_cast<int>(std::min<Index>(RUN, end - x));
    values_of_run(weight, columns.weight, x, count, mix.weight);
    values_of_run(gain, columns.gain[k], x, count, mix.gain);
    for (int j = 0; j < count; ++j) mix.gain[j] *= mix.weight[j];
    const auto add = [&](auto kernel) {
      using K = decltype(kernel);
      find_places<K>(s.origins.data(), columns.grid[k], level, y, x, count, &places);
      gather_run<K>(level, places, region + x, count, part.shares.data(), mix, columns.base[k], x, out + 4 * x);
    };
    if (finest) {
      add(Omoms{});
    } else {
      add(Bicubic{});
    }
  }
}

// The layer's row to floats, or over the photo to bytes.
inline void finish_row(const RenderParams& p, Index y, const float* row) {
  const Index width = p.levels.back().width, height = p.levels.back().height;
  if (!p.anchor) {
    for (Index c = 0; c < 3; ++c) {
      float* out = p.floats + (c * height + y) * width;
      for (Index x = 0; x < width; ++x) out[x] = row[4 * x + c];
    }
    return;
  }
  const std::int16_t* anchor = p.anchor + 4 * width * y;
  std::uint8_t* out = p.bytes + 3 * width * y;
  std::memcpy(out, p.photo + 3 * width * y, static_cast<std::size_t>(3 * width));
  // Added to a number below 2^22, the number's nearest integer, halves to even, is the low bits of the sum.
  const Float4 most = {255.0f, 255.0f, 255.0f, 255.0f}, round = {0x1.8p23f, 0x1.8p23f, 0x1.8p23f, 0x1.8p23f};
  const auto moves = [&](Index x) { return anchor[4 * x + 3] != 0; };
  bool spilled = false;  // pixels are stored as four bytes: the last one belongs to the next pixel
  for (Index x = 0; x < width; ++x) {
    while (!spilled && x + 4 < width && !(moves(x) | moves(x + 1) | moves(x + 2) | moves(x + 3))) x += 4;
    if (!moves(x)) {
      if (spilled) std::memcpy(out + 3 * x, p.photo + 3 * (width * y + x), 3);
      spilled = false;
      continue;
    }
    const Float4 from = __builtin_convertvector(load<std::int16_t, 4>(anchor + 4 * x), Float4) * (1.0f / ANCHOR_STEPS);
    Float4 value = from + from[3] * load4(row + 4 * x);
    value = value > Float4{} ? value : Float4{};  // NaN becomes 0
    value = (value < most ? value : most) + round;
    Int4 bits;
    std::memcpy(&bits, &value, sizeof(bits));
    const Byte4 bytes = __builtin_convertvector(bits, Byte4);
    spilled = x + 1 < width;
    std::memcpy(out + 3 * x, &bytes, spilled ? 4 : 3);
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
