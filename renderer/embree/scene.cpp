#include "embree/scene.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "embree/errors.h"

namespace rnd::embree {

namespace {

// Up to so many grids and spheres are tested one by one. With as many, that still makes twice the samples that Embree's
// packets make; with six walls alone, 2.7 times.
constexpr size_t kMostDirectShapes = 64;

// Up to so many small meshes are tested one by one: every ray against the boxes of all.
constexpr std::ptrdiff_t kMostSmallMeshes = 16;

// Embree leaves out what lies beyond 1.8e18.
constexpr float kFarthestObject = 1e18f;

Vec3 to_vec3(const SceneBuilder::Vector& v) {
    return {v[0], v[1], v[2]};
}

Affine to_affine(const SceneBuilder::Matrix& m, const std::string& where) {
    const auto row = [&m](size_t i) { return Vec3{m[i][0], m[i][1], m[i][2]}; };
    if (m[0][3] != 0.0f || m[1][3] != 0.0f || m[2][3] != 0.0f || m[3][3] != 1.0f) {
        throw SceneFault(where + ".transform: the last column must be 0, 0, 0, 1 (the translation is the last row)");
    }
    const Affine map{row(0), row(1), row(2), row(3)};
    const float scale = length(map.x) * length(map.y) * length(map.z);
    if (!(std::fabs(map.determinant()) > 1e-6f * scale)) {
        throw SceneFault(where + ".transform: cannot be inverted; it flattens the object to nothing");
    }
    return map;
}

// The rotation's axes and the scale of a similarity.
float similarity_scale(const Affine& map, const std::string& where) {
    const float scale = length(map.x);
    const float tolerance = 1e-3f * scale;
    const bool uniform = std::fabs(length(map.y) - scale) <= tolerance && std::fabs(length(map.z) - scale) <= tolerance;
    const float skew =
        maximum(std::fabs(dot(map.x, map.y)), maximum(std::fabs(dot(map.y, map.z)), std::fabs(dot(map.z, map.x))));
    if (!uniform || skew > tolerance * scale) {
        throw SceneFault(where + ".transform: a sphere can be moved, rotated and scaled evenly, but not stretched");
    }
    return scale;
}

// The two edges of an untransformed grid. Seen from the front, v points up (floors and ceilings: to -z) and u to the
// right; the extents belong to the world axes that the edges follow.
RectangleShape make_rectangle(const Vec3& position, const Vec3& normal, const Vec3& size) {
    const Vec3 magnitude{std::fabs(normal.x), std::fabs(normal.y), std::fabs(normal.z)};
    const bool level = magnitude.y >= magnitude.x && magnitude.y >= magnitude.z;
    const Vec3 up = level ? Vec3{0.0f, 0.0f, -1.0f} : Vec3{0.0f, 1.0f, 0.0f};
    const Vec3 v = normalize(up - normal * dot(up, normal));
    const Vec3 u = cross(v, normal);
    const float width = level || magnitude.z > magnitude.x ? size.x : size.z;
    const float height = level ? size.z : size.y;
    return {position, u * width, v * height};
}

float largest_coordinate(const RectangleShape& r) {
    return max_abs_component(r.center) + max_abs_component(r.edge_u) + max_abs_component(r.edge_v);
}

// Makes room for the table of so many things.
template <class Field>
TableWriter<Field> new_table(std::vector<float>& numbers, size_t things) {
    const auto count = static_cast<int32_t>(things);
    numbers.assign(static_cast<size_t>(table_size<Field>(count)), 0.0f);
    return {numbers.data(), count};
}

bool is_moderate(float extent) {
    return extent >= 1e-6f && extent <= 1e6f;
}

// Whether testing rays against it directly neither overflows nor loses all digits.
bool is_moderate(const Object& object) {
    if (object.kind == ObjectKind::sphere) {
        return is_moderate(object.sphere.radius) && max_abs_component(object.sphere.center) <= 1e6f;
    }
    const RectangleShape& r = object.rectangle;
    const float sides = length(r.edge_u) * length(r.edge_v);
    return object.kind == ObjectKind::grid && is_moderate(length(r.edge_u)) && is_moderate(length(r.edge_v)) &&
           max_abs_component(r.center) <= 1e6f && length(cross(r.edge_u, r.edge_v)) >= 1e-3f * sides;
}

}  // namespace

void Scene::make_tables() {
    TableWriter<ObjectField> objects = new_table<ObjectField>(object_numbers_, objects_.size());
    for (size_t i = 0; i < objects_.size(); ++i) {
        const Object& object = objects_[i];
        write_object(objects, static_cast<int32_t>(i), object, materials_[static_cast<size_t>(object.material)]);
    }
    data_.object_table = objects.table();
    TableWriter<LightField> lights = new_table<LightField>(light_numbers_, lights_.size());
    for (size_t i = 0; i < lights_.size(); ++i) write_light(lights, static_cast<int32_t>(i), lights_[i]);
    data_.light_table = lights.table();
}

void Scene::build() {
    const auto is_mesh = [](const Object& object) { return object.kind == ObjectKind::mesh; };
    const auto meshes = static_cast<size_t>(std::ranges::count_if(objects_, is_mesh));
    const auto is_small = [](const auto& mesh) { return mesh != nullptr && mesh->is_small(); };
    const bool few_shapes = objects_.size() - meshes <= kMostDirectShapes;
    const bool few_small = std::ranges::count_if(meshes_, is_small) <= kMostSmallMeshes;
    std::vector<uint32_t> others;
    for (uint32_t i = 0; i < objects_.size(); ++i) {
        const Object& object = objects_[i];
        const auto number = static_cast<int32_t>(i);
        if (is_mesh(object)) {
            if (few_small && SmallMeshes::can_take(*meshes_[i], object.to_world)) {
                small_meshes_.add(*meshes_[i], object.to_world, number);
            } else {
                others.push_back(i);
            }
        } else if (!few_shapes || !is_moderate(object)) {
            others.push_back(i);
        } else if (object.kind == ObjectKind::grid) {
            direct_.add_grid(object, number);
        } else {
            direct_.add_sphere(object.sphere, number);
        }
    }
    others_ = std::make_unique<Accelerator>(*device_, objects_, meshes_, others);
}

std::unique_ptr<Accelerator> Scene::in_embree() const {
    std::vector<uint32_t> all(objects_.size());
    std::iota(all.begin(), all.end(), 0u);
    return std::make_unique<Accelerator>(*device_, objects_, meshes_, all);
}

// --- gathering the description ---

SceneBuilder::SceneBuilder(std::shared_ptr<Device> device, int32_t bounces, bool hide_lights)
    : scene_(new Scene()), hide_lights_(hide_lights) {
    scene_->device_ = std::move(device);
    scene_->data_.bounces = bounces;
}

void SceneBuilder::add_material(const Vector& color, const Vector& emission, float roughness, float ior,
                                std::shared_ptr<Texture> texture, const std::array<float, 2>& texture_frequency,
                                uint32_t id) {
    Material material{to_vec3(color), roughness, ior, kNone, {texture_frequency[0], texture_frequency[1]}, 0.0f};
    if (texture != nullptr) {
        material.texture = static_cast<int32_t>(scene_->textures_.size());
        scene_->texture_views_.push_back(texture->view());
        scene_->textures_.push_back(std::move(texture));
    }
    scene_->materials_.push_back(material);
    emissions_.push_back(to_vec3(emission));
    ids_.push_back(id);
}

void SceneBuilder::add_grid(const Matrix& transform, const Vector& position, const Vector& normal, const Vector& size,
                            uint32_t material, bool is_light, const std::string& where) {
    const Affine map = to_affine(transform, where);
    const Vec3 own_normal = normalize_or(to_vec3(normal), {});
    if (is_black(own_normal)) throw SceneFault(where + ".normal: has no direction; it must not be zero");
    const RectangleShape own = make_rectangle(to_vec3(position), own_normal, to_vec3(size));
    Object object;
    object.kind = ObjectKind::grid;
    object.material = static_cast<int32_t>(material);
    object.rectangle = {map.point(own.center), map.vector(own.edge_u), map.vector(own.edge_v)};
    const Vec3 area = cross(object.rectangle.edge_u, object.rectangle.edge_v);
    const float area2 = length_squared(area);
    object.along_u = cross(object.rectangle.edge_v, area) / area2;
    object.along_v = cross(area, object.rectangle.edge_u) / area2;
    const Vec3 front = map.normal_map().vector(own_normal);
    object.normal = normalize_or(dot(area, front) < 0.0f ? -area : area, own_normal);
    add(object, length(area), largest_coordinate(object.rectangle), is_light, nullptr, where);
}

void SceneBuilder::add_sphere(const Matrix& transform, const Vector& position, float radius, uint32_t material,
                              bool is_light, const std::string& where) {
    const Affine map = to_affine(transform, where);
    const float scale = similarity_scale(map, where);
    if (!(radius > 0.0f)) throw SceneFault(where + ".radius: must be larger than 0");
    Object object;
    object.kind = ObjectKind::sphere;
    object.material = static_cast<int32_t>(material);
    object.sphere = {map.point(to_vec3(position)), radius * scale};
    object.to_world = {map.x / scale, map.y / scale, map.z / scale, {}};
    const float area = 4.0f * kPi * square(object.sphere.radius);
    add(object, area, max_abs_component(object.sphere.center) + object.sphere.radius, is_light, nullptr, where);
}

void SceneBuilder::add_mesh(const Matrix& transform, std::shared_ptr<Mesh> mesh, uint32_t material, bool is_light,
                            const std::string& where) {
    Object object;
    object.kind = ObjectKind::mesh;
    object.material = static_cast<int32_t>(material);
    object.to_world = to_affine(transform, where);
    object.normal_map = object.to_world.normal_map();
    object.mesh = mesh->view();
    const Vec3 reach = mesh->reach();
    const Affine& map = object.to_world;
    const float largest = max_abs_component(map.offset) + max_abs_component(map.x) * reach.x +
                          max_abs_component(map.y) * reach.y + max_abs_component(map.z) * reach.z;
    add(object, 0.0f, largest, is_light, std::move(mesh), where);
}

void SceneBuilder::add(Object object, float area, float largest, bool is_light, std::shared_ptr<Mesh> mesh,
                       const std::string& where) {
    const auto material = static_cast<size_t>(object.material);
    if (material >= emissions_.size()) throw SceneFault(where + ".material: there is no such material");
    if (!(largest <= kFarthestObject)) throw SceneFault(where + ": reaches further than 1e18 from the origin");
    object.offset = largest * kRelativeOffset;
    const bool hidden = is_light && hide_lights_;
    const Vec3& emission = emissions_[material];
    if (!is_black(emission)) {
        if (object.kind == ObjectKind::mesh) {
            throw SceneFault(where + ".material: is emissive, but only spheres and grids can shine, not mesh files");
        }
        Light light;
        light.kind = object.kind;
        light.hidden = hidden;
        light.radiance = emission / area;
        if (!(area > 0.0f) || !is_finite(light.radiance))
            throw SceneFault(where + ": a light needs an area larger than 0");
        light.power = max_component(emission);
        light.rectangle = object.rectangle;
        // A light's front is the cross product of its edges.
        if (dot(cross(light.rectangle.edge_u, light.rectangle.edge_v), object.normal) < 0.0f) {
            light.rectangle.edge_u = -light.rectangle.edge_u;
        }
        light.sphere = object.sphere;
        object.light = static_cast<int32_t>(lights_.size());
        lights_.push_back(light);
    }
    if (hidden) return;
    scene_->objects_.push_back(object);
    scene_->meshes_.push_back(std::move(mesh));
}

std::shared_ptr<Scene> SceneBuilder::finish() {
    Scene& scene = *scene_;
    const uint32_t ids = ids_.empty() ? 0 : *std::ranges::max_element(ids_);
    for (size_t i = 0; i < ids_.size(); ++i) {
        scene.materials_[i].id = static_cast<float>(ids_[i]) / (static_cast<float>(ids) + 1.0f);
    }
    // Hidden lights first, so that the integrator walks over those alone; objects follow their light to its new place.
    std::vector<int32_t> order(lights_.size());
    for (const bool hidden : {true, false}) {
        for (size_t i = 0; i < lights_.size(); ++i) {
            if (lights_[i].hidden != hidden) continue;
            order[i] = static_cast<int32_t>(scene.lights_.size());
            scene.lights_.push_back(lights_[i]);
        }
    }
    for (Object& object : scene.objects_) {
        if (object.light != kNone) object.light = order[static_cast<size_t>(object.light)];
    }
    scene.data_.objects = scene.objects_.data();
    scene.data_.materials = scene.materials_.data();
    scene.data_.textures = scene.texture_views_.data();
    scene.data_.lights = scene.lights_.data();
    scene.data_.light_count = static_cast<int32_t>(scene.lights_.size());
    scene.data_.hidden_light_count =
        static_cast<int32_t>(std::ranges::count_if(scene.lights_, [](const Light& light) { return light.hidden; }));
    scene.make_tables();
    scene.build();
    return std::shared_ptr<Scene>(std::move(scene_));
}

}  // namespace rnd::embree
