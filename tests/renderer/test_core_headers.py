"""The shading core stands alone: its headers compile without Embree, JSON or Python, and hold only what a GPU takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

RENDERER = Path(__file__).resolve().parents[2] / "renderer"
HEADERS = sorted((RENDERER / "core").glob("*.h"))
COMPILER = shutil.which("c++") or shutil.which("g++") or shutil.which("clang++")
NEEDS_COMPILER = pytest.mark.skipif(COMPILER is None, reason="there is no C++ compiler")
WARNINGS = ("-Wall", "-Wextra", "-Wpedantic", "-Wshadow", "-Wconversion", "-Werror")

ALLOWED = re.compile(r'#include (<(cmath|cstdint|cstddef)>|"core/\w+\.h")')
FORBIDDEN = {
    "virtual calls": r"\bvirtual\b",
    "exceptions": r"\b(throw|try|catch)\b",
    "containers": r"\bstd::(vector|string|map|unordered_map|array|function|optional|unique_ptr|shared_ptr)\b",
    "allocation": r"\b(new|delete|malloc|free)\b",
    "other libraries": r"\b(embree|rtc[A-Z]\w*|RTC\w+|pybind11|Py_\w+|optix\w*)\b",
}


def code_of(header: Path) -> str:
    return re.sub(r"//[^\n]*|/\*.*?\*/", "", header.read_text(), flags=re.S)


def test_there_is_a_core() -> None:
    assert len(HEADERS) > 5


@pytest.mark.parametrize("header", HEADERS, ids=lambda path: path.name)
def test_the_core_holds_what_a_gpu_takes(header: Path) -> None:
    code = code_of(header)
    for what, pattern in FORBIDDEN.items():
        assert not re.search(pattern, code), f"{header.name} uses {what}"
    for line in code.splitlines():
        if line.startswith("#include"):
            assert ALLOWED.match(line), f"{header.name}: {line}"


def test_gpu_compilers_see_every_function() -> None:
    # A function without the macro exists on the host only; members and lambdas of the core carry it as well.
    definition = re.compile(
        r"^ {0,4}(?!RND_HD|return|constexpr|inline|using|else|if|for|while|switch)"
        r"[\w:<>&*]+(?: [\w:<>&*]+)* \w+\([^;]*\)(?: const)? \{",
        re.MULTILINE,
    )
    for header in HEADERS:
        found = definition.search(code_of(header))
        assert not found, f"{header.name}: {found.group(0) if found else ''}"


def compile_alone(unit: Path, source: str, *options: str) -> None:
    # Nothing but the compiler's own folders and the renderer's is searched.
    unit.write_text(source)
    command = [str(COMPILER), "-std=c++20", "-fno-exceptions", "-fno-rtti", f"-I{RENDERER}", str(unit), *options]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr[:3000]


@NEEDS_COMPILER
def test_every_core_header_compiles_alone(tmp_path: Path) -> None:
    # One translation unit a header: each must include all it needs.
    for header in HEADERS:
        unit = tmp_path / f"{header.stem}.cpp"
        compile_alone(unit, f'#include "core/{header.name}"\n', "-fsyntax-only", *WARNINGS)


PROGRAM = """
#include <cstdio>

#include "core/integrator.h"
#include "embree/lanes.h"

// The narrow seam, made of nothing but the core: the inside of one sphere that shines and reflects.
struct OneSphere {
    rnd::SceneData scene;
    const rnd::SceneData& data() const { return scene; }
    template <class F>
    rnd::MaskOf<F> intersect(const rnd::MaskOf<F>& mask, const rnd::RayOf<F>& ray, rnd::HitOf<F>& hit) const {
        const auto sphere = rnd::spread<F>(scene.objects[0].sphere);
        hit.t = rnd::intersect_shape(sphere, ray.origin, ray.direction, ray.t_min);
        return mask & (hit.t > 0.0f) & (hit.t < ray.t_max);
    }
    template <class F>
    rnd::MaskOf<F> occluded(const rnd::MaskOf<F>& mask, const rnd::RayOf<F>& ray) const {
        rnd::HitOf<F> hit;
        return intersect(mask, ray, hit);
    }
};

template <class F>
void print_image(const OneSphere& scene, const rnd::ViewSettings& view) {
    rnd::PixelSums sums[2];
    rnd::add_samples<F>(scene, view, {0, 0, 2, 0, 19}, sums);  // leaves lanes over, whatever their number
    for (const rnd::PixelSums& pixel : sums) {
        rnd::Vec3 out[rnd::kBufferCount];
        pixel.resolve(rnd::values_of(view.settings.buffers), out);
        std::printf("%u %u", pixel.valid(), pixel.dropped());
        for (const rnd::Vec3& value : out) std::printf(" %.9g %.9g %.9g", value.x, value.y, value.z);
        std::printf("\\n");
    }
}

int main(int count, char**) {
    rnd::Object object;
    object.kind = rnd::ObjectKind::sphere;
    object.sphere = {{}, 1.0f};
    object.light = 0;
    object.offset = 1e-4f;
    rnd::Material material;
    material.color = {0.5f, 0.5f, 0.5f};
    material.roughness = count > 1 ? 0.4f : 1.0f;
    rnd::Light light;
    light.sphere = object.sphere;
    light.radiance = {1.0f, 2.0f, 3.0f};
    light.power = 1.0f;
    float numbers[16 * static_cast<int>(rnd::ObjectField::end)] = {};
    rnd::TableWriter<rnd::ObjectField> table(numbers, 1);
    rnd::write_object(table, 0, object, material);
    OneSphere scene;
    scene.scene.object_table = table.table();
    scene.scene.objects = &object;
    scene.scene.materials = &material;
    scene.scene.lights = &light;
    scene.scene.light_count = 1;
    scene.scene.bounces = 30;
    rnd::ViewSettings view;
    view.settings.buffers = (1u << rnd::kBufferCount) - 1;
    view.settings.next_event_estimation = count > 1;
    view.camera.side = {1.0f, 0.0f, 0.0f};
    view.camera.up = {0.0f, 1.0f, 0.0f};
    view.camera.backward = {0.0f, 0.0f, 1.0f};
    view.camera.position = {0.1f, 0.2f, 0.3f};
    view.camera.far = 10.0f;
    view.size = 2;
    print_image<float>(scene, view);
    print_image<rnd::Lanes>(scene, view);
}
"""


@pytest.fixture(scope="module")
def sphere_program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    program = tmp_path_factory.mktemp("core") / "sphere"
    compile_alone(program.with_suffix(".cpp"), PROGRAM, "-o", str(program))
    return program


def images_of(program: Path, *arguments: str) -> np.ndarray:
    """[number type, pixel, values]: valid and dropped samples, then three values a buffer."""
    output = subprocess.run([program, *arguments], capture_output=True, text=True, check=True).stdout
    return np.array(output.split(), float).reshape(2, 2, -1)


@NEEDS_COMPILER
def test_the_core_renders_any_scene_without_libraries(sphere_program: Path) -> None:
    # A furnace: 1 / (1 - albedo) times what it emits.
    pixels = images_of(sphere_program)[0]
    assert pixels[:, :5] == pytest.approx(np.array([[19, 0, 2, 4, 6]] * 2), rel=1e-4)


@NEEDS_COMPILER
def test_lanes_compute_what_single_numbers_do(sphere_program: Path) -> None:
    single, lanes = images_of(sphere_program, "glossy, with light samples")
    assert single[:, 2].min() > 1.5
    assert lanes == pytest.approx(single, rel=1e-4, abs=1e-5)
