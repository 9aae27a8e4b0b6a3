"""Imports run one way (README, "How it is built")."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "code" / "cnsr"

# From the ground up: a part may import from its own row only within itself, and from every row below.
LAYERS = (
    {"errors", "files", "cli", "memory", "child_processes", "json_text", "json_line_numbers", "json_faults", "shards"},
    {"config", "config_checks", "buffers", "display"},
    {"scenes"},
    {"rendering"},
    {"datasets"},
    {"models"},
    {"training"},
    {"pictures"},
    {"quickstart", "attribution"},
    {"viewers"},
)
LEVEL = {part: level for level, parts in enumerate(LAYERS) for part in parts}

# Whole rows that one part must not see, though they lie below it.
FORBIDDEN = {
    "models": {
        "scenes",
        "rendering",
        "files",
        "memory",
        "child_processes",
        "json_text",
        "json_line_numbers",
        "json_faults",
        "cli",
        "display",
    }
}
# The batch is the one type that readers and networks share.
ONLY = {("models", "datasets"): {"cnsr.datasets.batch"}}

FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(module):
    return module.split(".")[1] if "." in module else "__init__"


def imports_of(file):
    """Yield (module, imported names' full modules) for every import of `file`, wherever it stands in the code."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}: relative import"
            yield node.module
            if node.module == "cnsr" or node.module.count(".") == 1:
                yield from (f"{node.module}.{alias.name}" for alias in node.names if alias.name.islower())


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(PACKAGE)))
def test_imports_follow_the_arrows(file):
    own = file.relative_to(PACKAGE).parts[0].removesuffix(".py")
    if own == "__init__":
        return
    for module in imports_of(file):
        if not module.startswith("cnsr.") or part_of(module) in (own, "_native"):
            continue
        other = part_of(module)
        if other == "__version__":
            continue
        assert LEVEL[other] <= LEVEL[own], f"{own} imports {module}"
        assert other not in FORBIDDEN.get(own, set()), f"{own} imports {module}"
        allowed = ONLY.get((own, other))
        if allowed and module.count(".") > 1:
            assert any(module.startswith(name) for name in allowed), f"{own} imports {module}"


@pytest.mark.parametrize("part", ["scenes", "rendering"])
def test_scenes_and_renderer_know_no_torch(part):
    files = [file for file in FILES if file.relative_to(PACKAGE).parts[0].removesuffix(".py") == part]
    assert files
    for file in files:
        assert not any(module.split(".")[0] == "torch" for module in imports_of(file)), file


def test_only_the_renderer_touches_the_native_module():
    for file in FILES:
        if any(module.startswith("cnsr._native") for module in imports_of(file)):
            assert file.relative_to(PACKAGE).parts[0].startswith("rendering"), file


def test_every_folder_is_a_package_that_setup_finds():
    assert all((file.parent / "__init__.py").is_file() for file in FILES)


# These draw, so they need libraries of the system and a display (cnsr/viewers/desktop.py).
DRAWING = {"theme", "window", "textures", "image_views", "widgets", "front_end", "attribution_controls"}


def test_what_decides_in_viewers_knows_no_window():
    files = [file for file in FILES if file.parent == PACKAGE / "viewers"]
    assert files
    for file in files:
        modules = set(imports_of(file))
        own = {module.split(".")[-1] for module in modules if module.startswith("cnsr.viewers.")}
        draws = bool(own & DRAWING) or any(module.split(".")[0] == "imgui_bundle" for module in modules)
        assert draws == (file.stem in DRAWING or file.stem.endswith("_front_end")), file
