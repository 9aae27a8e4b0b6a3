#include "embree/scene.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "embree/errors.h"

namespace rnd::embree {

namespace {

// Geometry numbers within a scene; instances follow.
constexpr unsigned kTriangles = 0;
constexpr unsigned kSpheres = 1;
constexpr unsigned kFirstInstance = 2;

// Meshes up to this size become triangles of the scene itself: rays then meet one acceleration structure instead of
// two, and building it stays cheaper than a millisecond.
constexpr uint32_t kLargestMergedMesh = 256;

// Ray origins keep this share of the largest coordinate from their surface, some thirty rounding errors.
constexpr float kRelativeOffset = 0x1p-18f;

// Embree leaves out what lies beyond 1.8e18.
constexpr float kFarthestObject = 1e18f;

// Rays may start this far from the origin at least, objects or not: cameras.
constexpr double kLeastReach = 1e6;

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

const SphereShape& sphere_at(const void* spheres, unsigned primitive) {
    return static_cast<const SphereShape*>(spheres)[primitive];
}

void bound_sphere(const RTCBoundsFunctionArguments* arguments) {
    const SphereShape& sphere = sphere_at(arguments->geometryUserPtr, arguments->primID);
    // The margin covers the rounding of the sums.
    const float reach = sphere.radius + kRelativeOffset * (max_abs_component(sphere.center) + sphere.radius);
    RTCBounds& bounds = *arguments->bounds_o;
    bounds.lower_x = sphere.center.x - reach;
    bounds.lower_y = sphere.center.y - reach;
    bounds.lower_z = sphere.center.z - reach;
    bounds.upper_x = sphere.center.x + reach;
    bounds.upper_y = sphere.center.y + reach;
    bounds.upper_z = sphere.center.z + reach;
}

// Distance at which ray `i` of a packet meets the sphere within its segment; negative if nowhere.
float meet_sphere(const SphereShape& sphere, RTCRayN* rays, unsigned count, unsigned i) {
    const Vec3 origin{RTCRayN_org_x(rays, count, i), RTCRayN_org_y(rays, count, i), RTCRayN_org_z(rays, count, i)};
    const Vec3 direction{RTCRayN_dir_x(rays, count, i), RTCRayN_dir_y(rays, count, i), RTCRayN_dir_z(rays, count, i)};
    const float t = intersect_shape(sphere, origin, direction, RTCRayN_tnear(rays, count, i));
    return t < RTCRayN_tfar(rays, count, i) ? t : -1.0f;
}

void intersect_sphere(const RTCIntersectFunctionNArguments* arguments) {
    const SphereShape& sphere = sphere_at(arguments->geometryUserPtr, arguments->primID);
    RTCRayN* rays = RTCRayHitN_RayN(arguments->rayhit, arguments->N);
    RTCHitN* hits = RTCRayHitN_HitN(arguments->rayhit, arguments->N);
    for (unsigned i = 0; i < arguments->N; ++i) {
        if (arguments->valid[i] == 0) continue;
        const float t = meet_sphere(sphere, rays, arguments->N, i);
        if (t < 0.0f) continue;
        RTCRayN_tfar(rays, arguments->N, i) = t;
        RTCHitN_geomID(hits, arguments->N, i) = arguments->geomID;
        RTCHitN_primID(hits, arguments->N, i) = arguments->primID;
        RTCHitN_instID(hits, arguments->N, i, 0) = RTC_INVALID_GEOMETRY_ID;
    }
}

void occlude_by_sphere(const RTCOccludedFunctionNArguments* arguments) {
    const SphereShape& sphere = sphere_at(arguments->geometryUserPtr, arguments->primID);
    for (unsigned i = 0; i < arguments->N; ++i) {
        if (arguments->valid[i] == 0) continue;
        if (meet_sphere(sphere, arguments->ray, arguments->N, i) >= 0.0f) {
            RTCRayN_tfar(arguments->ray, arguments->N, i) = -std::numeric_limits<float>::infinity();
        }
    }
}

}  // namespace

// --- building the acceleration structure ---

void Scene::build() {
    scene_ = SceneOwner(rtcNewScene(device_->handle()));
    rtcSetSceneFlags(scene_.get(), RTC_SCENE_FLAG_ROBUST);
    rtcSetSceneBuildQuality(scene_.get(), RTC_BUILD_QUALITY_MEDIUM);
    instances_.assign(kFirstInstance, 0);
    double reach = kLeastReach;
    for (const Object& object : objects_) reach = std::max(reach, double{object.offset} / kRelativeOffset);
    for (uint32_t i = 0; i < objects_.size(); ++i) {
        switch (objects_[i].kind) {
            case ObjectKind::grid:
                add_grid_triangles(i);
                break;
            case ObjectKind::sphere:
                spheres_.push_back(i);
                sphere_shapes_.push_back(objects_[i].sphere);
                break;
            case ObjectKind::mesh:
                if (meshes_[i]->triangle_count() <= kLargestMergedMesh ||
                    !can_be_instance(objects_[i].to_world, reach)) {
                    merge_mesh(i);
                } else {
                    attach_instance(i);
                }
                break;
        }
    }
    if (!triangles_.empty()) attach_triangles();
    if (!spheres_.empty()) attach_spheres();
    rtcCommitScene(scene_.get());
    device_->check("building a scene");
}

void Scene::add_grid_triangles(uint32_t object) {
    const RectangleShape& r = objects_[object].rectangle;
    const auto first = static_cast<uint32_t>(vertices_.size());
    const Vec3 half_u = r.edge_u * 0.5f;
    const Vec3 half_v = r.edge_v * 0.5f;
    vertices_.insert(vertices_.end(), {r.center - half_u - half_v, r.center + half_u - half_v,
                                       r.center + half_u + half_v, r.center - half_u + half_v});
    indices_.insert(indices_.end(), {first, first + 1, first + 2, first, first + 2, first + 3});
    const auto owner = static_cast<int32_t>(object);
    triangles_.insert(triangles_.end(), {{owner, 0}, {owner, 1}});
}

void Scene::merge_mesh(uint32_t object) {
    const Mesh& mesh = *meshes_[object];
    const auto first = static_cast<uint32_t>(vertices_.size());
    for (const Vec3& position : mesh.positions()) vertices_.push_back(objects_[object].to_world.point(position));
    for (const uint32_t index : mesh.triangles()) indices_.push_back(first + index);
    for (uint32_t i = 0; i < mesh.triangle_count(); ++i) {
        triangles_.push_back({static_cast<int32_t>(object), static_cast<int32_t>(i)});
    }
}

void Scene::attach_triangles() {
    // Embree reads vertices sixteen bytes at a time: one more keeps the last read within the array.
    vertices_.reserve(vertices_.size() + 1);
    const GeometryOwner geometry(rtcNewGeometry(device_->handle(), RTC_GEOMETRY_TYPE_TRIANGLE));
    rtcSetSharedGeometryBuffer(geometry.get(), RTC_BUFFER_TYPE_VERTEX, 0, RTC_FORMAT_FLOAT3, vertices_.data(), 0,
                               sizeof(Vec3), vertices_.size());
    rtcSetSharedGeometryBuffer(geometry.get(), RTC_BUFFER_TYPE_INDEX, 0, RTC_FORMAT_UINT3, indices_.data(), 0,
                               3 * sizeof(uint32_t), triangles_.size());
    rtcCommitGeometry(geometry.get());
    rtcAttachGeometryByID(scene_.get(), geometry.get(), kTriangles);
}

void Scene::attach_spheres() {
    const GeometryOwner geometry(rtcNewGeometry(device_->handle(), RTC_GEOMETRY_TYPE_USER));
    rtcSetGeometryUserPrimitiveCount(geometry.get(), static_cast<unsigned>(sphere_shapes_.size()));
    rtcSetGeometryUserData(geometry.get(), sphere_shapes_.data());
    rtcSetGeometryBoundsFunction(geometry.get(), bound_sphere, nullptr);
    rtcSetGeometryIntersectFunction(geometry.get(), intersect_sphere);
    rtcSetGeometryOccludedFunction(geometry.get(), occlude_by_sphere);
    rtcCommitGeometry(geometry.get());
    rtcAttachGeometryByID(scene_.get(), geometry.get(), kSpheres);
}

bool Scene::can_be_instance(const Affine& to_world, double reach) {
    // Embree inverts the map in single precision; and where triangles are tiny in their own space, what it reports as
    // the place in the triangle is a corner.
    const std::array<Vec3, 3> rows{to_world.x, to_world.y, to_world.z};
    const auto moderate = [](const Vec3& row) {
        const float extent = length(row);
        return extent >= 1e-9f && extent <= 1e3f;
    };
    if (!std::ranges::all_of(rows, moderate)) return false;
    // A coordinate of the object's space is the scalar product with a column of the inverse: cofactors / determinant.
    double stretch = 0.0;
    for (size_t i = 0; i < rows.size(); ++i) {
        const Vec3 cofactors = cross(rows[(i + 1) % 3], rows[(i + 2) % 3]);
        const double sum = std::fabs(cofactors.x) + std::fabs(cofactors.y) + std::fabs(cofactors.z);
        stretch = std::max(stretch, sum / std::fabs(double{to_world.determinant()}));
    }
    const double limit = 0.5 * kFarthestRay / stretch - max_abs_component(to_world.offset);
    if (!(limit >= reach)) return false;
    farthest_ = std::min(farthest_, static_cast<float>(limit));
    return true;
}

void Scene::attach_instance(uint32_t object) {
    const Affine& map = objects_[object].to_world;
    const std::array<float, 12> columns{map.x.x, map.x.y, map.x.z, map.y.x,      map.y.y,      map.y.z,
                                        map.z.x, map.z.y, map.z.z, map.offset.x, map.offset.y, map.offset.z};
    const GeometryOwner geometry(rtcNewGeometry(device_->handle(), RTC_GEOMETRY_TYPE_INSTANCE));
    rtcSetGeometryInstancedScene(geometry.get(), meshes_[object]->scene());
    rtcSetGeometryTransform(geometry.get(), 0, RTC_FORMAT_FLOAT3X4_COLUMN_MAJOR, columns.data());
    rtcCommitGeometry(geometry.get());
    rtcAttachGeometryByID(scene_.get(), geometry.get(), static_cast<unsigned>(instances_.size()));
    instances_.push_back(object);
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
        scene_->texture_views_.push_back({texture->pixels.data(), texture->width, texture->height});
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
    scene.build();
    return std::shared_ptr<Scene>(std::move(scene_));
}

}  // namespace rnd::embree
