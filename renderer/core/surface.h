// From a hit to what shading needs to know of the surface there.
#pragma once

#include "core/bsdf.h"
#include "core/scene_data.h"

namespace rnd {

struct Surface {
    Vec3 position;
    Vec3 origin;            // where rays that leave the surface start: just off it, on the viewer's side
    Vec3 geometric_normal;  // both normals point to the viewer's side: everything is two-sided
    Frame shading;          // its n is the shading normal
    Vec3 wo;                // towards the viewer, in the world
    Vec3 wo_local;          // the same in `shading`
    Vec2 uv;
    int32_t material = 0;
    int32_t light = kNone;
    bool front = true;  // seen from the side to which the surface's own normal points
};

// The shading normal turned so far towards the viewer that he sees its front: interpolated normals at silhouettes may
// point away from him, where no BSDF is defined.
RND_HD Vec3 visible_normal(const Vec3& shading, const Vec3& geometric, const Vec3& wo) {
    constexpr float kMinCosine = 1e-3f;
    const float cosine = dot(shading, wo);
    if (cosine >= kMinCosine) return shading;
    // Where the geometric normal is just as grazing, only the viewing direction itself is left to turn to.
    const Vec3 turned = normalize_or(shading + wo * (kMinCosine * 1.5f - cosine), geometric);
    return dot(turned, wo) > 0.0f ? turned : wo;
}

RND_HD void place_grid(const Object& object, const Hit& hit, Surface& surface, Vec3& normal) {
    const RectangleShape& r = object.rectangle;
    surface.position = r.center + r.edge_u * (hit.u - 0.5f) + r.edge_v * (hit.v - 0.5f);
    surface.uv = {hit.u, hit.v};
    surface.geometric_normal = object.normal;
    normal = object.normal;
}

// Longitude runs around +y of the sphere's own frame, from -z eastwards (so that u = 1/2 lies on +z), latitude from
// the south pole (v = 0) to the north pole.
RND_HD void place_sphere(const Object& object, const Ray& ray, const Hit& hit, bool textured, Surface& surface,
                         Vec3& normal) {
    const Vec3 outward = ray.origin + ray.direction * hit.t - object.sphere.center;
    normal = normalize_or(outward, -ray.direction);
    surface.position = object.sphere.center + normal * object.sphere.radius;
    surface.geometric_normal = normal;
    if (!textured) return;  // the angles cost more than the intersection
    const Affine& axes = object.to_world;
    const Vec3 own{dot(normal, axes.x), dot(normal, axes.y), dot(normal, axes.z)};
    surface.uv = {0.5f + 0.5f * kInvPi * std::atan2(own.x, own.z),
                  0.5f + kInvPi * std::asin(clamp(own.y, -1.0f, 1.0f))};
}

RND_HD void place_mesh(const Object& object, const Ray& ray, const Hit& hit, Surface& surface, Vec3& normal) {
    const MeshView& mesh = object.mesh;
    const uint32_t* corner = mesh.triangles + 3 * static_cast<uint64_t>(hit.primitive);
    const float w = 1.0f - hit.u - hit.v;
    const Vec3 a = mesh.positions[corner[0]];
    const Vec3 ab = mesh.positions[corner[1]] - a;
    const Vec3 ac = mesh.positions[corner[2]] - a;
    surface.position = object.to_world.point(a + ab * hit.u + ac * hit.v);
    surface.geometric_normal =
        normalize_or(cross(object.to_world.vector(ab), object.to_world.vector(ac)), -ray.direction);
    normal = surface.geometric_normal;
    if (mesh.normals != nullptr) {
        const Vec3 own =
            mesh.normals[corner[0]] * w + mesh.normals[corner[1]] * hit.u + mesh.normals[corner[2]] * hit.v;
        normal = normalize_or(object.normal_map.vector(own), surface.geometric_normal);
    }
    if (mesh.uvs != nullptr) {
        const Vec2 t0 = mesh.uvs[corner[0]];
        const Vec2 t1 = mesh.uvs[corner[1]];
        const Vec2 t2 = mesh.uvs[corner[2]];
        surface.uv = {t0.x * w + t1.x * hit.u + t2.x * hit.v, t0.y * w + t1.y * hit.u + t2.y * hit.v};
    }
}

RND_HD Surface make_surface(const SceneData& scene, const Ray& ray, const Hit& hit) {
    const Object& object = scene.objects[hit.object];
    Surface surface;
    surface.material = object.material;
    surface.light = object.light;
    surface.wo = -ray.direction;
    const bool textured = scene.materials[object.material].texture != kNone;
    Vec3 normal;
    switch (object.kind) {
        case ObjectKind::grid:
            place_grid(object, hit, surface, normal);
            break;
        case ObjectKind::sphere:
            place_sphere(object, ray, hit, textured, surface, normal);
            break;
        case ObjectKind::mesh:
            place_mesh(object, ray, hit, surface, normal);
            break;
    }
    surface.front = dot(surface.geometric_normal, surface.wo) > 0.0f;
    if (!surface.front) surface.geometric_normal = -surface.geometric_normal;
    if (dot(normal, surface.geometric_normal) < 0.0f) normal = -normal;
    surface.shading = make_frame(visible_normal(normal, surface.geometric_normal, surface.wo));
    surface.wo_local = surface.shading.to_local(surface.wo);
    surface.origin = surface.position + surface.geometric_normal * object.offset;
    return surface;
}

// The color of the material there: times the largest component of the texel, where it has a texture.
RND_HD Vec3 textured_color(const SceneData& scene, const Material& material, const Vec2& uv) {
    if (material.texture == kNone) return material.color;
    const Vec2 repeated{uv.x * material.texture_frequency.x, uv.y * material.texture_frequency.y};
    return material.color * max_component(lookup(scene.textures[material.texture], repeated));
}

}  // namespace rnd
