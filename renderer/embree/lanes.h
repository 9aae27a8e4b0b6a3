// Vectors of floats as the core's number type, as wide as the CPU's registers (vector extensions of GCC and Clang).
#pragma once

#include <bit>

#include "core/number.h"

#if defined(__SSE2__)
#include <immintrin.h>
#endif

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
    // One instruction where there is one.
    static uint32_t bits(const IntLanes& mask) {
#if defined(__AVX512F__)
        const auto lanes = reinterpret_cast<__m512i>(mask);
        return _mm512_test_epi32_mask(lanes, lanes);
#elif defined(__AVX__)
        return static_cast<uint32_t>(_mm256_movemask_ps(reinterpret_cast<__m256>(mask)));
#elif defined(__SSE2__)
        return static_cast<uint32_t>(_mm_movemask_ps(reinterpret_cast<__m128>(mask)));
#else
        uint32_t bits = 0;
        for (int i = 0; i < kLaneCount; ++i) bits |= (static_cast<uint32_t>(mask[i]) & 1u) << i;
        return bits;
#endif
    }
    static int lowest(uint32_t bits) { return std::countr_zero(bits); }
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
    static Lanes lookup(const float* numbers, const IntLanes& index, int32_t count) {
#if __has_builtin(__builtin_shuffle)
        // A vector of numbers, shuffled: up to a few of them, that is faster than loading numbers one by one.
        if (count <= kMostShuffled) {
            Lanes found = shuffle(numbers, index);
            for (int32_t first = kLaneCount; first < count; first += kLaneCount) {
                found = index < first ? found : shuffle(numbers + first, index);
            }
            return found;
        }
#endif
        Lanes found;
        for (int i = 0; i < kLaneCount; ++i) found[i] = numbers[index[i]];
        return found;
    }

  private:
#if __has_builtin(__builtin_shuffle)
    static constexpr int32_t kMostShuffled = 4 * kLaneCount;

    // The indices are taken modulo the number of lanes.
    static Lanes shuffle(const float* numbers, const IntLanes& index) {
        Lanes some;
        __builtin_memcpy(&some, numbers, sizeof(some));
        return __builtin_shuffle(some, index);
    }
#endif

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
