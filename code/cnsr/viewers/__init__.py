"""The interactive viewers: for each a controller, which knows no window, and a front end, which draws it."""
