"""The shading core stands alone: its headers compile without Embree, JSON or Python, and hold only what a GPU takes."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

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

// The narrow seam, made of nothing but the core: the inside of one sphere that shines and reflects.
struct OneSphere {
    rnd::SceneData scene;
    const rnd::SceneData& data() const { return scene; }
    bool intersect(const rnd::Ray& ray, rnd::Hit& hit) const {
        hit.t = rnd::intersect_shape(scene.objects[0].sphere, ray.origin, ray.direction, ray.t_min);
        return hit.t > 0.0f && hit.t < ray.t_max;
    }
    bool occluded(const rnd::Ray& ray) const {
        rnd::Hit hit;
        return intersect(ray, hit);
    }
};

int main() {
    rnd::Object object;
    object.kind = rnd::ObjectKind::sphere;
    object.sphere = {{}, 1.0f};
    object.light = 0;
    object.offset = 1e-4f;
    rnd::Material material;
    material.color = {0.5f, 0.5f, 0.5f};
    rnd::Light light;
    light.sphere = object.sphere;
    light.radiance = {1.0f, 2.0f, 3.0f};
    light.power = 1.0f;
    OneSphere scene;
    scene.scene.objects = &object;
    scene.scene.materials = &material;
    scene.scene.lights = &light;
    scene.scene.light_count = 1;
    scene.scene.bounces = 30;
    rnd::ViewSettings view;
    view.settings.next_event_estimation = false;
    view.camera.side = {1.0f, 0.0f, 0.0f};
    view.camera.up = {0.0f, 1.0f, 0.0f};
    view.camera.backward = {0.0f, 0.0f, 1.0f};
    view.camera.far = 10.0f;
    view.size = 1;
    rnd::PixelSums sums;
    rnd::render_pixel(scene, view, 0, 0, 0, 16, sums);
    rnd::Vec3 out[rnd::kBufferCount];
    sums.resolve(out);
    std::printf("%u %.6f %.6f %.6f\\n", sums.dropped(), out[0].x, out[0].y, out[0].z);
}
"""


@NEEDS_COMPILER
def test_the_core_renders_any_scene_without_libraries(tmp_path: Path) -> None:
    program = tmp_path / "sphere"
    compile_alone(tmp_path / "sphere.cpp", PROGRAM, "-o", str(program))
    output = subprocess.run([str(program)], capture_output=True, text=True, check=True).stdout.split()
    # A furnace: 1 / (1 - albedo) times what it emits.
    assert [float(value) for value in output] == pytest.approx([0, 2, 4, 6], rel=1e-4)
