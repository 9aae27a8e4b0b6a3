// A scene on Embree: the seam through which the core's integrator sees it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "core/scene_data.h"
#include "embree/mesh.h"

namespace rnd::embree {

// Embree's own limit is 1.844e18.
inline constexpr float kFarthestRay = 1.8e18f;

class Scene {
  public:
    // Finds what a ray meets; see core/integrator.h.
    const SceneData& data() const { return data_; }
    IntLanes intersect(const IntLanes& mask, const RayOf<Lanes>& rays, HitOf<Lanes>& hits) const;
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const;
    // Embree ends the process at rays that it cannot trace (some of its builds; in others they may never end): those
    // that are not finite, which degenerate geometry can bring about, and those that start too far out. Such rays hit
    // nothing.
    IntLanes can_trace(const RayOf<Lanes>& rays) const;

    RTCScene handle() const { return scene_.get(); }

    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;
    ~Scene() = default;

  private:
    friend class SceneBuilder;
    Scene() = default;

    // A triangle of the scene's own geometry belongs to an object: half a grid, or a part of a small mesh.
    struct Triangle {
        int32_t object;
        int32_t primitive;
    };

    void build();
    void add_grid_triangles(uint32_t object);
    void merge_mesh(uint32_t object);
    void attach_triangles();
    void attach_spheres();
    // Whether rays that start as far out as any object (or `reach`) can be traced in the object's own space, too. If
    // so, `farthest_` becomes what that allows.
    bool can_be_instance(const Affine& to_world, double reach);
    void attach_instance(uint32_t object);
    // What a lane has hit: the object and its primitive.
    Triangle find(const decltype(RayHitPacket::hit)& hits, int lane) const;

    std::shared_ptr<Device> device_;
    std::vector<std::shared_ptr<Mesh>> meshes_;  // by object; null where it is none
    std::vector<std::shared_ptr<Texture>> textures_;
    std::vector<TextureView> texture_views_;
    std::vector<Material> materials_;
    std::vector<Object> objects_;
    std::vector<Light> lights_;
    SceneData data_;

    std::vector<Vec3> vertices_;
    std::vector<uint32_t> indices_;
    std::vector<Triangle> triangles_;
    std::vector<SphereShape> sphere_shapes_;
    std::vector<uint32_t> spheres_;    // their objects
    std::vector<uint32_t> instances_;  // objects, by the geometry number of their instance
    float farthest_ = kFarthestRay;    // coordinate from which a ray may start
    SceneOwner scene_;
};

// Gathers a scene piece by piece. Every method throws SceneFault where the piece makes no sense, with `where` (a
// dotted path) in its message.
class SceneBuilder {
  public:
    using Vector = std::array<float, 3>;
    using Matrix = std::array<std::array<float, 4>, 4>;  // row vectors: p' = [p, 1] M

    SceneBuilder(std::shared_ptr<Device> device, int32_t bounces, bool hide_lights);

    void add_material(const Vector& color, const Vector& emission, float roughness, float ior,
                      std::shared_ptr<Texture> texture, const std::array<float, 2>& texture_frequency, uint32_t id);
    // `is_light`: listed among the scene's lights, so that `hide_lights` applies.
    void add_grid(const Matrix& transform, const Vector& position, const Vector& normal, const Vector& size,
                  uint32_t material, bool is_light, const std::string& where);
    void add_sphere(const Matrix& transform, const Vector& position, float radius, uint32_t material, bool is_light,
                    const std::string& where);
    void add_mesh(const Matrix& transform, std::shared_ptr<Mesh> mesh, uint32_t material, bool is_light,
                  const std::string& where);
    // Hands the finished scene out; the builder is empty afterwards.
    std::shared_ptr<Scene> finish();

  private:
    void add(Object object, float area, float largest, bool is_light, std::shared_ptr<Mesh> mesh,
             const std::string& where);

    std::unique_ptr<Scene> scene_;
    bool hide_lights_;
    std::vector<Vec3> emissions_;  // by material
    std::vector<uint32_t> ids_;    // by material
    std::vector<Light> lights_;
};

// --- the hot path ---

inline IntLanes Scene::can_trace(const RayOf<Lanes>& rays) const {
    const Vector3<Lanes>& d = rays.direction;
    return (max_abs_component(rays.origin) <= farthest_) & (absolute(d.x) + absolute(d.y) + absolute(d.z) <= 2.0f) &
           (rays.t_max >= rays.t_min);
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

inline Scene::Triangle Scene::find(const decltype(RayHitPacket::hit)& hits, int lane) const {
    const unsigned primitive = hits.primID[lane];
    const unsigned instance = hits.instID[0][lane];
    if (instance != RTC_INVALID_GEOMETRY_ID) {
        return {static_cast<int32_t>(instances_[instance]), static_cast<int32_t>(primitive)};
    }
    if (hits.geomID[lane] == 0) return triangles_[primitive];
    return {static_cast<int32_t>(spheres_[primitive]), 0};
}

inline IntLanes Scene::intersect(const IntLanes& mask, const RayOf<Lanes>& rays, HitOf<Lanes>& hits) const {
    const IntLanes traced = mask & can_trace(rays);
    RayHitPacket packet;
    fill(packet.ray, rays);
    constexpr size_t kBytes = sizeof(IntLanes);
    __builtin_memset(&packet.hit.geomID, 0xff, kBytes);
    __builtin_memset(&packet.hit.instID, 0xff, kBytes);
    embree::intersect(scene_.get(), traced, packet);
    const IntLanes found = traced & (load<IntLanes>(packet.hit.geomID) != -1);
    hits.t = load<Lanes>(packet.ray.tfar);
    hits.u = load<Lanes>(packet.hit.u);
    hits.v = load<Lanes>(packet.hit.v);
    IntArray<Lanes> object, primitive;
    for_lanes(kLaneCount, found, [&](int lane) {
        const Triangle triangle = find(packet.hit, lane);
        object.at[lane] = triangle.object;
        primitive.at[lane] = triangle.primitive;
    });
    hits.object = object.load();
    hits.primitive = primitive.load();
    return found;
}

inline IntLanes Scene::occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const {
    const IntLanes traced = mask & can_trace(rays);
    RayPacket packet;
    fill(packet, rays);
    embree::occluded(scene_.get(), traced, packet);
    return traced & (load<Lanes>(packet.tfar) < 0.0f);
}

}  // namespace rnd::embree
