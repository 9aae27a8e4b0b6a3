"""Pictures and videos of scenes, for people to look at (``render-scene.py``)."""
