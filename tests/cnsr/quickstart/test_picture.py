"""The result picture."""

import numpy as np
import pytest
from PIL import Image

from cnsr.errors import StorageError
from cnsr.quickstart.picture import save_picture


def test_every_image_stands_in_its_row_and_column(tmp_path):
    colors = np.array([[[0, 0, 0], [255, 0, 0]], [[0, 255, 0], [0, 128, 255]]], np.uint8)
    rows = [[np.broadcast_to(color, (8, 8, 3)) for color in row] for row in colors]
    save_picture(tmp_path / "sheet.png", ["left", "right"], rows)
    sheet = np.asarray(Image.open(tmp_path / "sheet.png"))
    edge = 160
    for row, top in enumerate((26, 26 + 166)):
        for column, left in enumerate((6, 6 + 166)):
            tile = sheet[top : top + edge, left : left + edge]
            assert (tile == colors[row, column]).all()
    assert (sheet[:26] < 128).any(), "titles are missing"


def test_a_file_in_the_way_is_one_clear_line(tmp_path):
    (tmp_path / "data").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        save_picture(tmp_path / "data" / "a.png", ["a"], [[np.zeros((2, 2, 3), np.uint8)]])
