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
    bool intersect(const Ray& ray, Hit& hit) const;
    bool occluded(const Ray& ray) const;
    // Embree ends the process at rays that it cannot trace (some of its builds; in others they may never end): those
    // that are not finite, which degenerate geometry can bring about, and those that start too far out. Such rays hit
    // nothing.
    bool can_trace(const Ray& ray) const;

    RTCScene handle() const { return scene_.get(); }

    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;
    ~Scene() = default;

  private:
    friend class SceneBuilder;
    Scene() = default;

    // A triangle of the scene's own geometry belongs to an object: half a grid, or a part of a small mesh.
    struct Triangle {
        uint32_t object;
        uint32_t primitive;
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
    Hit triangle_hit(uint32_t primitive, float t, float u, float v) const;

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

inline bool Scene::can_trace(const Ray& ray) const {
    const Vec3& d = ray.direction;
    return std::fabs(ray.origin.x) <= farthest_ && std::fabs(ray.origin.y) <= farthest_ &&
           std::fabs(ray.origin.z) <= farthest_ && std::fabs(d.x) + std::fabs(d.y) + std::fabs(d.z) <= 2.0f &&
           ray.t_max >= ray.t_min;
}

inline Hit Scene::triangle_hit(uint32_t primitive, float t, float u, float v) const {
    const Triangle& triangle = triangles_[primitive];
    Hit hit{t, triangle.object, triangle.primitive, u, v};
    if (objects_[triangle.object].kind == ObjectKind::grid) {
        // Both halves start at the corner (0, 0); the first goes on to (1, 0) and (1, 1), the second to (1, 1) and (0,
        // 1).
        hit.u = triangle.primitive == 0 ? u + v : u;
        hit.v = triangle.primitive == 0 ? v : u + v;
    }
    return hit;
}

inline RTCRay to_embree(const Ray& ray) {
    RTCRay out;
    out.org_x = ray.origin.x;
    out.org_y = ray.origin.y;
    out.org_z = ray.origin.z;
    out.tnear = ray.t_min;
    out.dir_x = ray.direction.x;
    out.dir_y = ray.direction.y;
    out.dir_z = ray.direction.z;
    out.time = 0.0f;
    out.tfar = ray.t_max;
    out.mask = 0xffffffffu;
    out.id = 0;
    out.flags = 0;
    return out;
}

inline RTCRayHit to_embree_query(const Ray& ray) {
    RTCRayHit query;
    query.ray = to_embree(ray);
    query.hit.geomID = RTC_INVALID_GEOMETRY_ID;
    query.hit.instID[0] = RTC_INVALID_GEOMETRY_ID;
    return query;
}

inline bool Scene::intersect(const Ray& ray, Hit& hit) const {
    if (!can_trace(ray)) return false;
    RTCRayHit query = to_embree_query(ray);
    embree::intersect(scene_.get(), query);
    if (query.hit.geomID == RTC_INVALID_GEOMETRY_ID) return false;
    const float t = query.ray.tfar;
    if (query.hit.instID[0] != RTC_INVALID_GEOMETRY_ID) {
        hit = {t, instances_[query.hit.instID[0]], query.hit.primID, query.hit.u, query.hit.v};
    } else if (query.hit.geomID == 0) {
        hit = triangle_hit(query.hit.primID, t, query.hit.u, query.hit.v);
    } else {
        hit = {t, spheres_[query.hit.primID], 0, 0.0f, 0.0f};
    }
    return true;
}

inline bool Scene::occluded(const Ray& ray) const {
    if (!can_trace(ray)) return false;
    RTCRay query = to_embree(ray);
    embree::occluded(scene_.get(), query);
    return query.tfar < 0.0f;
}

}  // namespace rnd::embree
