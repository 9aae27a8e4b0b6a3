// A scene on Embree: the seam through which the core's integrator sees it.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "embree/accelerator.h"
#include "embree/direct_shapes.h"
#include "embree/small_meshes.h"

namespace rnd::embree {

class Scene {
  public:
    // Finds what rays meet; see core/integrator.h.
    const SceneData& data() const { return data_; }
    IntLanes intersect(const IntLanes& mask, const RayOf<Lanes>& rays, HitOf<Lanes>& hits) const;
    IntLanes occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const;

    // All objects in one structure of Embree's, to compare with. Throws RenderFault or std::bad_alloc.
    std::unique_ptr<Accelerator> in_embree() const;

    Scene(const Scene&) = delete;
    Scene& operator=(const Scene&) = delete;
    ~Scene() = default;

  private:
    friend class SceneBuilder;
    Scene() = default;

    void make_tables();
    void build();

    std::shared_ptr<Device> device_;
    std::vector<std::shared_ptr<Mesh>> meshes_;  // by object; null where it is none
    std::vector<std::shared_ptr<Texture>> textures_;
    std::vector<TextureView> texture_views_;
    std::vector<Material> materials_;
    std::vector<Object> objects_;
    std::vector<Light> lights_;
    std::vector<float> object_numbers_;
    std::vector<float> light_numbers_;
    SceneData data_;

    DirectShapes direct_;
    SmallMeshes small_meshes_;
    std::unique_ptr<Accelerator> others_;
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

inline IntLanes Scene::intersect(const IntLanes& mask, const RayOf<Lanes>& rays, HitOf<Lanes>& hits) const {
    const Vector3<Lanes> inverse = inverse_direction(rays);
    RayOf<Lanes> shortened = rays;
    IntLanes found = direct_.intersect(mask, shortened, inverse, hits);
    if (!small_meshes_.empty()) found |= small_meshes_.intersect(mask, shortened, inverse, hits);
    if (!others_->empty()) found |= others_->intersect(mask, shortened, inverse, hits);
    hits.t = shortened.t_max;
    return found;
}

inline IntLanes Scene::occluded(const IntLanes& mask, const RayOf<Lanes>& rays) const {
    const Vector3<Lanes> inverse = inverse_direction(rays);
    IntLanes hidden = direct_.occluded(mask, rays, inverse);
    if (!small_meshes_.empty()) hidden |= small_meshes_.occluded(mask & ~hidden, rays, inverse);
    const IntLanes open = mask & ~hidden;
    if (others_->empty() || none(open)) return hidden;
    return hidden | others_->occluded(open, rays, inverse);
}

}  // namespace rnd::embree
