"""What the front ends of all viewers do alike: menus, keys, the controller's update, textures."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, Generic, TypeVar

from cnsr.viewers import widgets
from cnsr.viewers.actions import Action
from cnsr.viewers.controller import ViewerController
from cnsr.viewers.image_views import ImageViews
from cnsr.viewers.textures import Textures

Controller = TypeVar("Controller", bound=ViewerController[Any, Any, Any])


class ViewerFrontEnd(ABC, Generic[Controller]):
    """Draws what a controller holds, frame by frame (``cnsr.viewers.window.FrontEnd``).

    Args:
        controller: is closed with the window.
        title: of the window.
        actions: the menus and keys.
    """

    def __init__(self, controller: Controller, title: str, actions: Sequence[Action[Controller]]) -> None:
        self.controller = controller
        self.title = title
        self._actions = actions
        self._textures = Textures()
        self._views: list[ImageViews] = []

    @property
    def settled(self) -> bool:
        """Whether the picture will not change by itself."""
        return self.controller.settled

    @property
    def lively(self) -> bool:
        """Whether something moves, so that frames must follow each other fast."""
        return False

    def close(self) -> None:
        """End all work and release the textures."""
        self.controller.close()
        self._textures.release()

    def draw_menus(self) -> None:
        """Draw the menus."""
        widgets.draw_menus(self._actions, self.controller)

    def draw(self) -> None:
        """Draw a frame."""
        widgets.handle_keys(self._actions, self.controller)
        self._move()
        self.controller.update()
        for views in self._views:
            views.begin_frame()
        self._draw_contents()
        self._textures.end_frame()

    def _new_views(self) -> ImageViews:
        """Return places for images that are zoomed together."""
        self._views.append(ImageViews(self._textures))
        return self._views[-1]

    def _move(self) -> None:
        """Move what moves while a key is held."""

    @abstractmethod
    def _draw_contents(self) -> None:
        """Draw everything but the menus."""
