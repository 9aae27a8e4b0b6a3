"""What the controllers of all viewers do alike: scenes, threads, requests, pictures, errors."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Generic, TypeVar

from cnsr.viewers.tour import FirstScene, Tour
from cnsr.viewers.walk_scenes import SceneSupply, WalkScene
from cnsr.viewers.worker import Worker, message_of, report

Request = TypeVar("Request")
Sources = TypeVar("Sources")
Pictures = TypeVar("Pictures")


class ViewerController(ABC, Generic[Request, Sources, Pictures]):
    """Turns the user's choices into a request, has it computed, and makes pictures of what is found.

    All methods are for one thread, that of the window, and return at once; slow work is done in others. `update`,
    called every frame, takes what they have made and gives them what the user's choices ask for. A viewer says what
    these are by the methods from `_request` on.

    Args:
        supply: where scenes and the places of observations come from.
        pictures: what there is to show at first.
        scene: to begin with, instead of a random one; with what to call it.

    Attributes:
        error: what went wrong last, until it is dismissed.
        pictures: what there is to show.
    """

    def __init__(self, supply: SceneSupply, pictures: Pictures, scene: FirstScene | None) -> None:
        self.error: str | None = None
        self.pictures = pictures
        self._tour = Tour(supply, scene)
        self._workers: list[Worker[Any]] = []
        self._submitted: Request | None = None
        self._shown: Sources | None = None  # what the pictures were made of

    @property
    def scene(self) -> WalkScene:
        """The scene that is shown."""
        return self._tour.scene

    @property
    def busy(self) -> bool:
        """Whether anything is being computed."""
        return any(worker.busy for worker in self._workers)

    @property
    def settled(self) -> bool:
        """Whether all is shown that the user's choices ask for, or cannot be, as `error` then tells."""
        sources = self._sources()
        shown = sources is None or sources == self._shown
        return not self.busy and self._submitted == self._request() and shown

    def update(self) -> None:
        """Take over what has been computed, and ask for what is missing. To be called every frame."""
        self._collect()
        for worker in self._workers:
            error = worker.take_error()
            if error is not None:
                self._failed(error)
        request = self._request()
        if request != self._submitted:
            self._submitted = request
            self._submit(request)
        self._show()

    def close(self) -> None:
        """End all threads."""
        for worker in self._workers:
            worker.close()

    def fail(self, error: Exception) -> None:
        """Show what an action raised instead of ending the program."""
        report(error)
        self._failed(error)

    def dismiss_error(self) -> None:
        """Show the error no longer."""
        self.error = None

    def new_scene(self) -> None:
        """Go to the next random scene of the dataset."""
        self._tour.go_on()
        self._begin_scene()

    def new_observations(self) -> None:
        """Observe the scene from other places."""
        self._tour.observe_anew()

    def _new_worker(self, name: str) -> Worker[Any]:
        """Return a worker that `busy` asks, whose errors `update` tells, and that `close` ends."""
        self._workers.append(Worker(name))
        return self._workers[-1]

    def _failed(self, error: Exception) -> None:
        self.error = message_of(error)

    def _show(self) -> None:
        """Make the pictures anew if anything about them has changed."""
        sources = self._sources()
        if sources is not None and sources != self._shown:
            self.pictures = self._pictures_of(sources)
            self._shown = sources

    @abstractmethod
    def _request(self) -> Request:
        """Return what the user's choices ask for."""

    @abstractmethod
    def _submit(self, request: Request) -> None:
        """Have it computed."""

    @abstractmethod
    def _collect(self) -> None:
        """Take over what has been computed of this scene."""

    @abstractmethod
    def _sources(self) -> Sources | None:
        """Return all that the pictures depend on, None as long as there is nothing to make them of."""

    @abstractmethod
    def _pictures_of(self, sources: Sources) -> Pictures:
        """Return the pictures."""

    @abstractmethod
    def _begin_scene(self) -> None:
        """Forget what was found about the scene before."""
