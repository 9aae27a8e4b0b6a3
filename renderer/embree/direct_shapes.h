// Grids and spheres that every ray is tested against, one by one. While they are few, that takes less time than one
// step through an acceleration structure: all lanes go through the same few operations.
#pragma once

#include <cstdint>
#include <vector>

#include "core/scene_data.h"
#include "embree/lanes.h"

namespace rnd::embree {

class DirectShapes {
  public:
    // A grid whose object has this number. Throws std::bad_alloc, as `add_sphere` does.
    void add_grid(const RectangleShape& rectangle, int32_t object);
    void add_sphere(const SphereShape& sphere, int32_t object);

    bool empty() const { return grids_.empty() && spheres_.empty(); }

    // Writes the nearest hit of each ray of `mask` to `hits` and its distance to the ray's t_max. Returns which rays
    // hit something.
    IntLanes intersect(const IntLanes& mask, RayOf<Lanes>& rays, HitOf<Lanes>& hits) const;
    // Which rays of `mask` hit something.
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const;

  private:
    // Coordinates in its plane are dot(along_u, p - center) and dot(along_v, p - center), in [-1/2, 1/2] on the grid.
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
    struct GridHit {
        IntLanes met;
        Lanes t;
        Lanes u{}, v{};  // from the center
    };

    static GridHit meet(const Grid& grid, const RayOf<Lanes>& rays, const Lanes& t_max);
    // To the grid's plane.
    static Lanes distance(const Grid& grid, const Vector3<Lanes>& from_center, const RayOf<Lanes>& rays);
    static Lanes meet(const Sphere& sphere, const RayOf<Lanes>& rays);

    std::vector<Grid> grids_;
    std::vector<Sphere> spheres_;
};

// --- the hot path ---

inline Lanes DirectShapes::distance(const Grid& grid, const Vector3<Lanes>& from_center, const RayOf<Lanes>& rays) {
    const Vector3<Lanes> normal = spread<Lanes>(grid.normal);
    return -dot(normal, from_center) / dot(normal, rays.direction);
}

inline DirectShapes::GridHit DirectShapes::meet(const Grid& grid, const RayOf<Lanes>& rays, const Lanes& t_max) {
    // A little more than the grid, so that no ray slips through where two of them touch.
    constexpr float kReach = 0.5f + 0x1p-20f;
    const Vector3<Lanes> from_center = rays.origin - spread<Lanes>(grid.center);
    GridHit hit;
    hit.t = distance(grid, from_center, rays);
    // Rays in the plane have no t, and all comparisons are false.
    hit.met = (hit.t > rays.t_min) & (hit.t < t_max);
    if (none(hit.met)) return hit;
    const Vector3<Lanes> point = from_center + rays.direction * hit.t;
    hit.u = dot(spread<Lanes>(grid.along_u), point);
    hit.v = dot(spread<Lanes>(grid.along_v), point);
    hit.met = hit.met & (absolute(hit.u) <= kReach) & (absolute(hit.v) <= kReach);
    return hit;
}

inline Lanes DirectShapes::meet(const Sphere& sphere, const RayOf<Lanes>& rays) {
    return intersect_shape(spread<Lanes>(sphere.shape), rays.origin, rays.direction, rays.t_min);
}

inline IntLanes DirectShapes::intersect(const IntLanes& mask, RayOf<Lanes>& rays, HitOf<Lanes>& hits) const {
    // Copies, so that they stay in registers.
    Lanes t_max = select(mask, rays.t_max, spread<Lanes>(-1.0f));
    Lanes u{};
    Lanes v{};
    IntLanes object = IntLanes{} + kNone;
    for (const Grid& grid : grids_) {
        const GridHit hit = meet(grid, rays, t_max);
        t_max = select(hit.met, hit.t, t_max);
        u = select(hit.met, hit.u, u);
        v = select(hit.met, hit.v, v);
        object = select(hit.met, IntLanes(IntLanes{} + grid.object), object);
    }
    for (const Sphere& sphere : spheres_) {
        const Lanes t = meet(sphere, rays);
        const IntLanes met = (t > rays.t_min) & (t < t_max);
        t_max = select(met, t, t_max);
        object = select(met, IntLanes(IntLanes{} + sphere.object), object);
    }
    const IntLanes found = object != kNone;
    rays.t_max = select(found, t_max, rays.t_max);
    hits.u = select(found, Lanes(u + 0.5f), hits.u);
    hits.v = select(found, Lanes(v + 0.5f), hits.v);
    hits.object = select(found, object, hits.object);
    return found;
}

inline IntLanes DirectShapes::occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const {
    IntLanes hidden{};
    for (const Grid& grid : grids_) hidden |= meet(grid, rays, rays.t_max).met;
    for (const Sphere& sphere : spheres_) {
        const Lanes t = meet(sphere, rays);
        hidden |= (t > rays.t_min) & (t < rays.t_max);
    }
    return mask & hidden;
}

}  // namespace rnd::embree
