// From a hit to what shading needs to know of the surface there.
#pragma once

#include "core/bsdf.h"
#include "core/scene_data.h"

namespace rnd {

template <class F>
struct Surface {
    Vector3<F> position;
    Vector3<F> origin;            // where rays that leave the surface start: just off it, on the viewer's side
    Vector3<F> geometric_normal;  // both normals point to the viewer's side: everything is two-sided
    Frame<F> shading;             // its n is the shading normal
    Vector3<F> wo;                // towards the viewer, in the world
    Vector3<F> wo_local;          // the same in `shading`
    Vector3<F> color;             // of the material there: with its texture
    F roughness{};
    F ior{};
    F id{};
    IntOf<F> light{};  // kNone: shines not
    MaskOf<F> textured{};
    MaskOf<F> front{};  // seen from the side to which the surface's own normal points
};

// The shading normal turned so far towards the viewer that he sees its front: interpolated normals at silhouettes may
// point away from him, where no BSDF is defined.
template <class F>
RND_HD Vector3<F> visible_normal(const Vector3<F>& shading, const Vector3<F>& geometric, const Vector3<F>& wo) {
    constexpr float kMinCosine = 1e-3f;
    const F cosine = dot(shading, wo);
    const MaskOf<F> visible = cosine >= kMinCosine;
    if (all(visible)) return shading;
    // Where the geometric normal is just as grazing, only the viewing direction itself is left to turn to.
    const Vector3<F> turned = normalize_or(shading + wo * F(kMinCosine * 1.5f - cosine), geometric);
    return select(visible, shading, select(MaskOf<F>(dot(turned, wo) > 0.0f), turned, wo));
}

// Where on an object something lies: before normals are turned to the viewer.
template <class F>
struct Place {
    Vector3<F> position;
    Vector3<F> geometric_normal;
    Vector3<F> normal;
    Vector2<F> uv;
};

template <class M, class F>
RND_HD Place<F> select(const M& mask, const Place<F>& a, const Place<F>& b) {
    return {select(mask, a.position, b.position),
            select(mask, a.geometric_normal, b.geometric_normal),
            select(mask, a.normal, b.normal),
            {select(mask, a.uv.x, b.uv.x), select(mask, a.uv.y, b.uv.y)}};
}

// Without its texture coordinates.
template <class F>
RND_HD Place<F> place_on_grid(const Vector3<F>& center, const Vector3<F>& normal, const RayOf<F>& ray,
                              const HitOf<F>& hit) {
    const Vector3<F> offset = ray.origin - center + ray.direction * hit.t;
    return {center + (offset - normal * dot(normal, offset)), normal, normal, {}};
}

// Texture coordinates on grids, from 0 to 1.
template <class F>
RND_HD Vector2<F> grid_uv(const Row<F, ObjectField>& object, const Vector3<F>& offset) {
    return {dot(object.vector(ObjectField::along_u), offset) + 0.5f,
            dot(object.vector(ObjectField::along_v), offset) + 0.5f};
}

// Longitude runs around +y of the sphere's own frame, from -z eastwards (so that u = 1/2 lies on +z), latitude from
// the south pole (v = 0) to the north pole.
RND_HD Vec2 sphere_uv(const Affine& axes, const Vec3& normal) {
    const Vec3 own{dot(normal, axes.x), dot(normal, axes.y), dot(normal, axes.z)};
    return {0.5f + 0.5f * kInvPi * std::atan2(own.x, own.z), 0.5f + kInvPi * std::asin(clamp(own.y, -1.0f, 1.0f))};
}

template <class F>
RND_HD Place<F> place_on_sphere(const SphereOf<F>& sphere, const RayOf<F>& ray, const HitOf<F>& hit) {
    const Vector3<F> outward = ray.origin + ray.direction * hit.t - sphere.center;
    const Vector3<F> normal = normalize_or(outward, -ray.direction);
    return {sphere.center + normal * sphere.radius, normal, normal, {}};
}

RND_HD Place<float> place_on_mesh(const Object& object, const Vec3& direction, int32_t primitive, float u, float v) {
    const MeshView& mesh = object.mesh;
    const uint32_t* corner = mesh.triangles + 3 * static_cast<int64_t>(primitive);
    const float w = 1.0f - u - v;
    const Vec3 a = mesh.positions[corner[0]];
    const Vec3 ab = mesh.positions[corner[1]] - a;
    const Vec3 ac = mesh.positions[corner[2]] - a;
    Place<float> place;
    place.position = object.to_world.point(a + ab * u + ac * v);
    place.geometric_normal = normalize_or(cross(object.to_world.vector(ab), object.to_world.vector(ac)), -direction);
    place.normal = place.geometric_normal;
    if (mesh.normals != nullptr) {
        const Vec3 own = mesh.normals[corner[0]] * w + mesh.normals[corner[1]] * u + mesh.normals[corner[2]] * v;
        place.normal = normalize_or(object.normal_map.vector(own), place.geometric_normal);
    }
    if (mesh.uvs != nullptr) {
        const Vec2 t0 = mesh.uvs[corner[0]];
        const Vec2 t1 = mesh.uvs[corner[1]];
        const Vec2 t2 = mesh.uvs[corner[2]];
        place.uv = {t0.x * w + t1.x * u + t2.x * v, t0.y * w + t1.y * u + t2.y * v};
    }
    return place;
}

template <class F>
RND_HD Place<F> place_on_meshes(const SceneData& scene, const MaskOf<F>& mask, const IntArray<F>& objects,
                                const RayOf<F>& ray, const HitOf<F>& hit) {
    VectorArray<F> position{}, geometric_normal{}, normal{};
    LaneArray<F> texture_u{}, texture_v{};
    const VectorArray<F> direction = lanes_of(ray.direction);
    const LaneArray<F> u = lanes_of(hit.u);
    const LaneArray<F> v = lanes_of(hit.v);
    IntArray<F> primitive;
    primitive.store(hit.primitive);
    for_lanes(mask, [&](int i) {
        const Place<float> place =
            place_on_mesh(scene.objects[objects.at[i]], direction.get(i), primitive.at[i], u.at[i], v.at[i]);
        position.set(i, place.position);
        geometric_normal.set(i, place.geometric_normal);
        normal.set(i, place.normal);
        texture_u.at[i] = place.uv.x;
        texture_v.at[i] = place.uv.y;
    });
    return {position.load(), geometric_normal.load(), normal.load(), {texture_u.load(), texture_v.load()}};
}

// The color of the material there: times the largest component of the texel, where it has a texture.
RND_HD Vec3 textured_color(const SceneData& scene, const Material& material, const Vec2& uv) {
    if (material.texture == kNone) return material.color;
    const Vec2 repeated{uv.x * material.texture_frequency.x, uv.y * material.texture_frequency.y};
    return material.color * max_component(lookup(scene.textures[material.texture], repeated));
}

// `color`, with textures in the lanes of `mask`.
template <class F>
RND_HD Vector3<F> apply_textures(const SceneData& scene, const MaskOf<F>& mask, const IntArray<F>& objects,
                                 const Place<F>& place, const Vector3<F>& color) {
    VectorArray<F> colors = lanes_of(color);
    const LaneArray<F> u = lanes_of(place.uv.x);
    const LaneArray<F> v = lanes_of(place.uv.y);
    const VectorArray<F> normal = lanes_of(place.geometric_normal);
    for_lanes(mask, [&](int i) {
        const Object& object = scene.objects[objects.at[i]];
        const bool sphere = object.kind == ObjectKind::sphere;
        const Vec2 uv = sphere ? sphere_uv(object.to_world, normal.get(i)) : Vec2{u.at[i], v.at[i]};
        colors.set(i, textured_color(scene, scene.materials[object.material], uv));
    });
    return colors.load();
}

// Describes the `surface` that `ray` has hit (in place: copies would cost a fortieth of rendering). Only lanes in
// `mask` have hit something; `hit` names some object of the scene in the others, too.
template <class F>
RND_HD void describe_surface(const SceneData& scene, const MaskOf<F>& mask, const RayOf<F>& ray, const HitOf<F>& hit,
                             Surface<F>& surface) {
    const Row<F, ObjectField> object{scene.object_table, hit.object};
    const F kind = object.number(ObjectField::kind);
    const MaskOf<F> on_sphere = mask & (kind == static_cast<float>(ObjectKind::sphere));
    const MaskOf<F> on_mesh = mask & (kind == static_cast<float>(ObjectKind::mesh));
    const MaskOf<F> textured = mask & (object.number(ObjectField::textured) != 0.0f);
    IntArray<F> objects;
    objects.store(hit.object);
    const Vector3<F> center = object.vector(ObjectField::center);
    Place<F> place = place_on_grid(center, object.vector(ObjectField::normal), ray, hit);
    if (any(on_sphere)) {
        const SphereOf<F> sphere{center, object.number(ObjectField::radius)};
        place = select(on_sphere, place_on_sphere(sphere, ray, hit), place);
    }
    if (any(on_mesh)) place = select(on_mesh, place_on_meshes(scene, on_mesh, objects, ray, hit), place);

    surface.textured = textured;
    surface.color = object.vector(ObjectField::color);
    if (any(textured)) {
        const MaskOf<F> on_grid = kind == static_cast<float>(ObjectKind::grid);
        place.uv = select(on_grid, grid_uv(object, place.position - center), place.uv);
        surface.color = apply_textures(scene, textured, objects, place, surface.color);
    }
    surface.roughness = object.number(ObjectField::roughness);
    surface.ior = object.number(ObjectField::ior);
    surface.id = object.number(ObjectField::id);
    surface.light = object.integer(ObjectField::light);
    surface.position = place.position;
    surface.wo = -ray.direction;
    surface.front = dot(place.geometric_normal, surface.wo) > 0.0f;
    surface.geometric_normal = select(surface.front, place.geometric_normal, -place.geometric_normal);
    const MaskOf<F> turned = dot(place.normal, surface.geometric_normal) < 0.0f;
    const Vector3<F> normal = select(turned, -place.normal, place.normal);
    surface.shading = make_frame(visible_normal(normal, surface.geometric_normal, surface.wo));
    surface.wo_local = surface.shading.to_local(surface.wo);
    surface.origin = surface.position + surface.geometric_normal * object.number(ObjectField::offset);
}

}  // namespace rnd
