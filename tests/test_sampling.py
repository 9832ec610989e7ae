"""The sample drawn on the way of packing: that of the statistic over the same blocks, bit for bit."""

from __future__ import annotations

import numpy as np
import pytest

from drivers.packing.sampling import Sampler
from jobs.design import MISSING_CODE, Design
from jobs.kernels.sample import SampleQuery, SampleStatistics
from tests.registry import make_blocks


@pytest.mark.parametrize("k", [0, 1, 10, 500, 5000])
@pytest.mark.parametrize("size", [7, 100, 1000])
def test_it_is_the_sample_of_the_statistic(k, size):
    rng = np.random.default_rng(0)
    columns = {
        "x": rng.normal(size=3000),
        "code": rng.integers(-1, 5, 3000).astype(np.int32),
        "n": rng.integers(0, 9, 3000),
    }
    columns["x"][::50] = np.nan
    assert MISSING_CODE in columns["code"]
    sampler, expected = Sampler(k, list(columns)), SampleStatistics.zero(SampleQuery(k, 3))
    design = Design(list(columns), missing="keep")
    for block in make_blocks(columns, size):
        sampler.add(block)
        expected.add(design.apply(block), SampleQuery(k, 3))
    assert sampler.sample().md5() == expected.md5()
    assert len(expected.keys) == min(k, 3000)
