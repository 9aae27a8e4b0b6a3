// The scene as plain arrays, which the integrator reads on host or device, and the rays and hits that connect it to
// whatever library intersects.
#pragma once

#include <cstdint>

#include "core/lights.h"
#include "core/table.h"
#include "core/texture.h"

namespace rnd {

template <class F>
struct RayOf {
    Vector3<F> origin;
    F t_min{};
    Vector3<F> direction;  // unit length
    F t_max{};
};

// What an intersection library reports. `primitive`, `u` and `v` are of meshes: the triangle, and the weights of its
// second and third vertex.
template <class F>
struct HitOf {
    F t{};
    IntOf<F> object{};
    IntOf<F> primitive{};
    F u{};
    F v{};
};

using Ray = RayOf<float>;
using Hit = HitOf<float>;

inline constexpr int32_t kNone = -1;

struct Material {
    Vec3 color{1.0f, 1.0f, 1.0f};
    float roughness = 1.0f;
    float ior = 15.0f;
    int32_t texture = kNone;
    Vec2 texture_frequency{1.0f, 1.0f};
    float id = 0.0f;  // material id / (largest id in the scene + 1)
};

struct MeshView {
    const Vec3* positions = nullptr;
    const Vec3* normals = nullptr;  // null: flat
    const Vec2* uvs = nullptr;      // null: (0, 0)
    const uint32_t* triangles = nullptr;
};

enum class ObjectKind : uint32_t { grid, sphere, mesh };

struct Object {
    ObjectKind kind = ObjectKind::grid;
    int32_t material = 0;
    int32_t light = kNone;
    float offset = 0.0f;  // how far ray origins keep from the surface: a few rounding errors of its coordinates
    RectangleShape rectangle;
    Vec3 normal;            // grids: the front side
    Vec3 along_u, along_v;  // grids: dot(along_u, a edge_u + b edge_v) = a, and b
    SphereShape sphere;
    Affine to_world;    // meshes; spheres: rotation of the texture
    Affine normal_map;  // meshes
    MeshView mesh;
};

struct Light {
    ObjectKind kind = ObjectKind::sphere;  // grid or sphere
    bool hidden = false;                   // not part of what rays intersect
    Vec3 radiance;
    float power = 0.0f;  // largest component of radiance * area
    RectangleShape rectangle;
    SphereShape sphere;
};

// What shading needs of objects and their materials. Vectors take three rows.
enum class ObjectField : int32_t {
    kind,
    light,
    textured,  // 1 or 0
    offset,
    roughness,
    ior,
    id,
    radius,
    color,
    center = color + 3,    // of grids and spheres
    normal = center + 3,   // of grids
    along_u = normal + 3,  // of grids
    along_v = along_u + 3,
    end = along_v + 3,
};

enum class LightField : int32_t {
    is_sphere,  // 1 or 0
    power,
    radius,
    radiance,
    center = radiance + 3,
    edge_u = center + 3,
    edge_v = edge_u + 3,
    end = edge_v + 3,
};

RND_HD void write_object(TableWriter<ObjectField>& table, int32_t i, const Object& object, const Material& material) {
    const bool sphere = object.kind == ObjectKind::sphere;
    table.set(ObjectField::kind, i, static_cast<float>(object.kind));
    table.set(ObjectField::light, i, static_cast<float>(object.light));
    table.set(ObjectField::textured, i, material.texture == kNone ? 0.0f : 1.0f);
    table.set(ObjectField::offset, i, object.offset);
    table.set(ObjectField::roughness, i, material.roughness);
    table.set(ObjectField::ior, i, material.ior);
    table.set(ObjectField::id, i, material.id);
    table.set(ObjectField::radius, i, object.sphere.radius);
    table.set(ObjectField::color, i, material.color);
    table.set(ObjectField::center, i, sphere ? object.sphere.center : object.rectangle.center);
    table.set(ObjectField::normal, i, object.normal);
    table.set(ObjectField::along_u, i, object.along_u);
    table.set(ObjectField::along_v, i, object.along_v);
}

RND_HD void write_light(TableWriter<LightField>& table, int32_t i, const Light& light) {
    const bool sphere = light.kind == ObjectKind::sphere;
    table.set(LightField::is_sphere, i, sphere ? 1.0f : 0.0f);
    table.set(LightField::power, i, light.power);
    table.set(LightField::radius, i, light.sphere.radius);
    table.set(LightField::radiance, i, light.radiance);
    table.set(LightField::center, i, sphere ? light.sphere.center : light.rectangle.center);
    table.set(LightField::edge_u, i, light.rectangle.edge_u);
    table.set(LightField::edge_v, i, light.rectangle.edge_v);
}

struct SceneData {
    Table<ObjectField> object_table;
    Table<LightField> light_table;
    const Object* objects = nullptr;
    const Material* materials = nullptr;
    const TextureView* textures = nullptr;
    const Light* lights = nullptr;
    int32_t light_count = 0;
    int32_t hidden_light_count = 0;
    int32_t bounces = 0;
};

}  // namespace rnd
