// The Python module cinegan_cli._C: addresses, sizes and strides in; no tensors, so that no version of PyTorch is built
// in. Types, devices, shapes and layouts are checked by cinegan_cli/ops; what protects memory is checked here again.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <array>
#include <limits>
#include <stdexcept>
#include <string>
#include <tuple>
#include <utility>
#include <vector>

#include "advect.h"
#include "composite.h"
#include "device.h"
#include "joint_sample.h"
#include "parallel.h"
#include "render.h"
#include "sample.h"
#include "splat.h"
#include "yuv.h"

namespace py = pybind11;

namespace cinegan {
namespace {

using Address = std::uintptr_t;
using Sizes = std::array<Index, 4>;
using Grid = std::array<Index, 2>;

template <class T>
T* pointer(Address address) {
  return reinterpret_cast<T*>(address);
}

void require(bool holds, const char* message) {
  if (!holds) throw std::invalid_argument(message);
}

Strides strides_of(const Sizes& s) {
  require(s[1] == 1 || s[3] == 1, "strides must have channel or column equal to 1");
  return {s[0], s[1], s[2], s[3]};
}

// float32 tells pixels apart up to here, and the kernels number columns and rows in 32 bits.
constexpr Index MOST_SIDE = Index(1) << 24;

// The last two of `sizes` are height and width.
template <class N>
void require_sizes(const N& sizes, Index most_side = MOST_SIDE) {
  Index bytes = 2 * sizeof(double);  // a displacement or a position is the most that a pixel has in one plane
  for (Index size : sizes) {
    require(size >= 0, "sizes must be 0 or more");
    if (size > 0 && __builtin_mul_overflow(bytes, size, &bytes)) {
      throw std::invalid_argument("sizes must be of an array that memory can hold");
    }
  }
  if (sizes[sizes.size() - 2] > most_side || sizes.back() > most_side) {
    throw std::invalid_argument("height and width must be at most " + std::to_string(most_side) + " px");
  }
}

// Of a list of positions, which has no shape to speak of.
constexpr Index MOST_POSITIONS = std::numeric_limits<std::int32_t>::max();

int simd_of(int simd) {
  require(simd >= SIMD_BASELINE && simd <= best_simd(), "simd must be a level that this processor runs");
  return simd;
}

// Calls the operator `name` for the CPU or on a stream of a card.
#ifdef CINEGAN_CUDA
#define RUN_ON(name, p) cuda ? name##_cuda(p, pointer<void>(stream)) : name##_cpu(p)
#else
#define RUN_ON(name, p)                                                          \
  do {                                                                           \
    (void)stream;                                                                \
    if (cuda) throw std::runtime_error("cinegan_cli._C was built without CUDA"); \
    name##_cpu(p);                                                               \
  } while (false)
#endif

template <class T>
struct Run {
  static void splat(const std::array<Address, 5>& a, const Sizes& sizes, const Sizes& from, const Sizes& to,
                    int threads, int simd, Address stream, bool cuda) {
    require_sizes(sizes);
    const SplatParams<T> p = {sizes[0],
                              sizes[1],
                              sizes[2],
                              sizes[3],
                              pointer<T>(a[0]),
                              strides_of(from),
                              pointer<T>(a[1]),
                              pointer<T>(a[2]),
                              pointer<T>(a[3]),
                              strides_of(to),
                              pointer<T>(a[4]),
                              threads,
                              cuda ? 0 : simd_of(simd)};
    RUN_ON(splat, p);
  }

  static void splat_grad(const std::array<Address, 8>& a, const Sizes& sizes, const Sizes& strides, int threads,
                         int simd, Address stream, bool cuda) {
    require_sizes(sizes);
    const SplatGradParams<T> p = {
        sizes[0],         sizes[1],         sizes[2],         sizes[3],         pointer<T>(a[0]),
        pointer<T>(a[1]), pointer<T>(a[2]), pointer<T>(a[3]), pointer<T>(a[4]), strides_of(strides),
        pointer<T>(a[5]), pointer<T>(a[6]), pointer<T>(a[7]), threads,          cuda ? 0 : simd_of(simd)};
    RUN_ON(splat_grad, p);
  }

  static void sample(const std::array<Address, 3>& a, const Sizes& sizes, const Grid& grid, const Sizes& from,
                     const Sizes& to, int kernel, int border, int threads, int simd, Address stream, bool cuda) {
    require_sizes(sizes);
    require_sizes(grid, MOST_POSITIONS);
    require(sizes[2] > 0 && sizes[3] > 0, "image must have at least one pixel");
    const SampleParams<T> p = {
        sizes[0],       sizes[1],         sizes[2],         sizes[3],         grid[0],
        grid[1],        pointer<T>(a[0]), strides_of(from), pointer<T>(a[1]), pointer<T>(a[2]),
        strides_of(to), kernel,           border,           threads,          cuda ? 0 : simd_of(simd)};
    RUN_ON(sample, p);
  }

  static void sample_grad(const std::array<Address, 5>& a, const Sizes& sizes, const Grid& grid, const Sizes& from,
                          const Sizes& to, int kernel, int border, int threads, int simd, Address stream, bool cuda) {
    require_sizes(sizes);
    require_sizes(grid, MOST_POSITIONS);
    require(sizes[2] > 0 && sizes[3] > 0, "image must have at least one pixel");
    const SampleGradParams<T> p = {sizes[0],
                                   sizes[1],
                                   sizes[2],
                                   sizes[3],
                                   grid[0],
                                   grid[1],
                                   pointer<T>(a[0]),
                                   strides_of(from),
                                   pointer<T>(a[1]),
                                   pointer<T>(a[2]),
                                   strides_of(to),
                                   pointer<T>(a[3]),
                                   pointer<T>(a[4]),
                                   kernel,
                                   border,
                                   threads,
                                   cuda ? 0 : simd_of(simd)};
    RUN_ON(sample_grad, p);
  }
};

void joint_sample(const std::array<Address, 6>& a, const std::array<Index, 3>& sizes, const Grid& grid,
                  const Grid& gain, const Grid& base, const std::array<float, 2>& shares, int kernel, int border,
                  int threads, int simd, Address stream, bool cuda) {
  require_sizes(sizes);
  for (const Grid& coarse : {grid, gain, base}) require_sizes(coarse);
  require(sizes[1] > 0 && sizes[2] > 0 && grid[0] > 0 && grid[1] > 0, "image and grid must have at least one pixel");
  require(!a[2] || (gain[0] > 0 && gain[1] > 0), "gain must have at least one pixel");
  require(!a[3] || (base[0] > 0 && base[1] > 0), "base must have at least one pixel");
  const JointSampleParams p = {sizes[0],
                               sizes[1],
                               sizes[2],
                               grid[0],
                               grid[1],
                               gain[0],
                               gain[1],
                               base[0],
                               base[1],
                               pointer<float>(a[0]),
                               pointer<float>(a[1]),
                               {shares[0], shares[1]},
                               pointer<float>(a[2]),
                               pointer<float>(a[3]),
                               pointer<std::uint8_t>(a[4]),
                               pointer<float>(a[5]),
                               kernel,
                               border,
                               threads,
                               cuda ? 0 : simd_of(simd)};
  RUN_ON(joint_sample, p);
}

void composite(const std::array<Address, 5>& a, const Grid& sizes, int threads, int simd, Address stream, bool cuda) {
  require_sizes(sizes);
  const CompositeParams p = {sizes[0],
                             sizes[1],
                             pointer<std::uint8_t>(a[0]),
                             pointer<float>(a[1]),
                             pointer<float>(a[2]),
                             pointer<float>(a[3]),
                             pointer<std::uint8_t>(a[4]),
                             threads,
                             cuda ? 0 : simd_of(simd)};
  RUN_ON(composite, p);
}

// `corner` is the row and column of the grid of the flow at which the particles begin.
void advect(const std::array<Address, 3>& a, const Grid& grid, const Grid& sizes, const Grid& corner, int threads,
            int simd, Address stream, bool cuda) {
  require_sizes(grid);
  require_sizes(sizes);
  require(grid[0] * grid[1] <= std::numeric_limits<std::int32_t>::max(), "flow must have fewer than 2^31 pixels");
  require(grid[0] * grid[1] > 0 || sizes[0] * sizes[1] == 0, "flow must have at least one pixel");
  const AdvectParams p = {grid[0],
                          grid[1],
                          sizes[0],
                          sizes[1],
                          corner[0],
                          corner[1],
                          pointer<float>(a[0]),
                          pointer<float>(a[1]),
                          pointer<float>(a[2]),
                          threads,
                          cuda ? 0 : simd_of(simd)};
  RUN_ON(advect, p);
}

// The pixels of one level: address, height, width, pitch.
using Level = std::array<Index, 4>;
// Of one part: the addresses of origins, gains, weight, and of the region of every level; the sizes of the first three;
// the shares.
using Part = std::tuple<std::vector<Address>, std::array<Grid, 3>, std::array<float, 2>>;

// `a` holds the addresses of anchor, photo, and the bytes or without an anchor the floats that are made.
void render(const std::vector<Level>& levels, const std::vector<Part>& parts, const std::array<Address, 3>& a,
            int threads, int simd) {
  require(!levels.empty(), "levels must be at least one");
  RenderParams p = {};
  p.anchor = pointer<std::int16_t>(a[0]);
  p.photo = pointer<std::uint8_t>(a[1]);
  p.bytes = pointer<std::uint8_t>(a[2]);
  p.floats = pointer<float>(a[2]);
  p.threads = threads;
  p.simd = simd_of(simd);
  for (const Level& level : levels) {
    require_sizes(Grid{level[1], level[3]});
    require(level[1] > 0 && level[2] > 0 && level[2] <= level[3], "a level must have at least one pixel");
    p.levels.push_back({level[1], level[2], level[3], pointer<float>(static_cast<Address>(level[0]))});
  }
  for (const auto& [addresses, sizes, shares] : parts) {
    require(addresses.size() == 3 + levels.size(), "a part must have a region for every level");
    RenderPart part = {sizes[0][0],
                       sizes[0][1],
                       pointer<float>(addresses[0]),
                       shares,
                       sizes[1][0],
                       sizes[1][1],
                       pointer<float>(addresses[1]),
                       sizes[2][0],
                       sizes[2][1],
                       pointer<float>(addresses[2]),
                       {}};
    for (std::size_t i = 0; i < 3; ++i) {
      require_sizes(sizes[i]);
      require(!addresses[i] || sizes[i][0] * sizes[i][1] > 0, "origins, gain and weight must have at least one pixel");
    }
    require(addresses[0] != 0, "a part must have origins");
    for (std::size_t k = 3; k < addresses.size(); ++k) part.regions.push_back(pointer<std::uint8_t>(addresses[k]));
    p.parts.push_back(std::move(part));
  }
  render_cpu(p);
}

void yuv420(const std::array<Address, 2>& a, const Grid& sizes, int threads, int simd) {
  require_sizes(sizes);
  yuv420_cpu({sizes[0], sizes[1], pointer<std::uint8_t>(a[0]), pointer<std::uint8_t>(a[1]), threads, simd_of(simd)});
}

template <class T>
void define(py::module_& m, const std::string& type) {
  const py::call_guard<py::gil_scoped_release> release;
  m.def(("splat_" + type).c_str(), &Run<T>::splat, release);
  m.def(("splat_grad_" + type).c_str(), &Run<T>::splat_grad, release);
  m.def(("sample_" + type).c_str(), &Run<T>::sample, release);
  m.def(("sample_grad_" + type).c_str(), &Run<T>::sample_grad, release);
}

}  // namespace
}  // namespace cinegan

PYBIND11_MODULE(_C, m) {
  using namespace cinegan;
  define<float>(m, "float32");
  define<double>(m, "float64");
  m.def("joint_sample", &joint_sample, py::call_guard<py::gil_scoped_release>());
  m.def("composite", &composite, py::call_guard<py::gil_scoped_release>());
  m.def("render", &render, py::call_guard<py::gil_scoped_release>());
  m.def("yuv420", &yuv420, py::call_guard<py::gil_scoped_release>());
  m.def("advect", &advect, py::call_guard<py::gil_scoped_release>());
  m.def("best_simd", &best_simd);
#ifdef CINEGAN_CUDA
  m.attr("cuda_architectures") = CINEGAN_CUDA_ARCHITECTURES;  // of the machine code
  m.attr("cuda_ptx") = CINEGAN_CUDA_PTX;                      // of the intermediate code, for later cards
  m.def("cuda_versions", &cuda_versions);
#else
  m.attr("cuda_architectures") = "";
#endif
  m.attr("anchor_steps") = ANCHOR_STEPS;
  m.attr("compiler") =
#if defined(__clang__)
      "clang " __clang_version__;
#elif defined(__GNUC__)
      "gcc " __VERSION__;
#else
      "unknown";
#endif
}
