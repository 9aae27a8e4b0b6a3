// The Python module cnsr._native: scenes and rendering. The face for people is cnsr/rendering.py.
#include <pybind11/pybind11.h>
#include <pybind11/stl.h>

#include <exception>
#include <optional>

#include "bindings/arrays.h"
#include "bindings/sampling.h"
#include "embree/errors.h"
#include "embree/render.h"

namespace rnd::bindings {

namespace {

using embree::Device;
using embree::Job;
using embree::Mesh;
using embree::RecordedRay;
using embree::Scene;
using embree::SceneBuilder;
using embree::Texture;

struct BufferName {
    const char* name;
    Buffer buffer;
};

constexpr std::array<BufferName, kBufferCount> kBufferNames{{
    {"beauty", Buffer::beauty},
    {"position", Buffer::position},
    {"normal", Buffer::normal},
    {"depth", Buffer::depth},
    {"id", Buffer::id},
    {"albedo", Buffer::albedo},
    {"roughness", Buffer::roughness},
    {"direct", Buffer::direct},
    {"indirect", Buffer::indirect},
    {"diffuse", Buffer::diffuse},
    {"specular", Buffer::specular},
    {"mirror", Buffer::mirror},
    {"mirror_hit", Buffer::mirror_hit},
    {"mirror_normal", Buffer::mirror_normal},
    {"shadows", Buffer::shadows},
    {"ao", Buffer::ao},
}};

Buffer buffer_of(const std::string& name) {
    for (const BufferName& known : kBufferNames) {
        if (name == known.name) return known.buffer;
    }
    throw RenderFault("there is no buffer '" + name + "'");
}

// How images are made; the same for all views of a call.
struct Quality {
    uint32_t size;
    uint32_t samples;
    std::vector<std::string> buffers;
    float clamp;
    bool next_event_estimation;
    double target_error;  // 0: `samples`, whatever the error
    uint32_t max_samples;
    bool half;  // images of half floats
};

// What is rendered.
struct ViewOrder {
    std::shared_ptr<Scene> scene;
    Camera camera;
    uint64_t seed;
    uint64_t view;
};

Camera make_camera(const std::array<double, 3>& position, const Array<double>& view_matrix, double fov, double near,
                   double far) {
    check_matrix(view_matrix, 4, "view_matrix");
    const auto row = [&](py::ssize_t i) {
        return Vec3{static_cast<float>(view_matrix.at(i, 0)), static_cast<float>(view_matrix.at(i, 1)),
                    static_cast<float>(view_matrix.at(i, 2))};
    };
    const double half_angle = fov * (3.14159265358979323846 / 360.0);
    return {{static_cast<float>(position[0]), static_cast<float>(position[1]), static_cast<float>(position[2])},
            row(0),
            row(1),
            row(2),
            static_cast<float>(std::tan(half_angle)),
            static_cast<float>(near),
            static_cast<float>(far)};
}

void fill(Job& job, const ViewOrder& order, const Quality& quality) {
    job.scene = order.scene;
    uint32_t buffers = 0;
    for (const std::string& name : quality.buffers) buffers |= bit(buffer_of(name));
    const Settings settings{buffers, quality.clamp, quality.next_event_estimation};
    job.view = {order.camera, settings, quality.size, quality.samples, order.seed, order.view};
    job.adaptivity = {quality.target_error, quality.max_samples};
}

// Allocates the images of a job and lets it write into them.
py::dict allocate_images(Job& job, const Quality& quality) {
    py::dict images;
    const auto size = static_cast<py::ssize_t>(job.view.size);
    for (const std::string& name : quality.buffers) {
        const Buffer buffer = buffer_of(name);
        const auto channels = static_cast<py::ssize_t>(channel_count(buffer));
        py::array image(py::dtype(quality.half ? "e" : "f"), {size, size, channels});
        embree::Image& out = job.out[static_cast<size_t>(buffer)];
        if (quality.half) {
            out.halves = static_cast<uint16_t*>(image.mutable_data());
        } else {
            out.floats = static_cast<float*>(image.mutable_data());
        }
        images[name.c_str()] = std::move(image);
    }
    return images;
}

// Returns (images by name, dropped samples, samples a pixel, error or None) of every order. The thread that calls waits
// without Python's lock and wakes now and then to look for Ctrl-C and to report progress.
py::list render(const std::vector<ViewOrder>& orders, const Quality& quality, uint32_t threads,
                const py::object& progress) {
    std::vector<Job> jobs(orders.size());
    std::vector<py::dict> images;
    images.reserve(orders.size());
    for (size_t i = 0; i < orders.size(); ++i) {
        fill(jobs[i], orders[i], quality);
        images.push_back(allocate_images(jobs[i], quality));
    }
    std::exception_ptr failure;
    const auto watch = [&](double share) {
        const py::gil_scoped_acquire lock;
        try {
            if (PyErr_CheckSignals() != 0) throw py::error_already_set();
            if (!progress.is_none()) progress(share);
        } catch (...) {
            failure = std::current_exception();
            return false;
        }
        return true;
    };
    {
        const py::gil_scoped_release unlock;
        embree::render(jobs, threads, watch);
    }
    if (failure) std::rethrow_exception(failure);
    py::list views;
    for (size_t i = 0; i < jobs.size(); ++i) {
        const py::object error = quality.target_error > 0.0 ? py::object(py::float_(jobs[i].error)) : py::none();
        views.append(py::make_tuple(images[i], jobs[i].dropped.load(), jobs[i].samples_used, error));
    }
    return views;
}

py::tuple record_rays(const ViewOrder& order, const Quality& quality) {
    Job job;
    fill(job, order, quality);
    std::vector<RecordedRay> recorded;
    {
        const py::gil_scoped_release unlock;
        recorded = embree::record_rays(job);
    }
    py::array_t<float> rays = new_matrix(recorded.size(), 8);
    py::array_t<uint8_t> kinds(static_cast<py::ssize_t>(recorded.size()));
    for (size_t i = 0; i < recorded.size(); ++i) {
        const Ray& ray = recorded[i].ray;
        float* out = rays.mutable_data() + 8 * i;
        store(out, 0, ray.origin);
        out[3] = ray.t_min;
        store(out + 4, 0, ray.direction);
        out[7] = ray.t_max;
        kinds.mutable_data()[i] = static_cast<uint8_t>(recorded[i].kind);
    }
    return py::make_tuple(rays, kinds);
}

py::tuple trace_rays(const Scene& scene, const Array<float>& rays, const Array<uint8_t>& kinds, uint32_t threads) {
    check_matrix(rays, 8, "rays");
    if (kinds.ndim() != 1 || kinds.shape(0) != rays.shape(0)) throw py::value_error("kinds must have the shape [n]");
    std::vector<RecordedRay> recorded(static_cast<size_t>(rays.shape(0)));
    for (size_t i = 0; i < recorded.size(); ++i) {
        const float* in = rays.data() + 8 * i;
        recorded[i].ray = {{in[0], in[1], in[2]}, in[3], {in[4], in[5], in[6]}, in[7]};
        recorded[i].kind = static_cast<embree::RayKind>(kinds.data()[i]);
    }
    const py::gil_scoped_release unlock;
    const embree::TraceResult result = embree::trace_rays(scene, recorded, threads);
    const py::gil_scoped_acquire lock;
    return py::make_tuple(result.seconds, result.hits);
}

std::shared_ptr<Texture> make_texture(const Array<float>& pixels) {
    if (pixels.ndim() != 3 || pixels.shape(2) != 3 || pixels.size() == 0) {
        throw py::value_error("pixels must have the shape [height, width, 3]");
    }
    return std::make_shared<Texture>(std::span(pixels.data(), static_cast<size_t>(pixels.size())),
                                     static_cast<int32_t>(pixels.shape(1)), static_cast<int32_t>(pixels.shape(0)));
}

std::shared_ptr<Mesh> make_mesh(const std::shared_ptr<Device>& device, const Array<float>& positions,
                                const std::optional<Array<float>>& normals, const std::optional<Array<float>>& uvs,
                                const Array<uint32_t>& triangles) {
    check_matrix(triangles, 3, "triangles");
    return std::make_shared<Mesh>(device, rows_of<Vec3, float>(positions, "positions"),
                                  rows_of<Vec3, float>(normals, "normals"), rows_of<Vec2, float>(uvs, "uvs"),
                                  std::vector<uint32_t>(triangles.data(), triangles.data() + triangles.size()));
}

void set_python_error(const char* name, const std::exception& error) {
    const py::object type = py::module_::import("cnsr.errors").attr(name);
    PyErr_SetString(type.ptr(), error.what());
}

void translate(std::exception_ptr pointer) {
    try {
        if (pointer) std::rethrow_exception(pointer);
    } catch (const SceneFault& error) {
        set_python_error("SceneError", error);
    } catch (const RenderFault& error) {
        set_python_error("RenderError", error);
    }
}

void bind_scenes(py::module_& module) {
    using py::arg;
    py::class_<Device, std::shared_ptr<Device>>(module, "Device").def(py::init(&Device::create));
    py::class_<Mesh, std::shared_ptr<Mesh>>(module, "Mesh")
        .def(py::init(&make_mesh), arg("device"), arg("positions"), arg("normals"), arg("uvs"), arg("triangles"));
    py::class_<Texture, std::shared_ptr<Texture>>(module, "Texture").def(py::init(&make_texture), arg("pixels"));
    py::class_<Scene, std::shared_ptr<Scene>>(module, "Scene");
    py::class_<SceneBuilder>(module, "SceneBuilder")
        .def(py::init<std::shared_ptr<Device>, int32_t, bool>(), arg("device"), arg("bounces"), arg("hide_lights"))
        .def("add_material", &SceneBuilder::add_material, arg("color"), arg("emission"), arg("roughness"), arg("ior"),
             arg("texture"), arg("texture_frequency"), arg("id"))
        .def("add_grid", &SceneBuilder::add_grid, arg("transform"), arg("position"), arg("normal"), arg("size"),
             arg("material"), arg("is_light"), arg("where"))
        .def("add_sphere", &SceneBuilder::add_sphere, arg("transform"), arg("position"), arg("radius"), arg("material"),
             arg("is_light"), arg("where"))
        .def("add_mesh", &SceneBuilder::add_mesh, arg("transform"), arg("mesh"), arg("material"), arg("is_light"),
             arg("where"))
        .def("finish", &SceneBuilder::finish, py::call_guard<py::gil_scoped_release>());
}

void bind_rendering(py::module_& module) {
    using py::arg;
    py::class_<Camera>(module, "Camera")
        .def(py::init(&make_camera), arg("position"), arg("view_matrix"), arg("fov"), arg("near"), arg("far"));
    py::class_<Quality>(module, "Quality")
        .def(py::init<uint32_t, uint32_t, std::vector<std::string>, float, bool, double, uint32_t, bool>(), arg("size"),
             arg("samples"), arg("buffers"), arg("clamp"), arg("next_event_estimation"), arg("target_error") = 0.0,
             arg("max_samples") = 0, arg("half") = false);
    py::class_<ViewOrder>(module, "ViewOrder")
        .def(py::init<std::shared_ptr<Scene>, Camera, uint64_t, uint64_t>(), arg("scene"), arg("camera"), arg("seed"),
             arg("view"));
    module.def("render", &render, arg("orders"), arg("quality"), arg("threads"), arg("progress"));
    module.def("record_rays", &record_rays, arg("order"), arg("quality"),
               "All rays of a view: float32 [n, 8] (origin, t_min, direction, t_max) and uint8 [n] (1: occlusion).");
    module.def("trace_rays", &trace_rays, arg("scene"), arg("rays"), arg("kinds"), arg("threads"),
               "Trace recorded rays in a bare loop of Embree: (seconds, hits).");
    module.def("available_threads", &embree::available_threads);
    py::list names;
    for (const BufferName& known : kBufferNames) names.append(known.name);
    module.attr("BUFFER_NAMES") = py::tuple(names);
    module.attr("EMBREE_VERSION") = RTC_VERSION_STRING;
}

}  // namespace

}  // namespace rnd::bindings

PYBIND11_MODULE(_native, module) {
    module.doc() = "The path tracer. Use it through cnsr.rendering.";
    pybind11::register_exception_translator(&rnd::bindings::translate);
    rnd::bindings::bind_scenes(module);
    rnd::bindings::bind_rendering(module);
    auto sampling = module.def_submodule("sampling");
    rnd::bindings::bind_sampling(sampling);
}
