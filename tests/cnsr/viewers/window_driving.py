"""A window on a virtual display that a test acts in, by keys and mouse of Dear ImGui's test engine."""

import time

TIMEOUT = 60


def drive(front, act, size):
    """Open the window, call ``act(context, controller, front end)`` in it, close it, and return the front end."""
    from imgui_bundle import immapp
    from imgui_bundle.immapp import testing

    from cnsr.viewers import window

    params = window.runner_params(front, size)
    params.fps_idling.fps_idle = params.fps_idling.fps_max = 0.0  # nobody waits for the eye
    testing.run(
        test_function=lambda context: act(context, front.controller, front),
        runner_params=params,
        add_ons_params=immapp.AddOnsParams(with_implot=True),
    )
    return front


def wait(context, condition):
    """Draw frames until the condition holds."""
    end = time.monotonic() + TIMEOUT
    while not condition():
        assert time.monotonic() < end
        context.yield_()


def choose(context, beside, combo, entry):
    """Choose an entry of a combo box in the part of the window that has a button labeled `beside`."""
    # The test engine finds combo boxes by their place alone.
    context.set_ref(context.item_info(f"//**/{beside}").window)
    context.combo_click(f"{combo}/{entry}")
