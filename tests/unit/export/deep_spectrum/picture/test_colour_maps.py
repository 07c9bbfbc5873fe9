import matplotlib
import numpy as np
import pytest

from export.deep_spectrum.picture.colour_maps import UnknownColourMap, colour_table


@pytest.mark.parametrize("name", ["viridis", "magma", "jet", "Greys", "tab10"])
def test_a_table_is_what_matplotlib_gives_for_images(name):
    theirs = matplotlib.colormaps[name](np.linspace(0.0, 1.0, 256), bytes=True)[:, :3]
    if matplotlib.colormaps[name].N == 256:
        np.testing.assert_array_equal(colour_table(name, "truncate"), theirs)
    assert colour_table(name).shape == (256, 3)
    assert np.abs(colour_table(name) - theirs).max() <= (1 if matplotlib.colormaps[name].N == 256 else 255)


def test_ends_of_viridis():
    assert colour_table("viridis")[[0, 255]].tolist() == [[68, 1, 84], [253, 231, 37]]


def test_an_unknown_name_is_an_error_of_its_own():
    with pytest.raises(UnknownColourMap):
        colour_table("no such map")
