"""Sets of pixels and their statistics against plain loops."""

import numpy as np
import pytest

from forcedsql.measure import spans as spans_module
from forcedsql.measure.spans import Groups, clipped_statistics, ellipse_spans

SHAPE = (60, 80)


def ellipses(count, seed=1):
    rng = np.random.default_rng(seed)
    x, y = rng.uniform(-5.0, 84.0, count), rng.uniform(-5.0, 64.0, count)
    axes, angle = rng.uniform(0.3, 9.0, (count, 2)), rng.uniform(0.0, np.pi, count)
    c, s = np.cos(angle), np.sin(angle)
    a, b = np.square(axes).T
    return x, y, np.stack([a * c * c + b * s * s, a * s * s + b * c * c, (a - b) * c * s], axis=1)


def pixels_inside(x, y, quadrupole):
    row, column = np.indices(SHAPE)
    xx, yy, xy = quadrupole
    dx, dy = column - x, row - y
    return (dx * dx * yy - 2 * dx * dy * xy + dy * dy * xx) / (xx * yy - xy * xy) <= 1.0


@pytest.mark.parametrize("block", [1 << 22, 50])
def test_an_ellipse_holds_the_pixels_whose_centres_it_contains(monkeypatch, block):
    monkeypatch.setattr(spans_module, "_BLOCK_PIXELS", block)
    x, y, quadrupole = ellipses(200)
    spans = ellipse_spans(x, y, quadrupole, SHAPE)
    found = np.zeros((200, *SHAPE), np.int64)
    for owner, row, column in spans.blocks():
        np.add.at(found, (owner, row, column), 1)
    expected = np.stack([pixels_inside(*e) for e in zip(x, y, quadrupole, strict=True)])
    np.testing.assert_array_equal(found, expected)
    np.testing.assert_array_equal(spans.areas, expected.sum(axis=(1, 2)))


@pytest.mark.parametrize(
    "quadrupole", [(np.nan, 1.0, 0.0), (1.0, -1.0, 0.0), (1.0, 1.0, 2.0), (0.0, 0.0, 0.0)]
)
def test_what_is_no_ellipse_is_empty(quadrupole):
    spans = ellipse_spans(
        np.array([10.0, 30.0]), np.array([10.0, 30.0]), np.array([quadrupole, (4, 4, 0)]), SHAPE
    )
    assert spans.areas.tolist() == [0, 13]


def test_no_ellipses_at_all_are_no_pixels():
    spans = ellipse_spans(np.zeros(0), np.zeros(0), np.zeros((0, 3)), SHAPE)
    assert list(spans.blocks()) == []


def test_quantiles_are_numpys():
    rng = np.random.default_rng(3)
    owner, values = rng.integers(0, 9, 500), rng.normal(size=500).astype(np.float32)
    owner[owner == 4] = 5
    groups = Groups.of(owner, values, 9)
    for fraction in (0.0, 0.25, 0.5, 0.9, 1.0):
        found = groups.quantile(fraction)
        for k in range(9):
            if k == 4:
                assert np.isnan(found[k])
            else:
                # Interpolated in double from single-precision values.
                assert found[k] == pytest.approx(
                    np.quantile(values[owner == k].astype(float), fraction), rel=1e-12
                )


def clipped_by_hand(values, sigmas, iterations):
    mean = np.median(values)
    sigma = 0.741301109252802 * np.subtract(*np.percentile(values, (75, 25)))
    for _ in range(iterations):
        kept = values[np.abs(values - mean) <= sigmas * sigma]
        mean, sigma = kept.mean(), kept.std(ddof=1)
    return mean, sigma


def test_clipped_statistics_are_those_of_each_group_alone():
    rng = np.random.default_rng(7)
    owner = rng.integers(0, 20, 4000)
    values = rng.normal(1000.0, 2.0, 4000)
    values[::37] += 500.0
    mean, sigma = clipped_statistics(Groups.of(owner, values, 21), sigmas=3.0, iterations=3)
    for k in range(20):
        expected = clipped_by_hand(values[owner == k], 3.0, 3)
        np.testing.assert_allclose((mean[k], sigma[k]), expected, rtol=1e-10)
    assert np.isnan(mean[20])
