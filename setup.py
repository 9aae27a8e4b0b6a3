"""Installs the package and builds its native renderer: `pip install -e .`."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from setuptools import Extension, find_packages, setup
from setuptools.command.build_ext import build_ext

ROOT = Path(__file__).resolve().parent


def requirements() -> list[str]:
    """Return the one list of what the program needs, without comments."""
    lines = (line.split("#")[0].strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    return [line for line in lines if line]


def version() -> str:
    """Return the version that the package itself states."""
    text = (ROOT / "code" / "cnsr" / "__init__.py").read_text()
    found = re.search(r'^__version__ = "(.+)"$', text, re.MULTILINE)
    if found is None:
        raise SystemExit("code/cnsr/__init__.py states no __version__")
    return found.group(1)


class BuildRenderer(build_ext):
    """Builds the renderer with CMake, where the command would compile C++ itself."""

    def build_extension(self, ext: Extension) -> None:
        """Build `ext` into the place that setuptools wants it in: beside the sources, or in a wheel."""
        import pybind11

        folder = Path(self.get_ext_fullpath(ext.name)).resolve().parent
        build = Path(self.build_temp).resolve() / sys.implementation.cache_tag
        build.mkdir(parents=True, exist_ok=True)
        options = [
            f"-DPython_EXECUTABLE={sys.executable}",
            f"-Dpybind11_DIR={pybind11.get_cmake_dir()}",
            f"-DCNSR_MODULE_FOLDER={folder}",
            # A wheel may travel to another machine; a module that stays here may use this one's CPU.
            f"-DCNSR_NATIVE_CPU={'ON' if self.inplace or self.editable_mode else 'OFF'}",
        ]
        self._cmake("-S", str(ROOT / "renderer"), "-B", str(build), *options)
        self._cmake("--build", str(build), "--parallel", str(os.cpu_count() or 1))

    def _cmake(self, *arguments: str) -> None:
        # The system's CMake, else PyPI's, which comes as a Python package.
        command = ["cmake"] if shutil.which("cmake") else [sys.executable, "-m", "cmake"]
        try:
            subprocess.run([*command, *arguments], check=True)
        except subprocess.CalledProcessError:
            message = "error: the renderer could not be built, see above; `sh build_renderer.sh` finds what it needs"
            raise SystemExit(message) from None


setup(
    name="cnsr",
    version=version(),
    description="Compositional neural scene representations for shading inference",
    license="MIT",
    python_requires=">=3.10",
    package_dir={"": "code"},
    packages=find_packages("code", include=["cnsr", "cnsr.*"]),
    package_data={"cnsr": ["py.typed", "assets/**/*"]},
    install_requires=requirements(),
    extras_require={"dask": ["distributed>=2024.8"]},  # generate-dataset.py --scheduler
    ext_modules=[Extension("cnsr._native", sources=[])],
    cmdclass={"build_ext": BuildRenderer},
)
