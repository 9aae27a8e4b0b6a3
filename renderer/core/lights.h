// Sphere and rectangle lights: sampling seen from a point, its density, and the intersection that a ray needs.
#pragma once

#include "core/frame.h"
#include "core/warp.h"

namespace rnd {

struct LightSample {
    Vec3 direction;
    float distance = 0.0f;
    float pdf = 0.0f;  // per solid angle; 0 where the light does not shine on the point
};

struct SphereShape {
    Vec3 center;
    float radius = 1.0f;
};

// The parallelogram center + a * edge_u + b * edge_v, a and b in [-1/2, 1/2]; its front is cross(edge_u, edge_v).
struct RectangleShape {
    Vec3 center;
    Vec3 edge_u;
    Vec3 edge_v;
};

// --- spheres ---

// 1 - cos of the half angle of the cone that a sphere fills, without cancellation for small or distant spheres.
RND_HD float cone_size(float sin2) {
    return sin2 / (1.0f + std::sqrt(maximum(0.0f, 1.0f - sin2)));
}

RND_HD bool is_inside(const SphereShape& sphere, const Vec3& to_center) {
    return length_squared(to_center) <= square(sphere.radius);
}

// Uniform over the solid angle of the visible cap; from inside, uniform over all directions.
RND_HD LightSample sample_light(const SphereShape& sphere, const Vec3& point, const Vec2& u) {
    const Vec3 to_center = sphere.center - point;
    const float d2 = length_squared(to_center);
    const float r2 = square(sphere.radius);
    LightSample sample;
    if (is_inside(sphere, to_center)) {
        sample.direction = sample_uniform_sphere(u);
        const float along = dot(to_center, sample.direction);
        const float across2 = length_squared(to_center - sample.direction * along);
        sample.distance = maximum(0.0f, along + std::sqrt(maximum(0.0f, r2 - across2)));
        sample.pdf = kUniformSpherePdf;
        return sample;
    }
    const float d = std::sqrt(d2);
    const float size = cone_size(r2 / d2);
    const DiskPoint disk = concentric_disk(u);
    const float drop = disk.radius2 * size;  // 1 - cos of the chosen angle
    const float sin2 = drop * (2.0f - drop);
    const float sine = std::sqrt(sin2);
    const Frame frame = make_frame(to_center / d);
    sample.direction = frame.to_world({sine * disk.direction.x, sine * disk.direction.y, 1.0f - drop});
    sample.distance = maximum(0.0f, d * (1.0f - drop) - std::sqrt(maximum(0.0f, r2 - d2 * sin2)));
    sample.pdf = 1.0f / (2.0f * kPi * size);
    return sample;
}

// Distance to the first point of the sphere along a ray beyond `minimum_distance`; negative if there is none.
RND_HD float intersect_shape(const SphereShape& sphere, const Vec3& origin, const Vec3& direction,
                             float minimum_distance) {
    const Vec3 to_center = sphere.center - origin;
    const float along = dot(to_center, direction);
    // The distance of the ray from the center as a vector: exact enough for small far spheres, where b^2 - 4ac is not
    // (Haines et al., "Precision Improvements for Ray/Sphere Intersection", Ray Tracing Gems, 2019).
    const float half2 = square(sphere.radius) - length_squared(to_center - direction * along);
    if (!(half2 >= 0.0f)) return -1.0f;
    const float half = std::sqrt(half2);
    if (along - half > minimum_distance) return along - half;
    return along + half > minimum_distance ? along + half : -1.0f;
}

// Density of `sample_light` for a unit direction that is known to meet the sphere.
RND_HD float met_light_pdf(const SphereShape& sphere, const Vec3& point, const Vec3&) {
    const Vec3 to_center = sphere.center - point;
    if (is_inside(sphere, to_center)) return kUniformSpherePdf;
    return 1.0f / (2.0f * kPi * cone_size(square(sphere.radius) / length_squared(to_center)));
}

// --- rectangles ---

// Uniform over the area, converted to solid angle.
RND_HD LightSample sample_light(const RectangleShape& rectangle, const Vec3& point, const Vec2& u) {
    const Vec3 area = cross(rectangle.edge_u, rectangle.edge_v);
    const Vec3 offset = rectangle.center + rectangle.edge_u * (u.x - 0.5f) + rectangle.edge_v * (u.y - 0.5f) - point;
    LightSample sample;
    const float d2 = length_squared(offset);
    sample.distance = std::sqrt(d2);
    if (!(sample.distance > 0.0f)) return sample;
    sample.direction = offset / sample.distance;
    const float projected_area = -dot(area, sample.direction);
    if (projected_area > 0.0f) sample.pdf = d2 / projected_area;
    return sample;
}

// Distance to the parallelogram along a ray beyond `minimum_distance`, from either side; negative if there is none.
RND_HD float intersect_shape(const RectangleShape& rectangle, const Vec3& origin, const Vec3& direction,
                             float minimum_distance) {
    const Vec3 area = cross(rectangle.edge_u, rectangle.edge_v);
    const float denominator = dot(area, direction);
    if (denominator == 0.0f) return -1.0f;
    const Vec3 to_center = rectangle.center - origin;
    const float distance = dot(to_center, area) / denominator;
    if (!(distance > minimum_distance)) return -1.0f;
    const Vec3 offset = direction * distance - to_center;
    const float area2 = length_squared(area);
    const float a = dot(cross(offset, rectangle.edge_v), area);
    const float b = dot(cross(rectangle.edge_u, offset), area);
    const bool within = std::fabs(a) <= 0.5f * area2 && std::fabs(b) <= 0.5f * area2;
    return within ? distance : -1.0f;
}

// Density of `sample_light` for a unit direction that is known to meet the rectangle; 0 from behind.
RND_HD float met_light_pdf(const RectangleShape& rectangle, const Vec3& point, const Vec3& direction) {
    const Vec3 area = cross(rectangle.edge_u, rectangle.edge_v);
    const float projected_area = -dot(area, direction);
    if (projected_area <= 0.0f) return 0.0f;
    const float distance = dot(point - rectangle.center, area) / projected_area;
    return distance > 0.0f ? square(distance) / projected_area : 0.0f;
}

// --- both ---

// Density of `sample_light` for any unit direction.
template <class Shape>
RND_HD float light_pdf(const Shape& shape, const Vec3& point, const Vec3& direction) {
    return intersect_shape(shape, point, direction, 0.0f) >= 0.0f ? met_light_pdf(shape, point, direction) : 0.0f;
}

}  // namespace rnd
