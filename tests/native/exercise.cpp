// Drives every CPU operator without Python, to be built with sanitizers (see sanitize.py): all types and layouts that
// the bindings allow, every instruction set, borders, positions that are not finite, empty arrays, threads, and memory
// that runs out. Every array is of its exact size on the heap, so that a step outside is seen. Exit status 1 when the
// bits depend on the number of threads.
#include <atomic>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <limits>
#include <memory>
#include <new>
#include <random>
#include <stdexcept>
#include <string>
#include <vector>

#include "advect.h"
#include "composite.h"
#include "joint_sample.h"
#include "parallel.h"
#include "render.h"
#include "sample.h"
#include "splat.h"
#include "yuv.h"

namespace {
std::atomic<long> allocations_left{std::numeric_limits<long>::max()};
}

void* operator new(std::size_t size) {
  if (allocations_left.fetch_sub(1) <= 0) throw std::bad_alloc();
  if (void* memory = std::malloc(size ? size : 1)) return memory;
  throw std::bad_alloc();
}
void operator delete(void* memory) noexcept { std::free(memory); }
void operator delete(void* memory, std::size_t) noexcept { std::free(memory); }

namespace {

using cinegan::Index;
using cinegan::Strides;

int failures = 0;

void expect(bool holds, const std::string& what) {
  if (holds) return;
  std::fprintf(stderr, "FAILED: %s\n", what.c_str());
  ++failures;
}

template <class T>
struct Array {
  Index size = 0;
  std::unique_ptr<T[]> data;

  explicit Array(Index size_ = 0) : size(size_), data(size_ ? new T[static_cast<std::size_t>(size_)]() : nullptr) {}
  T* get() const { return data.get(); }  // null when empty, as torch has it
  bool same(const Array& other) const {
    return size == other.size && (size == 0 || !std::memcmp(get(), other.get(), sizeof(T) * std::size_t(size)));
  }
};

std::mt19937 dice(1);

template <class T>
Array<T> numbers(Index size, double reach = 1) {
  std::normal_distribution<double> normal(0, reach);
  Array<T> array(size);
  for (Index i = 0; i < size; ++i) array.get()[i] = static_cast<T>(normal(dice));
  return array;
}

// Numbers, and among them whole ones and those that break a cast.
template <class T>
Array<T> wild(Index size, double reach) {
  const T strange[] = {std::numeric_limits<T>::quiet_NaN(),
                       std::numeric_limits<T>::infinity(),
                       -std::numeric_limits<T>::infinity(),
                       std::numeric_limits<T>::max(),
                       std::numeric_limits<T>::lowest(),
                       std::numeric_limits<T>::denorm_min(),
                       T(2147483648.0),
                       T(-9223372036854775808.0),
                       T(-1),
                       T(0)};
  Array<T> array = numbers<T>(size, reach);
  for (Index i = 0; i < size; ++i) {
    if (dice() % 4 == 0) array.get()[i] = std::floor(array.get()[i]);
    if (dice() % 8 == 0) array.get()[i] = strange[dice() % 10];
  }
  return array;
}

struct Shape {
  Index b, c, h, w;
};
const Shape SHAPES[] = {{1, 1, 1, 1},  {2, 3, 5, 7},    {1, 4, 1, 70},   {1, 16, 9, 3},
                        {1, 37, 6, 6}, {2, 3, 40, 130}, {1, 12, 33, 65}, {0, 3, 4, 5}};
const Shape EMPTY[] = {{2, 3, 0, 5}, {2, 3, 4, 0}, {0, 1, 1, 1}};

enum Layout { PLANAR, PADDED_ROWS, CHANNELS_LAST, PADDED_PIXELS, LAYOUTS };

Strides strides_of(const Shape& s, int layout) {
  const Index pad = layout == PADDED_ROWS || layout == PADDED_PIXELS ? 3 : 0;
  if (layout >= CHANNELS_LAST) return {s.h * s.w * (s.c + pad), 1, s.w * (s.c + pad), s.c + pad};
  return {s.c * s.h * (s.w + pad), s.h * (s.w + pad), s.w + pad, 1};
}

// Elements from the first to the last.
Index extent(const Shape& s, const Strides& t) {
  if (s.b * s.c * s.h * s.w == 0) return 0;
  return (s.b - 1) * t.batch + (s.c - 1) * t.channel + (s.h - 1) * t.row + (s.w - 1) * t.column + 1;
}

// Calls run(threads, simd) for every instruction set; its results must be the same for any number of threads.
template <class Results>
void for_any_threads(const std::string& what, const std::function<Results(int threads, int simd)>& run) {
  for (int simd = 0; simd <= cinegan::best_simd(); ++simd) {
    const Results expected = run(1, simd);
    for (int threads : {0, 3, 12}) {
      const Results results = run(threads, simd);
      for (std::size_t i = 0; i < results.size(); ++i) {
        expect(results[i].same(expected[i]), what + ": bits with " + std::to_string(threads) + " threads");
      }
    }
  }
}

template <class T>
void exercise_splat(const Shape& s, int layout, double reach) {
  using Results = std::vector<Array<T>>;
  const Index plane = s.b * s.h * s.w;
  const Strides strides = strides_of(s, layout), packed = strides_of(s, layout >= CHANNELS_LAST ? CHANNELS_LAST : 0);
  const Array<T> features = wild<T>(extent(s, strides), 1), displacement = wild<T>(2 * plane, reach);
  const Array<T> weight = wild<T>(plane, 1), grad = wild<T>(extent(s, strides), 1), grad_weight = wild<T>(plane, 1);
  for_any_threads<Results>("splat", [&](int threads, int simd) {
    Results out;
    out.emplace_back(extent(s, packed));
    out.emplace_back(plane);
    cinegan::splat_cpu<T>({s.b, s.c, s.h, s.w, features.get(), strides, displacement.get(), weight.get(), out[0].get(),
                           packed, out[1].get(), threads, simd});
    return out;
  });
  for (int needs = 0; needs < 8; ++needs) {
    for_any_threads<Results>("splat_grad", [&](int threads, int simd) {
      Results out;
      out.emplace_back(needs & 1 ? extent(s, strides) : 0);
      out.emplace_back(needs & 2 ? 2 * plane : 0);
      out.emplace_back(needs & 4 ? plane : 0);
      cinegan::splat_grad_cpu<T>({s.b, s.c, s.h, s.w, features.get(), displacement.get(), weight.get(), grad.get(),
                                  grad_weight.get(), strides, out[0].get(), out[1].get(), out[2].get(), threads, simd});
      return out;
    });
  }
}

template <class T>
void exercise_sample(const Shape& s, const Shape& to, int layout, int out_layout, double reach) {
  using Results = std::vector<Array<T>>;
  const Strides strides = strides_of(s, layout), out_strides = strides_of(to, out_layout);
  const Index positions_size = 2 * to.b * to.h * to.w;
  const Array<T> image = wild<T>(extent(s, strides), 1), positions = wild<T>(positions_size, reach);
  const Array<T> grad = wild<T>(extent(to, out_strides), 1);
  for (int choice = 0; choice < 6; ++choice) {
    const int kernel = choice / 2, border = choice % 2;
    for_any_threads<Results>("sample", [&](int threads, int simd) {
      Results out;
      out.emplace_back(extent(to, out_strides));
      cinegan::sample_cpu<T>({s.b, s.c, s.h, s.w, to.h, to.w, image.get(), strides, positions.get(), out[0].get(),
                              out_strides, kernel, border, threads, simd});
      return out;
    });
    for_any_threads<Results>("sample_grad", [&](int threads, int simd) {
      Results out;
      out.emplace_back(choice != 1 ? extent(s, strides) : 0);
      out.emplace_back(choice != 2 ? positions_size : 0);
      cinegan::sample_grad_cpu<T>({s.b, s.c, s.h, s.w, to.h, to.w, image.get(), strides, positions.get(), grad.get(),
                                   out_strides, out[0].get(), out[1].get(), kernel, border, threads, simd});
      return out;
    });
  }
}

Array<std::uint8_t> bytes(Index size, unsigned levels) {
  Array<std::uint8_t> array(size);
  for (Index i = 0; i < size; ++i) array.get()[i] = static_cast<std::uint8_t>(dice() % levels);
  return array;
}

void exercise_joint_sample(const Shape& s, double reach) {
  using Results = std::vector<Array<float>>;
  const Index h = s.h / 2 + 1, w = s.w / 3 + 1, gain_h = 3, gain_w = s.w + 5, base_h = 2, base_w = 4;
  const Array<float> image = wild<float>(s.c * s.h * s.w, 1), origins = wild<float>(4 * h * w, reach);
  const Array<float> gain = wild<float>(gain_h * gain_w, 1), base = wild<float>(s.c * base_h * base_w, 1);
  const Array<std::uint8_t> region = bytes(s.h * s.w, 2);
  for (int choice = 0; choice < 12; ++choice) {
    const float phase = 0.5f * static_cast<float>(choice % 3);
    for_any_threads<Results>("joint_sample", [&](int threads, int simd) {
      Results out;
      out.emplace_back(s.c * s.h * s.w);
      cinegan::joint_sample_cpu({s.c,
                                 s.h,
                                 s.w,
                                 h,
                                 w,
                                 gain_h,
                                 gain_w,
                                 base_h,
                                 base_w,
                                 image.get(),
                                 origins.get(),
                                 {1 - phase, phase},
                                 choice & 1 ? gain.get() : nullptr,
                                 choice & 2 ? base.get() : nullptr,
                                 choice & 4 ? region.get() : nullptr,
                                 out[0].get(),
                                 choice / 4,
                                 choice % 2,
                                 threads,
                                 simd});
      return out;
    });
  }
}

// Two levels and two parts, the second one plain, over a photo and to floats.
void exercise_render(const Shape& s, double reach) {
  const Index h = s.h / 2 + 1, w = s.w / 3 + 1, below_h = (s.h + 1) / 2, below_w = (s.w + 1) / 2, pitch = s.w + 4;
  const Array<float> fine = wild<float>(4 * s.h * pitch, 1), coarse = wild<float>(4 * below_h * below_w, 1);
  const Array<float> origins = wild<float>(4 * h * w, reach), gains = wild<float>(2 * 3 * 5, 1);
  const Array<float> weight = wild<float>(7 * 2, 1);
  const Array<std::int16_t> anchor(4 * s.h * s.w);
  for (Index i = 0; i < 4 * s.h * s.w; ++i) {
    const int any = static_cast<int>(dice() % 65536u) - 32768;
    anchor.get()[i] = static_cast<std::int16_t>(dice() % 3 == 0 ? 0 : any);
  }
  const Array<std::uint8_t> photo = bytes(3 * s.h * s.w, 256), region = bytes(s.h * s.w, 2);
  const Array<std::uint8_t> below = bytes(below_h * below_w, 2);
  const std::vector<cinegan::RenderLevel> levels = {{below_h, below_w, below_w, coarse.get()},
                                                    {s.h, s.w, pitch, fine.get()}};
  const cinegan::RenderPart graded = {
      h, w, origins.get(), {0.7f, 0.3f}, 3, 5, gains.get(), 7, 2, weight.get(), {below.get(), region.get()}};
  const cinegan::RenderPart plain = {
      h, w, origins.get(), {1, 0}, 0, 0, nullptr, 0, 0, nullptr, {below.get(), region.get()}};
  for_any_threads<std::vector<Array<std::uint8_t>>>("render", [&](int threads, int simd) {
    std::vector<Array<std::uint8_t>> out;
    out.emplace_back(3 * s.h * s.w);
    const Array<float> floats(3 * s.h * s.w);
    cinegan::render_cpu({levels, {graded, plain}, anchor.get(), photo.get(), out[0].get(), nullptr, threads, simd});
    cinegan::render_cpu({levels, {graded, plain}, nullptr, nullptr, nullptr, floats.get(), threads, simd});
    return out;
  });
}

void exercise_planes(const Shape& s, double reach) {
  const Index plane = s.h * s.w;
  const Array<float> velocity = wild<float>(2 * plane, 1), displacement = wild<float>(2 * plane, reach);
  for_any_threads<std::vector<Array<float>>>("advect", [&](int threads, int simd) {
    std::vector<Array<float>> out;
    out.emplace_back(2 * plane);
    cinegan::advect_cpu({s.h, s.w, s.h, s.w, 2, -3, velocity.get(), displacement.get(), out[0].get(), threads, simd});
    return out;
  });
  const Array<std::uint8_t> photo = bytes(3 * plane, 256);
  const Array<float> alpha = wild<float>(plane, 1), warped = wild<float>(3 * plane, 1),
                     still = numbers<float>(3 * plane);
  for_any_threads<std::vector<Array<std::uint8_t>>>("composite", [&](int threads, int simd) {
    std::vector<Array<std::uint8_t>> out;
    out.emplace_back(3 * plane);
    cinegan::composite_cpu(
        {s.h, s.w, photo.get(), alpha.get(), warped.get(), still.get(), out[0].get(), threads, simd});
    return out;
  });
  for_any_threads<std::vector<Array<std::uint8_t>>>("yuv420", [&](int threads, int simd) {
    std::vector<Array<std::uint8_t>> out;
    out.emplace_back(plane + 2 * ((s.h + 1) / 2) * ((s.w + 1) / 2));
    cinegan::yuv420_cpu({s.h, s.w, photo.get(), out[0].get(), threads, simd});
    return out;
  });
}

template <class T>
void exercise_type(double reach) {
  for (int layout = 0; layout < LAYOUTS; ++layout) {
    for (const Shape& s : SHAPES) {
      exercise_splat<T>(s, layout, reach);
      for (int out_layout : {PLANAR, CHANNELS_LAST})
        exercise_sample<T>(s, {s.b, s.c, 4, 71}, layout, out_layout, reach);
    }
    for (const Shape& s : EMPTY) exercise_splat<T>(s, layout, reach);
    exercise_sample<T>({2, 3, 4, 5}, {2, 3, 0, 6}, layout, PLANAR, reach);
  }
}

// One error of a task comes back to the caller, from whichever thread, and the others end.
void exercise_errors() {
  for (int threads : {1, 4}) {
    bool caught = false;
    try {
      cinegan::parallel_for(1000, threads, [](Index task, int) {
        if (task == 300) throw std::runtime_error("task 300");
      });
    } catch (const std::runtime_error&) {
      caught = true;
    }
    expect(caught, "an exception of a task is thrown again");
  }
}

// Memory that runs out at any allocation is an exception or, where only threads lack it, no matter.
void exercise_lack_of_memory() {
  const Shape s = {1, 20, 60, 40};
  const Strides strides = strides_of(s, PLANAR);
  const Index plane = s.h * s.w;
  const Array<float> features = numbers<float>(s.c * plane), displacement = numbers<float>(2 * plane, 20);
  const Array<float> weight = numbers<float>(plane);
  int refused = 0, finished = 0;
  for (long left = 0; left < 60; ++left) {
    const Array<float> numerator(s.c * plane), denominator(plane);
    allocations_left = left;
    try {
      cinegan::splat_cpu<float>({s.b, s.c, s.h, s.w, features.get(), strides, displacement.get(), weight.get(),
                                 numerator.get(), strides, denominator.get(), 6, 0});
      ++finished;
    } catch (const std::bad_alloc&) {
      ++refused;
    }
    allocations_left = std::numeric_limits<long>::max();
  }
  expect(refused > 3 && finished > 3, "lack of memory is told, and is not everywhere");
}

}  // namespace

int main() {
  for (double reach : {0.4, 30.0}) {
    exercise_type<float>(reach);
    exercise_type<double>(reach);
    for (const Shape& s : SHAPES) {
      exercise_joint_sample(s, reach);
      exercise_render(s, reach);
      exercise_planes(s, reach);
    }
  }
  exercise_errors();
  exercise_lack_of_memory();
  std::printf("%s\n", failures ? "failed" : "clean");
  return failures != 0;
}
