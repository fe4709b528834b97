// CPU render. A task is a strip of rows: the rows of every coarser level that it rests on, then its own, stay in the
// second-level cache; nothing of the frame's size is made but the frame. Rows depend on nothing but the inputs, so that
// the bits are the same for any strips and threads.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>
#include <utility>
#include <vector>

#include "footing.h"
#include "parallel.h"
#include "render.h"
#include "sample.h"
#include "vector.h"

namespace cinegan {
namespace {

constexpr Index STRIP = 32;  // rows of the frame
// Steps between two pixels in the table of weights. Positions are rounded to them: 1/512 px at most.
constexpr int FRACTIONS = 256;

template <class K>
struct WeightTable {
  alignas(64) float rows[FRACTIONS + 1][8] = {};  // the taps', and zeros
  WeightTable() {
    for (int i = 0; i <= FRACTIONS; ++i) weights_of<K, float>(static_cast<float>(i) / FRACTIONS, rows[i]);
  }
};
template <class K>
const WeightTable<K> WEIGHTS;

struct Rows {
  Index first, end;
};

// One part's columns on the coarse planes, per level, and its origins with their four planes side by side.
struct PartColumns {
  std::vector<float> origins;             // [h, w, 4]
  std::vector<Columns> grid, gain, base;  // base: of the level below, empty for the coarsest
  Columns weight;                         // of the finest level
};

struct RenderTables {
  std::vector<PartColumns> parts;
  Index widest = 0;  // of the coarse planes
};

RenderTables make_tables(const RenderParams& p) {
  RenderTables tables;
  const std::size_t finest = p.levels.size() - 1;
  for (const RenderPart& part : p.parts) {
    PartColumns columns;
    const Index plane = part.grid_height * part.grid_width;
    columns.origins.resize(static_cast<std::size_t>(4 * plane));
    for (Index x = 0; x < plane; ++x) {
      for (Index i = 0; i < 4; ++i) columns.origins[static_cast<std::size_t>(4 * x + i)] = part.origins[i * plane + x];
    }
    for (std::size_t k = 0; k <= finest; ++k) {
      const Index width = p.levels[k].width;
      columns.grid.emplace_back(width, part.grid_width);
      columns.gain.push_back(part.gains ? Columns(width, part.gain_width) : Columns());
      columns.base.push_back(k > 0 && part.gains ? Columns(width, p.levels[k - 1].width) : Columns());
    }
    if (part.weight) columns.weight = Columns(p.levels[finest].width, part.weight_width);
    tables.widest = std::max(
        {tables.widest, part.grid_width, part.gains ? part.gain_width : 0, part.weight ? part.weight_width : 0});
    tables.parts.push_back(std::move(columns));
  }
  for (const RenderLevel& level : p.levels) tables.widest = std::max(tables.widest, level.width);
  return tables;
}

// One worker's memory: for every part and every level but the finest the rows that a strip rests on.
struct RenderScratch {
  std::vector<std::vector<float>> bases;    // [part * levels + level]: [rows, width, 4]
  std::vector<float> origins, base, frame;  // rows of pixels
  std::vector<float> gain, weight;          // rows of values
};

}  // namespace
}  // namespace cinegan

#define CINEGAN_KERNELS "render_kernels.inl"
#include "foreach_simd.h"

namespace cinegan {
namespace {

// The rows of each level under rows of the frame.
std::vector<Rows> rows_under(const RenderParams& p, Rows rows) {
  std::vector<Rows> under(p.levels.size(), rows);
  for (std::size_t k = p.levels.size() - 1; k > 0; --k) {
    const Index height = p.levels[k].height, below = p.levels[k - 1].height;
    under[k - 1] = {footing(under[k].first, height, below).first, footing(under[k].end - 1, height, below).second + 1};
  }
  return under;
}

void render_strip(const RenderParams& p, const RenderTables& tables, Rows rows, RenderScratch& s) {
  const std::vector<Rows> under = rows_under(p, rows);
  const std::size_t finest = p.levels.size() - 1, row = static_cast<std::size_t>(tables.widest + 1);
  s.bases.resize(p.parts.size() * p.levels.size());
  for (auto* values : {&s.origins, &s.base, &s.frame}) values->resize(4 * row);
  for (auto* values : {&s.gain, &s.weight}) values->resize(row);
  for (std::size_t i = 0; i < p.parts.size(); ++i) {
    if (!p.parts[i].gains) continue;
    for (std::size_t k = 0; k < finest; ++k) {
      std::vector<float>& out = s.bases[i * p.levels.size() + k];
      const Index width = p.levels[k].width;
      out.assign(static_cast<std::size_t>(4 * width * (under[k].end - under[k].first)), 0.0f);
      for (Index y = under[k].first; y < under[k].end; ++y) {
        float* to = out.data() + 4 * width * (y - under[k].first);
        CINEGAN_DISPATCH(p.simd, render_row, p, tables.parts[i], i, k, y, k > 0 ? under[k - 1].first : 0, s, to);
      }
    }
  }
  for (Index y = rows.first; y < rows.end; ++y) {
    std::fill(s.frame.begin(), s.frame.end(), 0.0f);
    for (std::size_t i = 0; i < p.parts.size(); ++i) {
      const Index base_first = finest > 0 ? under[finest - 1].first : 0;
      CINEGAN_DISPATCH(p.simd, render_row, p, tables.parts[i], i, finest, y, base_first, s, s.frame.data());
    }
    CINEGAN_DISPATCH(p.simd, finish_row, p, y, s.frame.data());
  }
}

}  // namespace

void render_cpu(const RenderParams& p) {
  const Index height = p.levels.back().height;
  const RenderTables tables = make_tables(p);
  const Index strips = (height + STRIP - 1) / STRIP;
  std::vector<RenderScratch> scratch(static_cast<std::size_t>(workers_for(strips, p.threads)));
  parallel_for(strips, p.threads, [&](Index strip, int worker) {
    const Rows rows = {strip * STRIP, std::min(height, (strip + 1) * STRIP)};
    render_strip(p, tables, rows, scratch[static_cast<std::size_t>(worker)]);
  });
}

}  // namespace cinegan
