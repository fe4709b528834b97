// The inner loops of advect_cpu.cpp; included by foreach_simd.h once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

constexpr int RUN = 64;  // columns at a time: their places and parts stay in the first-level cache

// Splits a coordinate, clamped to [0, last], into the pixel before it and the fraction beyond; NaN becomes 0.
inline void split(float at, float last, std::int32_t* before, float* part) {
  at = at > 0.0f ? at : 0.0f;
  at = at < last ? at : last;
  *before = static_cast<std::int32_t>(at);
  *part = at - static_cast<float>(*before);
}

// Row y of the flow, x and y side by side, the last pixel twice: one load has both corners of a row. [w + 1, 2].
inline void pair_row(const AdvectParams& p, Index y, float* out) {
  const Index width = p.grid_width;
  const float *across = p.velocity + y * width, *down = across + p.grid_height * width;
  for (Index x = 0; x < width; ++x) {
    out[2 * x] = across[x];
    out[2 * x + 1] = down[x];
  }
  std::memcpy(out + 2 * width, out + 2 * width - 2, 2 * sizeof(float));
}

// `pairs` are the rows of the flow, the last one twice.
inline void advect_row(const AdvectParams& p, Index y, const float* pairs) {
  using Float4 = Vector<float, 4>;
  const Index plane = p.height * p.width, pitch = 2 * (p.grid_width + 1);
  const float right = static_cast<float>(p.grid_width - 1), bottom = static_cast<float>(p.grid_height - 1);
  const float line = static_cast<float>(p.top + y);
  for (Index start = 0; start < p.width; start += RUN) {
    const int n = static_cast<int>(p.width - start < RUN ? p.width - start : RUN);
    const float *dx = p.displacement + y * p.width + start, *dy = dx + plane;
    float *x_out = p.out + y * p.width + start, *y_out = x_out + plane;
    const float first = static_cast<float>(p.left + start);
    std::int32_t column[RUN], row[RUN];
    float across[RUN], down[RUN];
    for (int i = 0; i < n; ++i) {
      split((first + static_cast<float>(i)) + dx[i], right, &column[i], &across[i]);
      split(line + dy[i], bottom, &row[i], &down[i]);
    }
    for (int i = 0; i < n; ++i) {
      const float* corner = pairs + row[i] * pitch + 2 * column[i];
      Float4 above, below;
      std::memcpy(&above, corner, sizeof(above));
      std::memcpy(&below, corner + pitch, sizeof(below));
      const Float4 side = above + down[i] * (below - above);
      x_out[i] = dx[i] + (side[0] + across[i] * (side[2] - side[0]));
      y_out[i] = dy[i] + (side[1] + across[i] * (side[3] - side[1]));
    }
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
