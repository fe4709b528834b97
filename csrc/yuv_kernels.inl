// The inner loops of yuv_cpu.cpp; included by foreach_simd.h once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

// Row y of the picture as three rows, `pitch` apart, of one colour each; beyond its ends their values again.
inline void split_row(const YuvParams& p, Index y, Index pitch, std::int16_t* out) {
  const std::uint8_t* from = p.rgb + 3 * p.width * y;
  std::int16_t *red = out + BEFORE, *green = red + pitch, *blue = green + pitch;
  for (Index x = 0; x < p.width; ++x) {
    red[x] = from[3 * x];
    green[x] = from[3 * x + 1];
    blue[x] = from[3 * x + 2];
  }
  for (std::int16_t* plane : {red, green, blue}) {
    plane[-1] = plane[0];
    plane[p.width] = plane[p.width + 1] = plane[p.width - 1];
  }
}

// 16 + 219 (0.2126 R + 0.7152 G + 0.0722 B) / 255, rounded.
inline void luma_row(const YuvParams& p, Index y, Index pitch, const std::int16_t* split) {
  const std::int16_t *red = split + BEFORE, *green = red + pitch, *blue = green + pitch;
  const Index width = p.width;  // what is behind p could change with every byte stored
  std::uint8_t* out = p.out + width * y;
  for (Index x = 0; x < width; ++x) {
    // 73 sum / 425000: the quotient by float32, at most one off, set right by its remainder. No division of integers,
    // which has no vectors.
    const std::int32_t sum = 1063 * red[x] + 3576 * green[x] + 361 * blue[x];
    const std::int32_t near = static_cast<std::int32_t>(static_cast<float>(sum) * (73.0f / 425000.0f) + 0.5f);
    const std::int32_t rest = 73 * sum + 212500 - 425000 * near;
    out[x] = static_cast<std::uint8_t>(16 + near + (rest >= 425000) - (rest < 0));
  }
}

// 128 + 224 c / 255, c a difference of colours of which `sum` is 10000 * 256 / `scale`.
ALWAYS_INLINE std::uint8_t chroma(std::int32_t sum, float scale) {
  const float value = static_cast<float>(sum) * scale + 128.5f;
  return static_cast<std::uint8_t>(static_cast<std::int32_t>(value < 0.0f ? 0.0f : value > 255.0f ? 255.0f : value));
}

// Row y of the two planes of chroma, from four rows of the picture; `mixed` is one row more.
inline void chroma_row(const YuvParams& p, Index y, Index pitch, const std::int16_t* const rows[4],
                       std::int16_t* mixed) {
  for (Index x = 0; x < 3 * pitch; ++x) {
    mixed[x] = static_cast<std::int16_t>(9 * (rows[1][x] + rows[2][x]) - (rows[0][x] + rows[3][x]));
  }
  const Index height = (p.height + 1) / 2, width = (p.width + 1) / 2;
  std::uint8_t *blue_out = p.out + p.height * p.width + width * y, *red_out = blue_out + height * width;
  const std::int16_t *red = mixed + BEFORE, *green = red + pitch, *blue = green + pitch;
  const auto across = [](const std::int16_t* v) { return 9 * (v[0] + v[1]) - (v[-1] + v[2]); };
  for (Index x = 0; x < width; ++x) {
    const std::int32_t r = across(red + 2 * x), g = across(green + 2 * x), b = across(blue + 2 * x);
    const std::int32_t luma = 2126 * r + 7152 * g + 722 * b;
    blue_out[x] = chroma(10000 * b - luma, 224.0f / (255.0f * 256.0f * 18556.0f));
    red_out[x] = chroma(10000 * r - luma, 224.0f / (255.0f * 256.0f * 15748.0f));
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
