// Boxes along the axes, and whether rays come through them.
#pragma once

#include "core/scene_data.h"
#include "embree/lanes.h"

namespace rnd::embree {

// Ray origins keep this share of the largest coordinate from their surface, some thirty rounding errors.
inline constexpr float kRelativeOffset = 0x1p-18f;

// From corner to corner.
template <class F>
struct BoxOf {
    Vector3<F> lower;
    Vector3<F> upper;
};

using Box = BoxOf<float>;

// A box around nothing.
inline Box empty_box() {
    constexpr float kInfinity = __builtin_huge_valf();
    return {{kInfinity, kInfinity, kInfinity}, {-kInfinity, -kInfinity, -kInfinity}};
}

inline void extend(Box& box, const Vec3& point) {
    box.lower = {minimum(box.lower.x, point.x), minimum(box.lower.y, point.y), minimum(box.lower.z, point.z)};
    box.upper = {maximum(box.upper.x, point.x), maximum(box.upper.y, point.y), maximum(box.upper.z, point.z)};
}

// Larger by as much as ray origins keep from surfaces: far more than rounding moves where a ray meets the box.
inline Box with_margin(const Box& box) {
    const float margin = kRelativeOffset * maximum(max_abs_component(box.lower), max_abs_component(box.upper));
    const Vec3 all{margin, margin, margin};
    return {box.lower - all, box.upper + all};
}

// The same box in every lane.
inline BoxOf<Lanes> in_all_lanes(const Box& box) {
    return {spread<Lanes>(box.lower), spread<Lanes>(box.upper)};
}

// Which rays come through the box of their lane; `inverse` is 1 / direction.
inline IntLanes meets(const BoxOf<Lanes>& box, const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) {
    Lanes enter = rays.t_min;
    Lanes leave = rays.t_max;
    const auto clip = [&](const Lanes& origin, const Lanes& inverse_direction, const Lanes& lower, const Lanes& upper) {
        const Lanes at_lower = (lower - origin) * inverse_direction;
        const Lanes at_upper = (upper - origin) * inverse_direction;
        // Not a number where a ray runs within a side: selecting the other operand then leaves the bound alone.
        const Lanes first = minimum(at_upper, at_lower);
        const Lanes last = maximum(at_upper, at_lower);
        enter = select(IntLanes(first > enter), first, enter);
        leave = select(IntLanes(last < leave), last, leave);
    };
    clip(rays.origin.x, inverse.x, box.lower.x, box.upper.x);
    clip(rays.origin.y, inverse.y, box.lower.y, box.upper.y);
    clip(rays.origin.z, inverse.z, box.lower.z, box.upper.z);
    return enter <= leave;
}

inline Vector3<Lanes> inverse_direction(const RayOf<Lanes>& rays) {
    return {1.0f / rays.direction.x, 1.0f / rays.direction.y, 1.0f / rays.direction.z};
}

}  // namespace rnd::embree
