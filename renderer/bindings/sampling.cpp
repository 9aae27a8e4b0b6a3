// Batched access to the core's sampling routines, so that tests can check each against its density.
#include "bindings/sampling.h"

#include <pybind11/stl.h>

#include <array>
#include <optional>

#include "bindings/arrays.h"
#include "core/bsdf.h"
#include "core/lights.h"
#include "core/sobol.h"

namespace rnd::bindings {

namespace {

using Triple = std::array<float, 3>;
using Floats = Array<float>;

Vec3 to_vec3(const Triple& v) {
    return {v[0], v[1], v[2]};
}

// Rows of an [n, k] array, or one row [k] that stands for all.
template <class V>
class Rows {
  public:
    Rows(Floats array, const char* name) : array_(std::move(array)) {
        constexpr auto columns = static_cast<py::ssize_t>(sizeof(V) / sizeof(float));
        shared_ = array_.ndim() == 1 && array_.shape(0) == columns;
        if (!shared_) check_matrix(array_, columns, name);
    }

    size_t count() const { return shared_ ? 1 : static_cast<size_t>(array_.shape(0)); }
    void expect(size_t count, const char* name) const {
        if (!shared_ && this->count() != count) throw py::value_error(std::string(name) + " has another length");
    }
    V operator[](size_t i) const {
        V row;
        std::memcpy(static_cast<void*>(&row), array_.data() + (shared_ ? 0 : i) * (sizeof(V) / sizeof(float)),
                    sizeof(V));
        return row;
    }

  private:
    Floats array_;
    bool shared_ = false;
};

using Points2 = Rows<Vec2>;
using Points3 = Rows<Vec3>;

template <class Function>
py::array_t<float> column(size_t count, Function&& value) {
    py::array_t<float> result = new_column(count);
    float* out = result.mutable_data();
    for (size_t i = 0; i < count; ++i) out[i] = value(i);
    return result;
}

template <class Function>
py::array_t<float> vectors(size_t count, Function&& value) {
    py::array_t<float> result = new_matrix(count, 3);
    float* out = result.mutable_data();
    for (size_t i = 0; i < count; ++i) store(out, i, value(i));
    return result;
}

py::array_t<float> sobol(const Array<uint32_t>& indices, uint32_t dimension, uint32_t seed) {
    const auto count = static_cast<size_t>(indices.size());
    return column(count, [&](size_t i) {
        const Vec2 pair = sobol_pair<float>(reversed_bits(indices.data()[i]), dimension / 2, seed);
        return dimension % 2 == 0 ? pair.x : pair.y;
    });
}

py::tuple sample_bsdf_batch(Floats wo_array, const Triple& albedo, float roughness, float ior, Floats u_array) {
    const Points3 wo(std::move(wo_array), "wo");
    const Points3 u(std::move(u_array), "u");
    const size_t count = u.count();
    wo.expect(count, "wo");
    const Bsdf<float> bsdf = make_bsdf(to_vec3(albedo), roughness, ior);
    py::array_t<float> directions = new_matrix(count, 3);
    py::array_t<float> weights = new_matrix(count, 3);
    py::array_t<float> densities = new_column(count);
    for (size_t i = 0; i < count; ++i) {
        const Vec3 n = u[i];
        const BsdfSample<float> sample =
            sample_bsdf(bsdf, specular_probability(bsdf, wo[i]), wo[i], n.x, Vec2{n.y, n.z});
        const bool valid = sample.value.pdf > 0.0f;
        store(directions.mutable_data(), i, sample.wi);
        store(weights.mutable_data(), i, valid ? sample.value.total() / sample.value.pdf : Vec3{});
        densities.mutable_data()[i] = sample.value.pdf;
    }
    return py::make_tuple(directions, weights, densities);
}

py::tuple evaluate_bsdf_batch(Floats wo_array, Floats wi_array, const Triple& albedo, float roughness, float ior) {
    const Points3 wo(std::move(wo_array), "wo");
    const Points3 wi(std::move(wi_array), "wi");
    const size_t count = wi.count();
    wo.expect(count, "wo");
    const Bsdf<float> bsdf = make_bsdf(to_vec3(albedo), roughness, ior);
    py::array_t<float> values = new_matrix(count, 3);
    py::array_t<float> densities = new_column(count);
    for (size_t i = 0; i < count; ++i) {
        const BsdfValue<float> value = evaluate_bsdf(bsdf, specular_probability(bsdf, wo[i]), wo[i], wi[i]);
        store(values.mutable_data(), i, value.total());
        densities.mutable_data()[i] = value.pdf;
    }
    return py::make_tuple(values, densities);
}

template <class Shape>
py::tuple sample_light_batch(const Shape& shape, const Triple& point, Floats u_array) {
    const Points2 u(std::move(u_array), "u");
    const size_t count = u.count();
    py::array_t<float> directions = new_matrix(count, 3);
    py::array_t<float> distances = new_column(count);
    py::array_t<float> densities = new_column(count);
    for (size_t i = 0; i < count; ++i) {
        const LightSample<float> sample = sample_light(shape, to_vec3(point), u[i]);
        store(directions.mutable_data(), i, sample.direction);
        distances.mutable_data()[i] = sample.distance;
        densities.mutable_data()[i] = sample.pdf;
    }
    return py::make_tuple(directions, distances, densities);
}

template <class Shape>
py::array_t<float> light_pdf_batch(const Shape& shape, const Triple& point, Floats direction_array) {
    const Points3 directions(std::move(direction_array), "directions");
    return column(directions.count(), [&](size_t i) { return light_pdf(shape, to_vec3(point), directions[i]); });
}

RectangleShape rectangle(const Triple& center, const Triple& edge_u, const Triple& edge_v) {
    return {to_vec3(center), to_vec3(edge_u), to_vec3(edge_v)};
}

}  // namespace

void bind_sampling(py::module_& module) {
    using py::arg;
    module.doc() =
        "The core's sampling routines in batches, for validation. Arrays are float32; `u` are numbers in [0, 1). "
        "Directions of surfaces are local: z is the normal.";
    module.def("sobol", &sobol, arg("indices"), arg("dimension"), arg("seed"));
    module.def("pixel_seed", &pixel_seed, arg("seed"), arg("view"), arg("pixel"),
               "Seed of a pixel's points; the first two dimensions are a sample's place in the pixel.");
    module.def("sample_bsdf", &sample_bsdf_batch, arg("wo"), arg("albedo"), arg("roughness"), arg("ior"), arg("u"));
    module.def("evaluate_bsdf", &evaluate_bsdf_batch, arg("wo"), arg("wi"), arg("albedo"), arg("roughness"),
               arg("ior"));
    module.def(
        "sample_visible_normal",
        [](const Triple& wo, float alpha, Floats u_array) {
            const Points2 u(std::move(u_array), "u");
            return vectors(u.count(), [&](size_t i) { return sample_visible_normal(to_vec3(wo), alpha, u[i]); });
        },
        arg("wo"), arg("alpha"), arg("u"));
    module.def(
        "sample_cosine_hemisphere",
        [](Floats u_array) {
            const Points2 u(std::move(u_array), "u");
            return vectors(u.count(), [&](size_t i) { return sample_cosine_hemisphere(u[i]); });
        },
        arg("u"));
    module.def(
        "cosine_hemisphere_pdf",
        [](Floats direction_array) {
            const Points3 directions(std::move(direction_array), "directions");
            return column(directions.count(), [&](size_t i) { return cosine_hemisphere_pdf(directions[i]); });
        },
        arg("directions"));
    module.def(
        "sample_sphere_light",
        [](const Triple& point, const Triple& center, float radius, Floats u) {
            return sample_light_batch(SphereShape{to_vec3(center), radius}, point, std::move(u));
        },
        arg("point"), arg("center"), arg("radius"), arg("u"));
    module.def(
        "sphere_light_pdf",
        [](const Triple& point, Floats directions, const Triple& center, float radius) {
            return light_pdf_batch(SphereShape{to_vec3(center), radius}, point, std::move(directions));
        },
        arg("point"), arg("directions"), arg("center"), arg("radius"));
    module.def(
        "sample_rectangle_light",
        [](const Triple& point, const Triple& center, const Triple& edge_u, const Triple& edge_v, Floats u) {
            return sample_light_batch(rectangle(center, edge_u, edge_v), point, std::move(u));
        },
        arg("point"), arg("center"), arg("edge_u"), arg("edge_v"), arg("u"));
    module.def(
        "rectangle_light_pdf",
        [](const Triple& point, Floats directions, const Triple& center, const Triple& edge_u, const Triple& edge_v) {
            return light_pdf_batch(rectangle(center, edge_u, edge_v), point, std::move(directions));
        },
        arg("point"), arg("directions"), arg("center"), arg("edge_u"), arg("edge_v"));
}

}  // namespace rnd::bindings
