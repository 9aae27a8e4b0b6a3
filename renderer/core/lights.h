// Sphere and rectangle lights: sampling seen from a point, its density, and the intersection that a ray needs.
#pragma once

#include "core/frame.h"
#include "core/warp.h"

namespace rnd {

template <class F>
struct LightSample {
    Vector3<F> direction;
    F distance{};
    F pdf{};  // per solid angle; 0 where the light does not shine on the point
};

template <class M, class F>
RND_HD LightSample<F> select(const M& mask, const LightSample<F>& a, const LightSample<F>& b) {
    return {select(mask, a.direction, b.direction), select(mask, a.distance, b.distance), select(mask, a.pdf, b.pdf)};
}

template <class F>
struct SphereOf {
    Vector3<F> center;
    F radius{};
};

// The parallelogram center + a * edge_u + b * edge_v, a and b in [-1/2, 1/2]; its front is cross(edge_u, edge_v).
template <class F>
struct RectangleOf {
    Vector3<F> center;
    Vector3<F> edge_u;
    Vector3<F> edge_v;
};

using SphereShape = SphereOf<float>;
using RectangleShape = RectangleOf<float>;

template <class F>
RND_HD SphereOf<F> spread(const SphereShape& sphere) {
    return {spread<F>(sphere.center), spread<F>(sphere.radius)};
}
template <class F>
RND_HD RectangleOf<F> spread(const RectangleShape& rectangle) {
    return {spread<F>(rectangle.center), spread<F>(rectangle.edge_u), spread<F>(rectangle.edge_v)};
}

// --- spheres ---

// 1 - cos of the half angle of the cone that a sphere fills, without cancellation for small or distant spheres.
template <class F>
RND_HD F cone_size(const F& sin2) {
    return sin2 / (1.0f + square_root(maximum(F{}, F(1.0f - sin2))));
}

template <class F>
RND_HD MaskOf<F> is_inside(const SphereOf<F>& sphere, const Vector3<F>& to_center) {
    return length_squared(to_center) <= square(sphere.radius);
}

// From inside, uniform over all directions.
template <class F>
RND_HD LightSample<F> sample_light_from_inside(const SphereOf<F>& sphere, const Vector3<F>& to_center,
                                               const Vector2<F>& u) {
    LightSample<F> sample;
    sample.direction = sample_uniform_sphere(u);
    const F along = dot(to_center, sample.direction);
    const F across2 = length_squared(to_center - sample.direction * along);
    const F half = square_root(maximum(F{}, F(square(sphere.radius) - across2)));
    sample.distance = maximum(F{}, F(along + half));
    sample.pdf = spread<F>(kUniformSpherePdf);
    return sample;
}

// From outside, uniform over the solid angle of the visible cap.
template <class F>
RND_HD LightSample<F> sample_light_from_outside(const SphereOf<F>& sphere, const Vector3<F>& to_center,
                                                const Vector2<F>& u) {
    const F d2 = length_squared(to_center);
    const F r2 = square(sphere.radius);
    const F d = square_root(d2);
    const F size = cone_size(F(r2 / d2));
    const DiskPoint<F> disk = concentric_disk(u);
    const F drop = disk.radius2 * size;  // 1 - cos of the chosen angle
    const F sin2 = drop * (2.0f - drop);
    const F sine = square_root(sin2);
    const Frame<F> frame = make_frame(to_center / d);
    LightSample<F> sample;
    sample.direction = frame.to_world(Vector3<F>{sine * disk.direction.x, sine * disk.direction.y, 1.0f - drop});
    const F half = square_root(maximum(F{}, F(r2 - d2 * sin2)));
    sample.distance = maximum(F{}, F(d * (1.0f - drop) - half));
    sample.pdf = 1.0f / (2.0f * kPi * size);
    return sample;
}

template <class F>
RND_HD LightSample<F> sample_light(const SphereOf<F>& sphere, const Vector3<F>& point, const Vector2<F>& u) {
    const Vector3<F> to_center = sphere.center - point;
    const MaskOf<F> inside = is_inside(sphere, to_center);
    const LightSample<F> outer = sample_light_from_outside(sphere, to_center, u);
    return none(inside) ? outer : select(inside, sample_light_from_inside(sphere, to_center, u), outer);
}

// Distance to the first point of the sphere along a ray beyond `minimum_distance`; negative if there is none.
template <class F>
RND_HD F intersect_shape(const SphereOf<F>& sphere, const Vector3<F>& origin, const Vector3<F>& direction,
                         const F& minimum_distance) {
    const Vector3<F> to_center = sphere.center - origin;
    const F along = dot(to_center, direction);
    // The distance of the ray from the center as a vector: exact enough for small far spheres, where b^2 - 4ac is not
    // (Haines et al., "Precision Improvements for Ray/Sphere Intersection", Ray Tracing Gems, 2019).
    const F half2 = square(sphere.radius) - length_squared(to_center - direction * along);
    const F half = square_root(half2);  // not a number where the ray passes by: all that follows is false then
    const F near = along - half;
    const F far = along + half;
    const F beyond = select(MaskOf<F>(far > minimum_distance), far, spread<F>(-1.0f));
    return select(MaskOf<F>(near > minimum_distance), near, beyond);
}

// Density of `sample_light` for a unit direction that is known to meet the sphere.
template <class F>
RND_HD F met_light_pdf(const SphereOf<F>& sphere, const Vector3<F>& point, const Vector3<F>&) {
    const Vector3<F> to_center = sphere.center - point;
    const F size = cone_size(F(square(sphere.radius) / length_squared(to_center)));
    return select(is_inside(sphere, to_center), spread<F>(kUniformSpherePdf), F(1.0f / (2.0f * kPi * size)));
}

// --- rectangles ---

// Uniform over the area, converted to solid angle.
template <class F>
RND_HD LightSample<F> sample_light(const RectangleOf<F>& rectangle, const Vector3<F>& point, const Vector2<F>& u) {
    const Vector3<F> area = cross(rectangle.edge_u, rectangle.edge_v);
    const Vector3<F> offset =
        rectangle.center + rectangle.edge_u * F(u.x - 0.5f) + rectangle.edge_v * F(u.y - 0.5f) - point;
    LightSample<F> sample;
    const F d2 = length_squared(offset);
    sample.distance = square_root(d2);
    const MaskOf<F> apart = sample.distance > 0.0f;
    sample.direction = select(apart, offset / sample.distance, Vector3<F>{});
    const F projected_area = -dot(area, sample.direction);
    sample.pdf = select(MaskOf<F>(projected_area > 0.0f), F(d2 / projected_area), F{});
    return sample;
}

// Distance to the parallelogram along a ray beyond `minimum_distance`, from either side; negative if there is none.
template <class F>
RND_HD F intersect_shape(const RectangleOf<F>& rectangle, const Vector3<F>& origin, const Vector3<F>& direction,
                         const F& minimum_distance) {
    const Vector3<F> area = cross(rectangle.edge_u, rectangle.edge_v);
    const F denominator = dot(area, direction);
    const Vector3<F> to_center = rectangle.center - origin;
    const F distance = dot(to_center, area) / denominator;
    const Vector3<F> offset = direction * distance - to_center;
    const F limit = 0.5f * length_squared(area);
    const F a = dot(cross(offset, rectangle.edge_v), area);
    const F b = dot(cross(rectangle.edge_u, offset), area);
    const MaskOf<F> met =
        (denominator != 0.0f) & (distance > minimum_distance) & (absolute(a) <= limit) & (absolute(b) <= limit);
    return select(met, distance, spread<F>(-1.0f));
}

// Density of `sample_light` for a unit direction that is known to meet the rectangle; 0 from behind.
template <class F>
RND_HD F met_light_pdf(const RectangleOf<F>& rectangle, const Vector3<F>& point, const Vector3<F>& direction) {
    const Vector3<F> area = cross(rectangle.edge_u, rectangle.edge_v);
    const F projected_area = -dot(area, direction);
    const F distance = dot(point - rectangle.center, area) / projected_area;
    const MaskOf<F> in_front = (projected_area > 0.0f) & (distance > 0.0f);
    return select(in_front, F(square(distance) / projected_area), F{});
}

// --- both ---

// Density of `sample_light` for any unit direction.
template <class Shape, class F>
RND_HD F light_pdf(const Shape& shape, const Vector3<F>& point, const Vector3<F>& direction) {
    const MaskOf<F> met = intersect_shape(shape, point, direction, F{}) >= 0.0f;
    return select(met, met_light_pdf(shape, point, direction), F{});
}

}  // namespace rnd
