"""The table of actions."""

import pytest

from cnsr.viewers.actions import Action, check_keys, menus_of


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
    check_keys([action("a", "R"), action("b"), action("c"), action("d", "Ctrl+R")])
    with pytest.raises(ValueError, match="R is the key of 'a' and of 'b'"):
        check_keys([action("a", "R"), action("b", "R")])
