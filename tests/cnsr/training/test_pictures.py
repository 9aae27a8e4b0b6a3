import numpy as np
import torch

from cnsr.datasets.loader import test_loader as held_out
from cnsr.training.metrics import display_referred
from cnsr.training.pictures import comparison_pictures, tiled


def test_rows_are_scenes_and_columns_observations_reference_prediction(tiny):
    config = tiny()
    batch = next(held_out(config))
    prediction = torch.full((3, 3, 8, 8), 0.5)
    (name, picture), *more = comparison_pictures(config, batch, [{"beauty": prediction}]).items()
    assert (name, more) == ("generator0/beauty", [])
    assert picture.dtype == np.uint8
    assert picture.shape == (3 * 10 - 2, 4 * 10 - 2, 3)  # 8 pixels and a gap of 2 for each image but the last

    def cell(row, column):
        return torch.from_numpy(picture[10 * row : 10 * row + 8, 10 * column : 10 * column + 8]).permute(2, 0, 1) / 255

    for row in range(3):
        seen = [*batch.observations["beauty"][row], batch.queries["beauty"][row], prediction[row]]
        for column, image in enumerate(seen):
            torch.testing.assert_close(cell(row, column), display_referred(image), atol=0.003, rtol=0)
    assert (picture[8:10] == 255).all()


def test_an_encoder_that_does_not_see_the_goal_shows_what_it_sees(tiny):
    config = tiny(encoder={"observation_passes": ["normal"]})
    batch = next(held_out(config))
    picture = comparison_pictures(config, batch, [{"beauty": batch.queries["beauty"]}])["generator0/beauty"]
    expected = (batch.observations["normal"][0, 0] + 1) / 2
    shown = torch.from_numpy(picture[:8, :8]).permute(2, 0, 1) / 255
    torch.testing.assert_close(shown, expected.clamp(0, 1), atol=0.003, rtol=0)


def test_every_image_of_every_generator_has_a_picture(tiny):
    config = tiny()
    (generator,) = config.model.generators
    both = generator.model_copy(update={"output_passes": ("beauty", "normal")})
    chain = config.model_copy(update={"model": config.model.model_copy(update={"generators": (both, generator)})})
    batch = next(held_out(config))
    predictions = [{"beauty": torch.zeros(3, 3, 8, 8), "normal": -torch.ones(3, 3, 8, 8)}]
    predictions.append({"beauty": torch.ones(3, 3, 8, 8)})
    pictures = comparison_pictures(chain, batch, predictions)
    last = {name: picture[:8, -8:].mean() / 255 for name, picture in pictures.items()}
    assert last == {"generator0/beauty": 0, "generator0/normal": 0, "generator1/beauty": 1}


def test_small_images_are_enlarged():
    small = np.arange(4 * 4 * 3, dtype=np.uint8).reshape(1, 4, 4, 3)
    picture = tiled([small, np.zeros((1, 8, 8, 3), np.uint8)])
    assert picture.shape == (8, 18, 3)
    np.testing.assert_array_equal(picture[:8, :8], small[0].repeat(2, 0).repeat(2, 1))
