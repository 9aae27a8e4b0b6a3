// Objects in an acceleration structure of Embree's.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "embree/box.h"
#include "embree/mesh.h"

namespace rnd::embree {

// Embree's own limit is 1.844e18.
inline constexpr float kFarthestRay = 1.8e18f;

class Accelerator {
  public:
    // Holds those of the objects whose numbers are `included`; `meshes` has an entry for each object, null where it is
    // none, and must outlive this. Throws RenderFault or std::bad_alloc.
    Accelerator(const Device& device, std::span<const Object> objects, std::span<const std::shared_ptr<Mesh>> meshes,
                std::span<const uint32_t> included);

    bool empty() const { return empty_; }
    RTCScene handle() const { return scene_.get(); }

    // Embree ends the process at rays that it cannot trace (some of its builds; in others they may never end): those
    // that are not finite, which degenerate geometry can bring about, and those that start too far out. Such rays hit
    // nothing.
    IntLanes can_trace(const RayOf<Lanes>& rays) const;
    // Which rays come near objects.
    IntLanes meets_boxes(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const;
    // Writes the nearest hit of each ray of `mask` to `hits` and its distance to the ray's t_max. Returns which rays
    // hit something. `inverse` is 1 / direction.
    IntLanes intersect(const IntLanes& mask, RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                       HitOf<Lanes>& hits) const;
    // Which rays of `mask` hit something.
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const;

    Accelerator(const Accelerator&) = delete;
    Accelerator& operator=(const Accelerator&) = delete;
    ~Accelerator() = default;

  private:
    // A triangle of the scene's own geometry belongs to an object: half a grid, or a part of a small mesh.
    struct Triangle {
        int32_t object;
        int32_t primitive;
    };

    void add_grid(const RectangleShape& rectangle, uint32_t object);
    void merge_mesh(const Mesh& mesh, const Affine& to_world, uint32_t object);
    void attach_triangles(const Device& device);
    void attach_spheres(const Device& device);
    // Whether rays that start as far out as any object (or `reach`) can be traced in the object's own space, too. If
    // so, `farthest_` becomes what that allows.
    bool can_be_instance(const Affine& to_world, double reach);
    void attach_instance(const Device& device, const Mesh& mesh, const Affine& to_world, uint32_t object);
    void make_boxes(std::span<const Object> objects, std::span<const std::shared_ptr<Mesh>> meshes,
                    std::span<const uint32_t> included);
    // What a lane has hit.
    Triangle find(const decltype(RayHitPacket::hit)& hits, int lane) const;

    std::vector<Vec3> vertices_;
    std::vector<uint32_t> indices_;
    std::vector<Triangle> triangles_;
    std::vector<SphereShape> sphere_shapes_;
    std::vector<uint32_t> spheres_;    // their objects
    std::vector<uint32_t> instances_;  // objects, by the geometry number of their instance
    float farthest_ = kFarthestRay;    // coordinate from which a ray may start
    std::vector<Box> boxes_;           // around objects, a little enlarged
    bool empty_ = true;
    SceneOwner scene_;
};

// --- the hot path ---

inline IntLanes Accelerator::can_trace(const RayOf<Lanes>& rays) const {
    const Vector3<Lanes>& d = rays.direction;
    return (max_abs_component(rays.origin) <= farthest_) & (absolute(d.x) + absolute(d.y) + absolute(d.z) <= 2.0f) &
           (rays.t_max >= rays.t_min);
}

inline IntLanes Accelerator::meets_boxes(const RayOf<Lanes>& rays, const Vector3<Lanes>& inverse) const {
    IntLanes met{};
    for (const Box& box : boxes_) met |= meets(in_all_lanes(box), rays, inverse);
    return met;
}

template <class Packet>
void fill(Packet& packet, const RayOf<Lanes>& rays) {
    const auto store = [](auto& target, const auto& lanes) {
        static_assert(sizeof(target) == sizeof(lanes));
        __builtin_memcpy(&target, &lanes, sizeof(target));
    };
    store(packet.org_x, rays.origin.x);
    store(packet.org_y, rays.origin.y);
    store(packet.org_z, rays.origin.z);
    store(packet.tnear, rays.t_min);
    store(packet.dir_x, rays.direction.x);
    store(packet.dir_y, rays.direction.y);
    store(packet.dir_z, rays.direction.z);
    store(packet.time, Lanes{});
    store(packet.tfar, rays.t_max);
    store(packet.mask, UintLanes(IntLanes{} - 1));
    store(packet.id, UintLanes{});
    store(packet.flags, UintLanes{});
}

template <class Whole, class Array>
Whole load(const Array& array) {
    Whole whole;
    static_assert(sizeof(whole) == sizeof(array));
    __builtin_memcpy(&whole, &array, sizeof(whole));
    return whole;
}

inline Accelerator::Triangle Accelerator::find(const decltype(RayHitPacket::hit)& hits, int lane) const {
    const unsigned primitive = hits.primID[lane];
    const unsigned instance = hits.instID[0][lane];
    if (instance != RTC_INVALID_GEOMETRY_ID) {
        return {static_cast<int32_t>(instances_[instance]), static_cast<int32_t>(primitive)};
    }
    if (hits.geomID[lane] == 0) return triangles_[primitive];
    return {static_cast<int32_t>(spheres_[primitive]), 0};
}

inline IntLanes Accelerator::intersect(const IntLanes& mask, RayOf<Lanes>& rays, const Vector3<Lanes>& inverse,
                                       HitOf<Lanes>& hits) const {
    const IntLanes traced = mask & can_trace(rays) & meets_boxes(rays, inverse);
    if (none(traced)) return traced;
    RayHitPacket packet;
    fill(packet.ray, rays);
    __builtin_memset(&packet.hit.geomID, 0xff, sizeof(IntLanes));
    __builtin_memset(&packet.hit.instID, 0xff, sizeof(IntLanes));
    embree::intersect(scene_.get(), traced, packet);
    const IntLanes found = traced & (load<IntLanes>(packet.hit.geomID) != -1);
    if (none(found)) return found;
    IntArray<Lanes> object{}, primitive{};
    for_lanes(found, [&](int lane) {
        const Triangle triangle = find(packet.hit, lane);
        object.at[lane] = triangle.object;
        primitive.at[lane] = triangle.primitive;
    });
    rays.t_max = select(found, load<Lanes>(packet.ray.tfar), rays.t_max);
    hits.object = select(found, object.load(), hits.object);
    hits.primitive = select(found, primitive.load(), hits.primitive);
    hits.u = select(found, load<Lanes>(packet.hit.u), hits.u);
    hits.v = select(found, load<Lanes>(packet.hit.v), hits.v);
    return found;
}

inline IntLanes Accelerator::occluded(const IntLanes& mask, const RayOf<Lanes>& rays,
                                      const Vector3<Lanes>& inverse) const {
    const IntLanes traced = mask & can_trace(rays) & meets_boxes(rays, inverse);
    if (none(traced)) return traced;
    RayPacket packet;
    fill(packet, rays);
    embree::occluded(scene_.get(), traced, packet);
    return traced & (load<Lanes>(packet.tfar) < 0.0f);
}

}  // namespace rnd::embree
