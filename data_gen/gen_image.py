"""A small picture as a table of its pixels: hills before an evening sky with a sun, for vector quantisation.

For the pixel in row i and column j, at x = (j + 1/2) / width from the left and y = (i + 1/2) / height from the top, the
colours lie over one another, each red, green and blue in 0..255:

    sky    between blue above and orange at y = 0.65, in proportion to y
    sun    a disc of radius 0.09 heights, and a glow around it that falls to 1/e over 0.22 heights
    hills  five ridges y = h_l(x), each a sum of three sine waves with random phases; the nearer, the lower, the rougher and
           the darker; below its ridge a hill turns darker down to half of its colour
    noise  normal with standard deviation 4 for each colour; then rounded, and cut off at 0 and 255

Edges are smooth over one pixel. As in a photograph nearly every pixel has a colour of its own, and a few dozen would do:
vector quantisation replaces them by the k centres of a clustering, the codebook (Gersho and Gray, *Vector Quantization and
Signal Compression*, 1992).

The columns are row and column, counted from 0, red, green and blue, with a header; the rows go from left to right, then
down. The same seed gives the same bytes (for one version of numpy, whose streams may change between versions). Memory does
not grow with the height.

    python data_gen/gen_image.py --width 256 --height 192 --seed 0 --out picture.csv

writes picture.csv (0.9 MB) and picture.csv.truth.json.
"""

from __future__ import annotations

import math
import os
import sys
from collections.abc import Iterator
from typing import Any

import numpy as np

from data_gen.writing import beside_its_truth, make_parser, run_generator

COLOURS = ["red", "green", "blue"]
COLUMNS = ["row", "column", *COLOURS]
SKY, HORIZON, SUN = (58.0, 96.0, 168.0), (250.0, 184.0, 118.0), (255.0, 244.0, 190.0)
SUN_AT, SUN_RADIUS, GLOW = (0.68, 0.36), 0.09, 0.22  # the place in widths and heights, the sizes in heights
HILLS = ((172.0, 148.0, 170.0), (120.0, 122.0, 158.0), (74.0, 112.0, 118.0), (62.0, 104.0, 62.0), (40.0, 62.0, 34.0))
HORIZON_AT = 0.65
NOISE = 4.0


def generate(path: str | os.PathLike[str], width: int = 256, height: int = 192, seed: int = 0) -> dict[str, Any]:
    """Write the pixels to `path` and the truth, the size of the picture, to `path`.truth.json, and return the truth.

    Each file appears whole or not at all, the truth first: where there is data there is its truth.

    :raises ValueError: a wrong argument, in one sentence
    :raises OSError: where it cannot write
    """
    if width < 1:
        raise ValueError(f"width must be 1 or more, not {width}")
    if height < 1:
        raise ValueError(f"height must be 1 or more, not {height}")
    if seed < 0:
        raise ValueError(f"seed must be 0 or more, not {seed}")
    truth = {
        "width": width,
        "height": height,
        "noise": NOISE,
        "columns": COLUMNS,
        "features": COLOURS,
        "rows": width * height,
        "seed": seed,
        "header": True,
    }
    with beside_its_truth(path, truth) as data:
        data.write((",".join(COLUMNS) + "\n").encode("ascii"))
        for i, colours in enumerate(_lines(width, height, seed)):
            table = np.column_stack([np.full(width, i), np.arange(width), colours])
            data.write(b"%d,%d,%d,%d,%d\n" * width % tuple(table.ravel().tolist()))
    return truth


def picture(width: int = 256, height: int = 192, seed: int = 0) -> np.ndarray:
    """The colours of all pixels: (height, width, 3), whole numbers of 8 bits."""
    return np.stack(list(_lines(width, height, seed)))


def _lines(width: int, height: int, seed: int) -> Iterator[np.ndarray]:
    """The colours of the picture, a row of pixels at a time, each (width, 3)."""
    phase_stream, noise_stream = map(np.random.default_rng, np.random.SeedSequence(seed).spawn(2))
    x = (np.arange(width) + 0.5) / width
    ridges = [_ridge(x, nearness, phase_stream) for nearness in range(len(HILLS))]
    for i in range(height):
        y = (i + 0.5) / height
        colours = _sky(x, y, width / height)
        for colour, ridge in zip(HILLS, ridges):
            depth = y - ridge
            shade = 1.0 - 0.5 * np.clip(depth / 0.4, 0.0, 1.0)
            colours = _over(colours, np.array(colour) * shade[:, None], _covered(depth * height))
        colours = colours + NOISE * noise_stream.standard_normal((width, 3))
        yield np.clip(np.rint(colours), 0, 255).astype(np.uint8)


def _sky(x: np.ndarray, y: float, aspect: float) -> np.ndarray:
    """The colours of the sky and the sun at a height: (width, 3)."""
    height_of_pixel = aspect / len(x)
    towards = min(1.0, y / HORIZON_AT)
    sky = np.array(SKY) * (1.0 - towards) + np.array(HORIZON) * towards
    outside = np.hypot((x - SUN_AT[0]) * aspect, y - SUN_AT[1]) - SUN_RADIUS
    glowing = _over(np.tile(sky, (len(x), 1)), np.array(SUN), 0.7 * np.exp(-np.maximum(outside, 0.0) / GLOW))
    return _over(glowing, np.array(SUN), _covered(-outside / height_of_pixel))


def _ridge(x: np.ndarray, nearness: int, phases: np.random.Generator) -> np.ndarray:
    """The height y of a ridge at each x, the farthest being 0: (width,)."""
    ridge = np.full(len(x), 0.50 + 0.10 * nearness)
    for wave in range(3):
        waves = (1.1 + 0.4 * nearness) * 2.1**wave
        ridge += 0.045 / 2.0**wave * np.sin(2 * math.pi * (waves * x + phases.random()))
    return ridge


def _over(below: np.ndarray, colour: np.ndarray, share: np.ndarray) -> np.ndarray:
    """Colours with another one over them that covers its share of each pixel, shares being (width,): (width, 3)."""
    return below + share[:, None] * (colour - below)


def _covered(inside: np.ndarray) -> np.ndarray:
    """The share of a pixel that is covered where its centre lies so many pixels inside an edge."""
    return np.clip(inside + 0.5, 0.0, 1.0)


def main(argv: list[str] | None = None) -> int:
    parser = make_parser("Generate a picture of hills as a table of its pixels.")
    parser.add_argument("--width", type=int, default=256, help="in pixels. Default: %(default)s")
    parser.add_argument("--height", type=int, default=192, help="in pixels. Default: %(default)s")
    return run_generator(parser, generate, argv)


if __name__ == "__main__":
    sys.exit(main())
