// What the core computes with. Its functions are templates of a number type F: a float, for one path at a time, or (on
// the CPU, see embree/lanes.h) a vector of floats whose lanes are paths that are traced in step. Comparing numbers
// gives a mask; code does not branch on masks but computes both sides and selects.
#pragma once

#include <cmath>
#include <cstdint>

#include "core/host_device.h"

namespace rnd {

inline constexpr float kLargestFloat = 0x1.fffffep127f;

// What belongs to a number type:
//     Mask, Int, Uint          a truth value, an int32_t and a uint32_t in each lane
//     kLanes
//     sqrt, to_float, to_int   of each lane
//     reverse_bits(x)          of each Uint
//     sum(x, first, end)       of the lanes [first, end), in double precision
//     lookup(numbers, index, count)   numbers[index] of each lane; there are `count`, and room behind them up to a
//                              multiple of kRowMultiple (core/table.h)
template <class F>
struct Number;

// What can be asked of a mask: a bit for each lane, and which is the lowest of some bits.
template <class M>
struct MaskTraits;

template <class U>
RND_HD U reversed_bits(U x) {
    x = ((x >> 1) & 0x55555555u) | ((x & 0x55555555u) << 1);
    x = ((x >> 2) & 0x33333333u) | ((x & 0x33333333u) << 2);
    x = ((x >> 4) & 0x0f0f0f0fu) | ((x & 0x0f0f0f0fu) << 4);
    x = ((x >> 8) & 0x00ff00ffu) | ((x & 0x00ff00ffu) << 8);
    return (x >> 16) | (x << 16);
}

template <>
struct Number<float> {
    using Mask = bool;
    using Int = int32_t;
    using Uint = uint32_t;
    static constexpr int kLanes = 1;

    RND_HD static float sqrt(float x) { return std::sqrt(x); }
    RND_HD static float to_float(int32_t x) { return static_cast<float>(x); }
    RND_HD static int32_t to_int(float x) { return static_cast<int32_t>(x); }
    RND_HD static double sum(float x, int first, int end) { return first < end ? static_cast<double>(x) : 0.0; }
    RND_HD static uint32_t reverse_bits(uint32_t x) { return reversed_bits(x); }
    RND_HD static float lookup(const float* numbers, int32_t index, int32_t) { return numbers[index]; }
};

template <>
struct MaskTraits<bool> {
    RND_HD static uint32_t bits(bool mask) { return mask ? 1 : 0; }
    RND_HD static int lowest(uint32_t) { return 0; }
};

template <class F>
using MaskOf = typename Number<F>::Mask;
template <class F>
using IntOf = typename Number<F>::Int;
template <class F>
using UintOf = typename Number<F>::Uint;

// The same number in every lane. (Subtracting zero changes no number, not even -0, and costs nothing.)
template <class F>
RND_HD F spread(float x) {
    return x - F{};
}

template <class M>
RND_HD bool any(const M& mask) {
    return MaskTraits<M>::bits(mask) != 0;
}
template <class M>
RND_HD bool none(const M& mask) {
    return !any(mask);
}
template <class M>
RND_HD bool all(const M& mask) {
    return !any(M(!mask));
}

// `a` where the mask is true, else `b`.
template <class M, class T>
RND_HD T select(const M& mask, const T& a, const T& b) {
    return mask ? a : b;
}

template <class F>
RND_HD F minimum(const F& a, const F& b) {
    return b < a ? b : a;
}
template <class F>
RND_HD F maximum(const F& a, const F& b) {
    return a < b ? b : a;
}
template <class F>
RND_HD F clamp(const F& value, float low, float high) {
    return minimum(maximum(value, spread<F>(low)), spread<F>(high));
}
template <class F>
RND_HD F square(const F& a) {
    return a * a;
}
template <class F>
RND_HD F absolute(const F& a) {
    return a < 0.0f ? -a : a;
}
template <class F>
RND_HD F square_root(const F& a) {
    return Number<F>::sqrt(a);
}
// 1 or -1.
template <class F>
RND_HD F sign_of(const F& a) {
    return select(MaskOf<F>(a < 0.0f), spread<F>(-1.0f), spread<F>(1.0f));
}
template <class F>
RND_HD MaskOf<F> is_finite(const F& a) {
    return absolute(a) <= kLargestFloat;
}

// Calls `body(i)` for each lane i where the mask is true: for what only one lane at a time can do, as to follow indices
// into arrays.
template <class M, class Body>
RND_HD void for_lanes(const M& mask, Body&& body) {
    for (uint32_t left = MaskTraits<M>::bits(mask); left != 0; left &= left - 1) body(MaskTraits<M>::lowest(left));
}

// Lanes that are written and read one at a time; `LaneArray<F> x{}` are zeros.
template <class F, class T = float, class Whole = F>
struct LaneArray {
    alignas(sizeof(Whole)) T at[Number<F>::kLanes];

    RND_HD Whole load() const {
        Whole whole;
        __builtin_memcpy(&whole, at, sizeof(whole));
        return whole;
    }
    RND_HD void store(const Whole& whole) { __builtin_memcpy(at, &whole, sizeof(whole)); }
};

template <class F>
using IntArray = LaneArray<F, int32_t, IntOf<F>>;

template <class F>
RND_HD LaneArray<F> lanes_of(const F& number) {
    LaneArray<F> lanes;
    lanes.store(number);
    return lanes;
}

}  // namespace rnd
