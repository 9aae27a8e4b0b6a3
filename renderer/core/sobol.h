// Owen-scrambled Sobol points, evaluated by hashing: any point of any dimension in constant time, without tables.
//
// Dimensions come in pairs; each pair is the two-dimensional Sobol (0,2)-sequence with its own Owen scrambling and
// its own Owen shuffling of the index (Burley, "Practical Hash-based Owen Scrambling", JCGT 9(4), 2020), so that
// every pair is perfectly stratified and pairs are independent of each other.
#pragma once

#include <cstdint>

#include "core/vector.h"

namespace rnd {

template <class U>
RND_HD U mix_bits(U x) {
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return x;
}

template <class U, class V>
RND_HD U hash_combine(const U& seed, const V& value) {
    return mix_bits(U(seed ^ (mix_bits(V(value + 0x9e3779b9u)) + (seed << 6) + (seed >> 2))));
}

// Owen scrambling of a number whose digits are reversed: each bit is flipped by a hash of the lower bits only.
// Laine and Karras 2011, with the constants that N. Vegdahl found by search.
template <class U>
RND_HD U scramble_reversed(U x, const U& seed) {
    x ^= x * 0x3d20adeau;
    x += seed;
    x *= (seed >> 16) | 1u;
    x ^= x * 0x05526c56u;
    x ^= x * 0x53a22864u;
    return x;
}

// The second Sobol dimension, with reversed digits. Its matrix is Pascal's triangle modulo 2, whose entry (k, j) is
// odd where the bits of k are among those of j (Lucas), hence five steps instead of a table of direction numbers.
template <class U>
RND_HD U pascal_reversed(U index) {
    index ^= (index >> 1) & 0x55555555u;
    index ^= (index >> 2) & 0x33333333u;
    index ^= (index >> 4) & 0x0f0f0f0fu;
    index ^= (index >> 8) & 0x00ff00ffu;
    return index ^ (index >> 16);
}

// The 24 leading bits as a number in [0, 1).
template <class F>
RND_HD F to_unit_interval(const UintOf<F>& bits) {
    return Number<F>::to_float(IntOf<F>(bits >> 8)) * 0x1p-24f;
}

// Dimensions 2 * pair and 2 * pair + 1 of the point whose index has these bits in reverse.
template <class F>
RND_HD Vector2<F> sobol_pair(const UintOf<F>& reversed_index, uint32_t pair, const UintOf<F>& seed) {
    using Uint = UintOf<F>;
    const Uint base = hash_combine(seed, pair);
    const Uint shuffled = Number<F>::reverse_bits(scramble_reversed(reversed_index, base));
    const Uint x = Number<F>::reverse_bits(scramble_reversed(shuffled, mix_bits(Uint(base ^ 0xa511e9b3u))));
    const Uint y =
        Number<F>::reverse_bits(scramble_reversed(pascal_reversed(shuffled), mix_bits(Uint(base ^ 0x63d83595u))));
    return {to_unit_interval<F>(x), to_unit_interval<F>(y)};
}

// The sample stream of one pixel sample: fixed slots, so that what one bounce consumes never shifts another's.
template <class F>
class Sampler {
  public:
    RND_HD Sampler(const UintOf<F>& seed, const UintOf<F>& index)
        : seed_(seed), reversed_index_(Number<F>::reverse_bits(index)) {}

    RND_HD Vector2<F> pair(uint32_t slot) const { return sobol_pair<F>(reversed_index_, slot, seed_); }

  private:
    UintOf<F> seed_;
    UintOf<F> reversed_index_;
};

RND_HD uint32_t pixel_seed(uint64_t seed, uint64_t view, uint32_t pixel) {
    uint32_t h = hash_combine(static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32));
    h = hash_combine(h, static_cast<uint32_t>(view));
    h = hash_combine(h, static_cast<uint32_t>(view >> 32));
    return hash_combine(h, pixel);
}

}  // namespace rnd
