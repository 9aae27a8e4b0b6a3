#include "embree/accelerator.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace rnd::embree {

namespace {

// Geometry numbers; instances follow.
constexpr unsigned kTriangles = 0;
constexpr unsigned kSpheres = 1;
constexpr unsigned kFirstInstance = 2;

// Rays are tested against the boxes of so many objects each; of more, against the box around them all.
constexpr size_t kMostBoxes = 8;

// Rays may start this far from the origin at least, objects or not: cameras.
constexpr double kLeastReach = 1e6;

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

Box box_of(RTCScene scene) {
    RTCBounds bounds;
    rtcGetSceneBounds(scene, &bounds);
    return {{bounds.lower_x, bounds.lower_y, bounds.lower_z}, {bounds.upper_x, bounds.upper_y, bounds.upper_z}};
}

// The box around a mesh in the world: around its points if they are few, else around its own box.
Box box_of(const Mesh& mesh, const Affine& to_world) {
    Box box = empty_box();
    if (mesh.is_small()) {
        for (const Vec3& position : mesh.positions()) extend(box, to_world.point(position));
        return box;
    }
    const Box own = box_of(mesh.scene());
    for (unsigned corner = 0; corner < 8; ++corner) {
        extend(box, to_world.point({(corner & 1u) != 0 ? own.upper.x : own.lower.x,
                                    (corner & 2u) != 0 ? own.upper.y : own.lower.y,
                                    (corner & 4u) != 0 ? own.upper.z : own.lower.z}));
    }
    return box;
}

}  // namespace

Accelerator::Accelerator(const Device& device, std::span<const Object> objects,
                         std::span<const std::shared_ptr<Mesh>> meshes, std::span<const uint32_t> included)
    : instances_(kFirstInstance, 0), scene_(rtcNewScene(device.handle())) {
    rtcSetSceneFlags(scene_.get(), RTC_SCENE_FLAG_ROBUST);
    rtcSetSceneBuildQuality(scene_.get(), RTC_BUILD_QUALITY_MEDIUM);
    double reach = kLeastReach;
    for (const Object& object : objects) reach = std::max(reach, double{object.offset} / kRelativeOffset);
    for (const uint32_t i : included) {
        const Object& object = objects[i];
        switch (object.kind) {
            case ObjectKind::grid:
                add_grid(object.rectangle, i);
                break;
            case ObjectKind::sphere:
                spheres_.push_back(i);
                sphere_shapes_.push_back(object.sphere);
                break;
            case ObjectKind::mesh:
                // Small meshes become triangles of the whole: rays then meet one structure instead of two, and building
                // it stays cheaper than a millisecond.
                if (meshes[i]->is_small() || !can_be_instance(object.to_world, reach)) {
                    merge_mesh(*meshes[i], object.to_world, i);
                } else {
                    attach_instance(device, *meshes[i], object.to_world, i);
                }
                break;
        }
    }
    if (!triangles_.empty()) attach_triangles(device);
    if (!spheres_.empty()) attach_spheres(device);
    rtcCommitScene(scene_.get());
    device.check("building a scene");
    empty_ = included.empty();
    make_boxes(objects, meshes, included);
}

void Accelerator::make_boxes(std::span<const Object> objects, std::span<const std::shared_ptr<Mesh>> meshes,
                             std::span<const uint32_t> included) {
    const auto is_mesh = [&](uint32_t i) { return objects[i].kind == ObjectKind::mesh; };
    if (included.size() <= kMostBoxes && std::ranges::all_of(included, is_mesh)) {
        for (const uint32_t i : included) boxes_.push_back(with_margin(box_of(*meshes[i], objects[i].to_world)));
    } else {
        boxes_.push_back(with_margin(box_of(scene_.get())));
    }
}

void Accelerator::add_grid(const RectangleShape& r, uint32_t object) {
    const auto first = static_cast<uint32_t>(vertices_.size());
    const Vec3 half_u = r.edge_u * 0.5f;
    const Vec3 half_v = r.edge_v * 0.5f;
    vertices_.insert(vertices_.end(), {r.center - half_u - half_v, r.center + half_u - half_v,
                                       r.center + half_u + half_v, r.center - half_u + half_v});
    indices_.insert(indices_.end(), {first, first + 1, first + 2, first, first + 2, first + 3});
    const auto owner = static_cast<int32_t>(object);
    triangles_.insert(triangles_.end(), {{owner, 0}, {owner, 0}});
}

void Accelerator::merge_mesh(const Mesh& mesh, const Affine& to_world, uint32_t object) {
    const auto first = static_cast<uint32_t>(vertices_.size());
    for (const Vec3& position : mesh.positions()) vertices_.push_back(to_world.point(position));
    for (const uint32_t index : mesh.triangles()) indices_.push_back(first + index);
    for (uint32_t i = 0; i < mesh.triangle_count(); ++i) {
        triangles_.push_back({static_cast<int32_t>(object), static_cast<int32_t>(i)});
    }
}

void Accelerator::attach_triangles(const Device& device) {
    // Embree reads vertices sixteen bytes at a time: one more keeps the last read within the array.
    vertices_.reserve(vertices_.size() + 1);
    const GeometryOwner geometry(rtcNewGeometry(device.handle(), RTC_GEOMETRY_TYPE_TRIANGLE));
    rtcSetSharedGeometryBuffer(geometry.get(), RTC_BUFFER_TYPE_VERTEX, 0, RTC_FORMAT_FLOAT3, vertices_.data(), 0,
                               sizeof(Vec3), vertices_.size());
    rtcSetSharedGeometryBuffer(geometry.get(), RTC_BUFFER_TYPE_INDEX, 0, RTC_FORMAT_UINT3, indices_.data(), 0,
                               3 * sizeof(uint32_t), triangles_.size());
    rtcCommitGeometry(geometry.get());
    rtcAttachGeometryByID(scene_.get(), geometry.get(), kTriangles);
}

void Accelerator::attach_spheres(const Device& device) {
    const GeometryOwner geometry(rtcNewGeometry(device.handle(), RTC_GEOMETRY_TYPE_USER));
    rtcSetGeometryUserPrimitiveCount(geometry.get(), static_cast<unsigned>(sphere_shapes_.size()));
    rtcSetGeometryUserData(geometry.get(), sphere_shapes_.data());
    rtcSetGeometryBoundsFunction(geometry.get(), bound_sphere, nullptr);
    rtcSetGeometryIntersectFunction(geometry.get(), intersect_sphere);
    rtcSetGeometryOccludedFunction(geometry.get(), occlude_by_sphere);
    rtcCommitGeometry(geometry.get());
    rtcAttachGeometryByID(scene_.get(), geometry.get(), kSpheres);
}

bool Accelerator::can_be_instance(const Affine& to_world, double reach) {
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

void Accelerator::attach_instance(const Device& device, const Mesh& mesh, const Affine& map, uint32_t object) {
    const std::array<float, 12> columns{map.x.x, map.x.y, map.x.z, map.y.x,      map.y.y,      map.y.z,
                                        map.z.x, map.z.y, map.z.z, map.offset.x, map.offset.y, map.offset.z};
    const GeometryOwner geometry(rtcNewGeometry(device.handle(), RTC_GEOMETRY_TYPE_INSTANCE));
    rtcSetGeometryInstancedScene(geometry.get(), mesh.scene());
    rtcSetGeometryTransform(geometry.get(), 0, RTC_FORMAT_FLOAT3X4_COLUMN_MAJOR, columns.data());
    rtcCommitGeometry(geometry.get());
    rtcAttachGeometryByID(scene_.get(), geometry.get(), static_cast<unsigned>(instances_.size()));
    instances_.push_back(object);
}

}  // namespace rnd::embree
