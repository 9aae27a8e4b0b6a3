"""Errors that a user can cause and mend.

Every message is one line for people: what is wrong, where (file, dotted path, line) and what would be right.
Scripts print it without a traceback (``cnsr.cli``); everything else is a programming error and keeps its traceback.
"""


class UserError(Exception):
    """Base of all errors that a user can mend; ``str(error)`` is the line to show."""


class ConfigError(UserError):
    """A JSON config is malformed, or asks for something impossible."""


class SceneError(UserError):
    """A scene file, mesh or texture is malformed or missing."""


class RenderError(UserError):
    """The renderer is not built, the device is not there, or a request makes no sense."""


class DatasetError(UserError):
    """A data folder or data file is missing, damaged or does not fit the config."""


class ClusterError(UserError):
    """The scheduler of a Dask cluster is not there, or one of its workers cannot do its part."""


class CheckpointError(UserError):
    """A checkpoint is missing, damaged, unsafe, or of another config."""


class StorageError(UserError):
    """A file could not be written: disk full, no permission, no such folder."""


class TrainingError(UserError):
    """Training cannot go on: the loss is no number, or nothing is left to be trained."""


class ViewerError(UserError):
    """A window cannot be opened here, or a viewer is asked for something that there is not."""
