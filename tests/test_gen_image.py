"""data_gen/gen_image.py: the pixels, their order, the size, and that few colours stand for them all."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.cluster import KMeans

from data_gen.gen_image import generate, main, picture


def read(path) -> np.ndarray:
    return np.loadtxt(path, delimiter=",", skiprows=1, ndmin=2, dtype=int)


@pytest.mark.parametrize("width, height", [(256, 192), (1, 1), (7, 3), (3, 50)])
def test_every_pixel_is_a_row_from_left_to_right_then_down(tmp_path, width, height):
    truth = generate(tmp_path / "p.csv", width, height, seed=4)
    header = (tmp_path / "p.csv").read_text().split("\n")[0]
    assert header == "row,column,red,green,blue" == ",".join(truth["columns"])
    table = read(tmp_path / "p.csv")
    assert table[:, :2].tolist() == [[i, j] for i in range(height) for j in range(width)]
    assert np.array_equal(table[:, 2:].reshape(height, width, 3), picture(width, height, seed=4))
    assert table[:, 2:].min() >= 0 and table[:, 2:].max() <= 255


def test_the_truth_tells_the_size(tmp_path):
    truth = generate(tmp_path / "p.csv", 8, 6, seed=3)
    assert json.loads((tmp_path / "p.csv.truth.json").read_text()) == truth
    assert (truth["width"], truth["height"], truth["rows"], truth["seed"]) == (8, 6, 48, 3)
    assert truth["features"] == ["red", "green", "blue"] and truth["header"]


def test_the_noise_is_normal_with_its_standard_deviation(monkeypatch):
    noisy = picture(seed=2).astype(int)
    monkeypatch.setattr("data_gen.gen_image.NOISE", 0.0)
    smooth = picture(seed=2).astype(int)
    inside = (smooth > 30) & (smooth < 225)
    noise = (noisy - smooth)[inside]
    # The difference of two rounded numbers; rounding adds at most 1/12 each.
    assert abs(noise.mean()) < 0.05
    assert 4 < noise.std() < np.sqrt(16 + 2 / 12) + 5 * 4 / np.sqrt(2 * len(noise))


def test_there_are_a_blue_sky_a_sun_and_dark_hills(monkeypatch):
    monkeypatch.setattr("data_gen.gen_image.NOISE", 0.0)
    for seed in range(3):
        colours = picture(seed=seed).astype(int)
        red, _, blue = np.moveaxis(colours, 2, 0)
        brightness = colours.sum(axis=2)
        assert (blue[0] > red[0] + 50).all()
        row, column = np.unravel_index(brightness.argmax(), brightness.shape)
        assert abs(row / 192 - 0.36) < 0.1 and abs(column / 256 - 0.68) < 0.1
        assert brightness[-1].max() < brightness[0].min()
        # Smooth but for edges.
        assert np.median(np.abs(np.diff(colours, axis=1))) <= 1


def test_a_small_codebook_stands_for_thousands_of_colours():
    colours = picture().reshape(-1, 3).astype(float)
    assert len(np.unique(colours, axis=0)) > 10_000
    left = KMeans(16, n_init=1, random_state=0).fit(colours[::7]).inertia_
    assert left < 0.05 * ((colours[::7] - colours[::7].mean(axis=0)) ** 2).sum()


def test_other_sizes_show_the_same_picture(monkeypatch):
    """Each pixel of a small picture is nearly the mean of the four at its place in one twice as large."""
    monkeypatch.setattr("data_gen.gen_image.NOISE", 0.0)
    small, large = picture(64, 48).astype(float), picture(128, 96).astype(float)
    means = large.reshape(48, 2, 64, 2, 3).mean(axis=(1, 3))
    assert np.median(np.abs(small - means)) <= 1 and np.abs(small - means).mean() < 2


def test_command_line_writes_what_the_function_writes(tmp_path):
    generate(tmp_path / "a", 20, 10, seed=9)
    assert main(["--out", str(tmp_path / "b"), "--width", "20", "--height", "10", "--seed", "9"]) == 0
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    assert (tmp_path / "a.truth.json").read_bytes() == (tmp_path / "b.truth.json").read_bytes()


@pytest.mark.parametrize("wrong, word", [("--width 0", "width"), ("--height -1", "height"), ("--width wide", "--width")])
def test_a_wrong_option_is_named_in_one_sentence(tmp_path, capsys, wrong, word):
    with pytest.raises(SystemExit) as ended:
        main(["--out", str(tmp_path / "data"), *wrong.split()])
    assert ended.value.code == 2 and word in capsys.readouterr().err.splitlines()[-1]
    assert not list(tmp_path.glob("data*"))
