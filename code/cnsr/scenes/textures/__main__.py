"""Writes the project's textures to where scene files look for them."""

from cnsr.scenes.textures import FOLDER, write_textures

write_textures(FOLDER)
