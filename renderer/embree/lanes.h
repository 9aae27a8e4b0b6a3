// Vectors of floats as the core's number type, as wide as the CPU's registers (vector extensions of GCC and Clang).
#pragma once

#include "core/number.h"

namespace rnd {

#if defined(__AVX512F__)
inline constexpr int kLaneCount = 16;
#elif defined(__AVX__)
inline constexpr int kLaneCount = 8;
#else
inline constexpr int kLaneCount = 4;
#endif

using Lanes = float __attribute__((vector_size(kLaneCount * sizeof(float))));
using IntLanes = int32_t __attribute__((vector_size(kLaneCount * sizeof(int32_t))));
using UintLanes = uint32_t __attribute__((vector_size(kLaneCount * sizeof(uint32_t))));

// True is -1, all bits set.
template <>
struct MaskTraits<IntLanes> {
    static constexpr int kLanes = kLaneCount;

    static bool any(const IntLanes& mask) {
        int32_t bits = 0;
        for (int i = 0; i < kLaneCount; ++i) bits |= mask[i];
        return bits != 0;
    }
    static bool at(const IntLanes& mask, int lane) { return mask[lane] != 0; }
};

template <>
struct Number<Lanes> {
    using Mask = IntLanes;
    using Int = IntLanes;
    using Uint = UintLanes;
    static constexpr int kLanes = kLaneCount;

    static Lanes sqrt(const Lanes& x) {
        Lanes root;
        for (int i = 0; i < kLaneCount; ++i) root[i] = __builtin_sqrtf(x[i]);
        return root;
    }
    static Lanes to_float(const IntLanes& x) { return __builtin_convertvector(x, Lanes); }
    static IntLanes to_int(const Lanes& x) { return __builtin_convertvector(x, IntLanes); }
    static double sum(const Lanes& x, int first, int end) {
        if (first == 0 && end == kLaneCount) return sum_of_all(x);
        double sum = 0.0;
        for (int i = first; i < end; ++i) sum += static_cast<double>(x[i]);
        return sum;
    }

  private:
    // In pairs, of pairs, ...: fewer steps that wait for each other.
    static double sum_of_all(const Lanes& x) {
        double sums[kLaneCount];
        for (int i = 0; i < kLaneCount; ++i) sums[i] = static_cast<double>(x[i]);
        for (int half = kLaneCount / 2; half > 0; half /= 2) {
            for (int i = 0; i < half; ++i) sums[i] += sums[i + half];
        }
        return sums[0];
    }
};

}  // namespace rnd
