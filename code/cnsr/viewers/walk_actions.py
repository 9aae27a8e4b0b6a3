"""The keys and menus of visualize-gqn."""

from __future__ import annotations

from cnsr.viewers.actions import Action, HeldKey
from cnsr.viewers.walk_controller import SAMPLES_STEP, WalkController

RANDOM_SCENE: Action[WalkController] = Action(
    "Random scene", "Go to another random scene of the dataset.", WalkController.new_scene, "R"
)
NEW_OBSERVATIONS: Action[WalkController] = Action(
    "New observations", "Observe the scene from other places.", WalkController.new_observations, "O"
)
RETURN = Action(
    "Back to the start", "Put the camera where the walk began.", WalkController.return_to_start, "Home", menu="Camera"
)


def _samples(label: str, of: str, key: str, sign: int) -> Action[WalkController]:
    def perform(controller: WalkController) -> None:
        change = {"query": controller.change_query_samples, "observation": controller.change_observation_samples}[of]
        change(sign * SAMPLES_STEP)

    views = {"query": "the reference", "observation": "the observations"}[of]
    more = "more" if sign > 0 else "fewer"
    tip = f"Render {views} with {SAMPLES_STEP} {more} samples a pixel{'' if sign > 0 else ', 1 at least'}."
    return Action(label, tip, perform, key, menu="Samples", repeats=True)


MORE_QUERY_SAMPLES = _samples("More query samples", "query", "J", +1)
FEWER_QUERY_SAMPLES = _samples("Fewer query samples", "query", "H", -1)
MORE_OBSERVATION_SAMPLES = _samples("More observation samples", "observation", "M", +1)
FEWER_OBSERVATION_SAMPLES = _samples("Fewer observation samples", "observation", "N", -1)

ACTIONS = (
    RANDOM_SCENE,
    NEW_OBSERVATIONS,
    RETURN,
    MORE_QUERY_SAMPLES,
    FEWER_QUERY_SAMPLES,
    MORE_OBSERVATION_SAMPLES,
    FEWER_OBSERVATION_SAMPLES,
)
"""All of them, in the order of the menus."""

WALK_KEY = "Space"
"""Held, it lets the keys below walk, and dragging the reference look around."""

WALK_KEYS = (
    HeldKey("W", (0.0, 1.0), "forward"),
    HeldKey("A", (-1.0, 0.0), "to the left"),
    HeldKey("S", (0.0, -1.0), "back"),
    HeldKey("D", (1.0, 0.0), "to the right"),
)
