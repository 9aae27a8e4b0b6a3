"""What a viewer's user can do, as data: menus, keys, buttons, tool tips and the documentation come from one table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

Controller = TypeVar("Controller")


@dataclass(frozen=True)
class Action(Generic[Controller]):
    """One thing to do.

    Attributes:
        label: what menus and buttons call it.
        tip: one sentence that says what it does.
        perform: does it.
        key: the key that does it, as printed on the keyboard ("R"), or with a modifier ("Ctrl+S"); None for none.
        menu: the menu it is in.
        repeats: whether holding the key does it again and again.
    """

    label: str
    tip: str
    perform: Callable[[Controller], None]
    key: str | None = None
    menu: str = "Scene"
    repeats: bool = False

    @property
    def tool_tip(self) -> str:
        """The tip with the key."""
        return f"{self.tip}\nKey: {self.key}" if self.key else self.tip


@dataclass(frozen=True)
class HeldKey:
    """A key that moves while it is held.

    Attributes:
        key: as printed on the keyboard.
        direction: (to the right, forward), of length 1.
        tip: what it does.
    """

    key: str
    direction: tuple[float, float]
    tip: str


def menus_of(actions: Sequence[Action[Controller]]) -> dict[str, list[Action[Controller]]]:
    """Return the actions by menu, in their order."""
    menus: dict[str, list[Action[Controller]]] = {}
    for action in actions:
        menus.setdefault(action.menu, []).append(action)
    return menus
