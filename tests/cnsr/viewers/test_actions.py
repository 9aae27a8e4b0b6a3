"""The table of actions."""

from cnsr.viewers.actions import Action, menus_of
from cnsr.viewers.walk_actions import ACTIONS, WALK_KEY, WALK_KEYS


def action(label, key=None, menu="Scene"):
    return Action(label, f"{label}.", lambda controller: None, key, menu)


def test_menus_keep_the_order_of_the_table():
    actions = [action("a"), action("b", menu="View"), action("c")]
    assert {menu: [entry.label for entry in entries] for menu, entries in menus_of(actions).items()} == {
        "Scene": ["a", "c"],
        "View": ["b"],
    }


def test_tool_tips_name_the_key():
    assert action("Save", "Ctrl+S").tool_tip == "Save.\nKey: Ctrl+S"
    assert action("Save").tool_tip == "Save."


def test_a_key_has_one_meaning():
    keys = [*(one.key for one in ACTIONS if one.key), *(held.key for held in WALK_KEYS), WALK_KEY]
    assert len(keys) == len(set(keys)) == 12
