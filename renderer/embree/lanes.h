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
    static UintLanes reverse_bits(const UintLanes& x) {
#if defined(__GFNI__) && defined(__AVX512BW__)
        // The bits of each byte by a matrix, then the bytes of each number.
        const __m512i bytes = _mm512_set4_epi32(0x0c0d0e0f, 0x08090a0b, 0x04050607, 0x00010203);
        const __m512i matrix = _mm512_set1_epi64(static_cast<int64_t>(0x8040201008040201));
        const __m512i reversed = _mm512_gf2p8affine_epi64_epi8(reinterpret_cast<__m512i>(x), matrix, 0);
        return reinterpret_cast<UintLanes>(_mm512_shuffle_epi8(reversed, bytes));
#else
        return reversed_bits(x);
#endif
    }
    static double sum(const Lanes& x, int first, int end) {
        // Four at a time: few steps wait for each other, and pixels of four samples are one step.
        using Four = float __attribute__((vector_size(16)));
        using FourDoubles = double __attribute__((vector_size(32)));
        FourDoubles sums{};
        int i = first;
        for (; i + 4 <= end; i += 4) {
            Four some;
            __builtin_memcpy(&some, reinterpret_cast<const float*>(&x) + i, sizeof(some));
            sums += __builtin_convertvector(some, FourDoubles);
        }
        double sum = (sums[0] + sums[1]) + (sums[2] + sums[3]);
        for (; i < end; ++i) sum += static_cast<double>(x[i]);
        return sum;
    }
    // The first of the lanes with the smallest number.
    static int lane_of_smallest(const Lanes& x) {
        Lanes least = x;
        for (int step = kLaneCount / 2; step > 0; step /= 2) {
            IntLanes partner;
            for (int i = 0; i < kLaneCount; ++i) partner[i] = i ^ step;
            const Lanes other = rearranged(least, partner);
            least = other < least ? other : least;
        }
        return MaskTraits<IntLanes>::lowest(MaskTraits<IntLanes>::bits(x == least));
    }
    static Lanes lookup(const float* numbers, const IntLanes& index, int32_t count) {
        if (count > kMostRearranged) {
            Lanes found;
            for (int i = 0; i < kLaneCount; ++i) found[i] = numbers[index[i]];
            return found;
        }
        Lanes found = rearranged(load(numbers), index);
        for (int32_t first = kLaneCount; first < count; first += kLaneCount) {
            found = index < first ? found : rearranged(load(numbers + first), index);
        }
        return found;
    }

  private:
    // Up to so many numbers, rearranging vectors of them is faster than loading them one by one.
    static constexpr int32_t kMostRearranged = 4 * kLaneCount;

    static Lanes load(const float* numbers) {
        Lanes some;
        __builtin_memcpy(&some, numbers, sizeof(some));
        return some;
    }
    // Lane i gets what is in lane from[i], modulo the number of lanes.
    static Lanes rearranged(const Lanes& x, const IntLanes& from) {
#if __has_builtin(__builtin_shuffle)
        return __builtin_shuffle(x, from);
#else
        Lanes result;
        for (int i = 0; i < kLaneCount; ++i) result[i] = x[from[i] & (kLaneCount - 1)];
        return result;
#endif
    }
};

}  // namespace rnd
