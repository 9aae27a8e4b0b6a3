// Grids and spheres that every ray is tested against, one by one. While they are few, that takes less time than one
// step through an acceleration structure: all lanes go through the same few operations.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "core/scene_data.h"
#include "embree/lanes.h"

namespace rnd::embree {

class DirectShapes {
  public:
    // A grid that has this number. Throws std::bad_alloc, as `add_sphere` does.
    void add_grid(const Object& grid, int32_t number);
    void add_sphere(const SphereShape& sphere, int32_t object);

    // Writes the nearest hit of each ray of `mask` to `hits` and its distance to the ray's t_max. Returns which rays
    // hit something. `inverse` is 1 / direction.
    IntLanes intersect(const IntLanes& mask, RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                       HitOf<Lanes>& hits) const;
    // Which rays of `mask` hit something.
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const;

  private:
    // A grid whose normal and edges run along axes of the world, as those of rooms do: half the work. The first and the
    // second axis follow the normal's, x after z.
    struct AlignedGrid {
        float plane;
        float first_center, second_center;
        float first_reach, second_reach;
        int32_t object;
    };
    struct Grid {
        Vec3 normal;
        Vec3 center;
        Vec3 along_u;
        Vec3 along_v;
        int32_t object;
    };
    struct Sphere {
        SphereShape shape;
        int32_t object;
    };
    // From the middle of a grid to its edge, in edges: a little more than half, so that no ray slips through where two
    // grids touch.
    static constexpr float kReach = 0.5f + 0x1p-20f;

    // Which rays meet a grid before `t_max`, and the distances to its plane. Rays in the plane have no distance, and
    // all comparisons are false.
    template <int Axis>
    static IntLanes meet(const AlignedGrid& grid, const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                         const Lanes& t_max, Lanes& t);
    static IntLanes meet(const Grid& grid, const RayOf<Lanes>& rays, const Lanes& t_max, Lanes& t);
    static Lanes meet(const Sphere& sphere, const RayOf<Lanes>& rays);
    template <int Axis>
    void find_nearest(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse, Lanes& t_max, IntLanes& object) const;
    template <int Axis>
    IntLanes hidden_by_aligned(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const;

    std::array<std::vector<AlignedGrid>, 3> aligned_grids_;  // by the axis of their normal
    std::vector<Grid> grids_;
    std::vector<Sphere> spheres_;
};

// --- the hot path ---

template <int Axis, class T>
const T& component(const Vector3<T>& v) {
    if constexpr (Axis % 3 == 0) return v.x;
    if constexpr (Axis % 3 == 1) return v.y;
    if constexpr (Axis % 3 == 2) return v.z;
}

template <int Axis>
IntLanes DirectShapes::meet(const AlignedGrid& grid, const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                            const Lanes& t_max, Lanes& t) {
    t = (grid.plane - component<Axis>(rays.origin)) * component<Axis>(inverse);
    const IntLanes met = (t > rays.t_min) & (t < t_max);
    const Lanes first = component<Axis + 1>(rays.origin) - grid.first_center + component<Axis + 1>(rays.direction) * t;
    const Lanes second =
        component<Axis + 2>(rays.origin) - grid.second_center + component<Axis + 2>(rays.direction) * t;
    return met & (absolute(first) <= grid.first_reach) & (absolute(second) <= grid.second_reach);
}

inline IntLanes DirectShapes::meet(const Grid& grid, const RayOf<Lanes>& rays, const Lanes& t_max, Lanes& t) {
    const Vector3<Lanes> normal = spread<Lanes>(grid.normal);
    const Vector3<Lanes> from_center = rays.origin - spread<Lanes>(grid.center);
    t = -dot(normal, from_center) / dot(normal, rays.direction);
    const IntLanes met = (t > rays.t_min) & (t < t_max);
    if (none(met)) return met;
    const Vector3<Lanes> point = from_center + rays.direction * t;
    return met & (absolute(dot(spread<Lanes>(grid.along_u), point)) <= kReach) &
           (absolute(dot(spread<Lanes>(grid.along_v), point)) <= kReach);
}

inline Lanes DirectShapes::meet(const Sphere& sphere, const RayOf<Lanes>& rays) {
    return intersect_shape(spread<Lanes>(sphere.shape), rays.origin, rays.direction, rays.t_min);
}

template <int Axis>
void DirectShapes::find_nearest(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse, Lanes& t_max,
                                IntLanes& object) const {
    for (const AlignedGrid& grid : aligned_grids_[Axis]) {
        Lanes t;
        const IntLanes met = meet<Axis>(grid, rays, inverse, t_max, t);
        t_max = select(met, t, t_max);
        object = select(met, IntLanes(IntLanes{} + grid.object), object);
    }
}

inline IntLanes DirectShapes::intersect(const IntLanes& mask, RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                                        HitOf<Lanes>& hits) const {
    Lanes t_max = select(mask, rays.t_max, spread<Lanes>(-1.0f));
    IntLanes object = IntLanes{} + kNone;
    find_nearest<0>(rays, inverse, t_max, object);
    find_nearest<1>(rays, inverse, t_max, object);
    find_nearest<2>(rays, inverse, t_max, object);
    for (const Grid& grid : grids_) {
        Lanes t;
        const IntLanes met = meet(grid, rays, t_max, t);
        t_max = select(met, t, t_max);
        object = select(met, IntLanes(IntLanes{} + grid.object), object);
    }
    for (const Sphere& sphere : spheres_) {
        const Lanes t = meet(sphere, rays);
        const IntLanes met = (t > rays.t_min) & (t < t_max);
        t_max = select(met, t, t_max);
        object = select(met, IntLanes(IntLanes{} + sphere.object), object);
    }
    const IntLanes found = object != kNone;
    rays.t_max = select(found, t_max, rays.t_max);
    hits.object = select(found, object, hits.object);
    return found;
}

template <int Axis>
IntLanes DirectShapes::hidden_by_aligned(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const {
    IntLanes hidden{};
    Lanes t;
    for (const AlignedGrid& grid : aligned_grids_[Axis]) hidden |= meet<Axis>(grid, rays, inverse, rays.t_max, t);
    return hidden;
}

inline IntLanes DirectShapes::occluded(const IntLanes& mask, const RayOf<Lanes>& rays,
                                       const Vector3<Lanes>& inverse) const {
    IntLanes hidden =
        hidden_by_aligned<0>(rays, inverse) | hidden_by_aligned<1>(rays, inverse) | hidden_by_aligned<2>(rays, inverse);
    Lanes t;
    for (const Grid& grid : grids_) hidden |= meet(grid, rays, rays.t_max, t);
    for (const Sphere& sphere : spheres_) {
        t = meet(sphere, rays);
        hidden |= (t > rays.t_min) & (t < rays.t_max);
    }
    return mask & hidden;
}

}  // namespace rnd::embree
