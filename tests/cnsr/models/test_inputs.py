import pytest
import torch

from cnsr.models.inputs import join_representations, network_input, resized, target_image, unresized


def test_passes_are_concatenated_in_the_given_order():
    buffers = {"id": torch.rand(2, 1, 4, 4), "beauty": torch.rand(2, 3, 4, 4), "depth": torch.rand(2, 1, 4, 4)}
    joined = network_input(buffers, ("depth", "beauty"), 4)
    assert torch.equal(joined, torch.cat((buffers["depth"], buffers["beauty"]), dim=1))
    with pytest.raises(KeyError):
        network_input(buffers, ("normal",), 4)


@pytest.mark.parametrize(("height", "width", "size"), [(8, 8, 4), (4, 4, 8), (6, 9, 5)])
def test_images_are_resized_to_the_nearest_pixel(height, width, size):
    image = torch.rand(1, 3, height, width)
    result = network_input({"beauty": image}, ("beauty",), size)
    for row in range(size):
        for column in range(size):
            assert torch.equal(result[..., row, column], image[..., row * height // size, column * width // size])


def test_indirect_is_never_negative():
    indirect = torch.tensor([-1.0, 2.0]).reshape(1, 1, 1, 2).expand(1, 3, 2, 2)
    for make in (network_input, target_image):
        assert make({"indirect": indirect}, ("indirect",), 2).unique().tolist() == [0, 2]
    normal = -torch.ones(1, 3, 2, 2)
    assert network_input({"normal": normal}, ("normal",), 2).unique().tolist() == [-1]


def test_mirrors_of_rough_surfaces_are_black():
    passes = ("mirror", "roughness", "mirror_hit", "mirror_normal", "normal")
    buffers = {name: torch.ones(1, 1 if name == "roughness" else 3, 2, 2) for name in passes}
    buffers["roughness"] = torch.tensor([[0.2, 0.75], [0.76, 1.0]])[None, None]
    smooth = torch.tensor([[1.0, 1.0], [0.0, 0.0]])
    mirror, roughness, hit, normal, plain = network_input(buffers, passes, 2).split([3, 1, 3, 3, 3], dim=1)
    for image in (mirror, hit, normal):
        assert torch.equal(image, smooth.expand(1, 3, 2, 2))
    assert torch.equal(roughness, buffers["roughness"])
    assert torch.equal(plain, buffers["normal"])
    # a network that does not see the roughness gets the mirror as it is, and so does a loss
    assert network_input(buffers, ("mirror",), 2).min() == 1
    assert target_image(buffers, ("mirror", "roughness"), 2)[:, :3].min() == 1


def test_smaller_representations_are_resized_to_the_largest():
    large, small, vector = torch.rand(2, 3, 4, 4), torch.rand(2, 5, 2, 2), torch.rand(2, 1, 1, 1)
    joined = join_representations([vector, small, large])
    assert joined.shape == (2, 9, 4, 4)
    assert torch.equal(joined[:, :1], vector.expand(2, 1, 4, 4))
    assert torch.equal(joined[:, 1:6, ::2, ::2], small)
    assert torch.equal(joined[:, 1:6, 1::2, 1::2], small)
    assert torch.equal(joined[:, 6:], large)
    assert torch.equal(join_representations([vector, vector])[:, 1:], vector)


@pytest.mark.parametrize(("height", "width", "size"), [(8, 8, 4), (4, 4, 8), (6, 9, 5), (1, 1, 4), (5, 5, 5)])
def test_gradients_go_back_through_resizing(height, width, size):
    image = torch.rand(2, 3, height, width, requires_grad=True)
    made = resized(image, size)
    upstream = torch.randn_like(made)
    (expected,) = torch.autograd.grad(made, image, upstream)
    assert torch.allclose(unresized(upstream, height, width), expected, atol=1e-6)
