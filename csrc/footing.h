// Where the rows and columns of a picture lie on a coarser grid that covers the same area: half-pixel centres, clamped.
#pragma once

#include <algorithm>
#include <vector>

#include "common.h"

namespace cinegan {

// Between two rows (or columns) of the grid.
struct Footing {
  Index first, second;
  float part;
};

inline Footing footing(Index at, Index size, Index grid) {
  const float scale = static_cast<float>(grid) / static_cast<float>(size);
  const float place = std::max(0.0f, (static_cast<float>(at) + 0.5f) * scale - 0.5f);
  const Index first = std::min<Index>(static_cast<Index>(place), grid - 1);
  return {first, std::min(first + 1, grid - 1), first == grid - 1 ? 0.0f : place - static_cast<float>(first)};
}

// The same for every column of the picture, made once.
struct Columns {
  std::vector<std::int32_t> first;
  std::vector<float> part;
  Columns() = default;
  Columns(Index width, Index grid) : first(static_cast<std::size_t>(width)), part(static_cast<std::size_t>(width)) {
    for (Index x = 0; x < width; ++x) {
      const Footing at = footing(x, width, grid);
      first[static_cast<std::size_t>(x)] = static_cast<std::int32_t>(at.first);
      part[static_cast<std::size_t>(x)] = at.part;
    }
  }
};

}  // namespace cinegan
