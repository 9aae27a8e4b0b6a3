"""The keys and menus of visualize-attributions."""

from __future__ import annotations

from cnsr.viewers.actions import Action
from cnsr.viewers.attribution_controller import AttributionController


def _save(controller: AttributionController) -> None:
    controller.save()


NEW_SCENE: Action[AttributionController] = Action(
    "New scene", "Go to another random scene of the dataset.", AttributionController.new_scene, "R"
)
NEW_OBSERVATIONS: Action[AttributionController] = Action(
    "New observations", "Observe the scene from other places.", AttributionController.new_observations, "O"
)
SAVE = Action("Save", "Write settings, scene, figure, images and arrays to a new folder.", _save, "Ctrl+S")
LOAD = Action("Load last", "Show again what was saved last.", AttributionController.load_last, "Ctrl+L")
MEAN = Action(
    "Activate mean",
    "Explain the whole image, or the whole representation; or a part of it again.",
    AttributionController.toggle_mean,
    "M",
    menu="Explain",
)
REPRESENTATION = Action(
    "Representation grad",
    "Explain the representation by the observations; or an image again.",
    AttributionController.toggle_representation,
    "G",
    menu="Explain",
)
PARTITION = Action(
    "Partition mean",
    "Of the representation, explain a whole partition; or a channel again.",
    AttributionController.toggle_partition,
    "P",
    menu="Explain",
)
STYLE = Action(
    "Heat map or multiplied",
    "Show attributions as colors over the image, or the image multiplied with them.",
    AttributionController.toggle_style,
    "H",
    menu="Display",
)

ACTIONS = (NEW_SCENE, NEW_OBSERVATIONS, SAVE, LOAD, MEAN, REPRESENTATION, PARTITION, STYLE)
"""All of them, in the order of the menus."""
