"""What a key does to a controller, without a window."""


def press_key(actions, controller, key):
    """Do what `key` does, which is one of a viewer's actions."""
    (action,) = [action for action in actions if action.key == key]
    action.perform(controller)
