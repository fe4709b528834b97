// The inner loop of advect_cpu.cpp; included by foreach_simd.h once per instruction set.

namespace cinegan {
namespace CINEGAN_SIMD {

constexpr int RUN = 64;  // columns at a time: their corners and weights stay in registers and the first-level cache

// Splits a coordinate, clamped to [0, last], into the pixel before it and the fraction beyond; NaN becomes 0.
inline void split(float at, float last, std::int32_t* before, float* part) {
  at = at > 0.0f ? at : 0.0f;
  at = at < last ? at : last;
  *before = static_cast<std::int32_t>(at);
  *part = at - static_cast<float>(*before);
}

inline void advect_row(const AdvectParams& p, Index y) {
  const Index plane = p.height * p.width, field = p.grid_height * p.grid_width;
  const float right = static_cast<float>(p.grid_width - 1), bottom = static_cast<float>(p.grid_height - 1);
  const float line = static_cast<float>(p.top + y);
  const std::int32_t width = static_cast<std::int32_t>(p.grid_width);
  for (Index start = 0; start < p.width; start += RUN) {
    const int n = static_cast<int>(p.width - start < RUN ? p.width - start : RUN);
    const float *dx = p.displacement + y * p.width + start, *dy = dx + plane;
    const float first = static_cast<float>(p.left + start);
    std::int32_t above[RUN], below[RUN], step[RUN];
    float across[RUN], down[RUN];
    for (int i = 0; i < n; ++i) {
      std::int32_t x, row;
      split((first + static_cast<float>(i)) + dx[i], right, &x, &across[i]);
      split(line + dy[i], bottom, &row, &down[i]);
      above[i] = row * width + x;
      below[i] = above[i] + (down[i] > 0.0f ? width : 0);
      step[i] = across[i] > 0.0f ? 1 : 0;
    }
    for (int c = 0; c < 2; ++c) {
      const float* v = p.velocity + c * field;
      const float* from = p.displacement + c * plane + y * p.width + start;
      float* out = p.out + c * plane + y * p.width + start;
      for (int i = 0; i < n; ++i) {
        const float top = v[above[i]] + across[i] * (v[above[i] + step[i]] - v[above[i]]);
        const float low = v[below[i]] + across[i] * (v[below[i] + step[i]] - v[below[i]]);
        out[i] = from[i] + (top + down[i] * (low - top));
      }
    }
  }
}

}  // namespace CINEGAN_SIMD
}  // namespace cinegan
