"""AST text is checked before AST sees it, and means the same afterwards."""

import random
from contextlib import suppress

import numpy as np
import pytest
from starlink import Ast

from forcedsql.ast.frame_set import pixel_to_sky_text, transform_text
from forcedsql.ast.mapping_classes import UnknownAstClassError
from forcedsql.errors import FileLimitError, ReadError
from forcedsql.wcs import AstWcs


class Sink:
    def __init__(self):
        self.lines = []

    def astsink(self, line):
        self.lines.append(line)


def dump(thing):
    sink = Sink()
    Ast.Channel(None, sink, "Full=-1,Comment=0").write(thing)
    return "\n".join(sink.lines)


def frame_set(*mappings):
    """A frame set from PIXELS through the mappings to the sky."""
    frames = Ast.FrameSet(Ast.Frame(2, "Domain=PIXELS"))
    for number, mapping in enumerate(mappings, start=1):
        last = number == len(mappings)
        frames.addframe(number, mapping, Ast.SkyFrame("System=ICRS") if last else Ast.Frame(2))
    return frames


def inverse(mapping):
    mapping.invert()
    return mapping


def conversion(source, target):
    return Ast.SkyFrame(f"System={source}").convert(Ast.SkyFrame(f"System={target}")).getmapping()


SCALE = Ast.ZoomMap(2, 0.0078125)
POLYNOMIAL = np.array([[3.0, 1, 0, 0], [1.0, 1, 1, 0], [1e-4, 1, 2, 1], [1.0, 2, 0, 1], [2e-5, 2, 1, 1]])
MAPPINGS = {
    "unit": Ast.UnitMap(2),
    "shift": Ast.ShiftMap([3.0, 0.0]),
    "window": Ast.WinMap([0.0, 0.0], [1.0, 1.0], [0.0, 4.0], [2.0, 9.0]),
    "full matrix": Ast.MatrixMap([[1.0, 0.25], [-0.5, 2.0]]),
    "diagonal matrix": Ast.MatrixMap([2.0, 3.0]),
    "permutation": Ast.PermMap([2, 1], [2, 1]),
    "parallel": Ast.CmpMap(Ast.ZoomMap(1, 2.0), Ast.ZoomMap(1, 3.0), False),
    "inverted part": Ast.CmpMap(inverse(Ast.ShiftMap([1.0, 2.0])), Ast.ZoomMap(2, 2.0), True),
    "polynomial, iterated": Ast.PolyMap(POLYNOMIAL, None, "IterInverse=1,NiterInverse=20,TolInverse=1e-10"),
    "polynomial, inverse fitted": Ast.PolyMap(POLYNOMIAL, POLYNOMIAL),
    "two ways": Ast.TranMap(Ast.ZoomMap(2, 2.0), Ast.ZoomMap(2, 3.0)),
    "galactic to equatorial": Ast.SkyFrame("System=GALACTIC")
    .convert(Ast.SkyFrame("System=FK5"))
    .getmapping(),
    "FK5 to ICRS": Ast.SkyFrame("System=FK5").convert(Ast.SkyFrame("System=ICRS")).getmapping(),
}


@pytest.mark.parametrize("name", MAPPINGS)
def test_a_rewritten_mapping_gives_the_very_same_numbers(name):
    frames = frame_set(MAPPINGS[name], SCALE)
    mapping = Ast.Channel(pixel_to_sky_text(dump(frames)).split("\n")).read()
    positions = np.random.default_rng(1).uniform(-50.0, 50.0, (2, 20))
    np.testing.assert_array_equal(mapping.tran(positions), frames.tran(positions))
    sky = frames.tran(positions)
    np.testing.assert_array_equal(mapping.tran(sky, False), frames.tran(sky, False))


def test_a_chebyshev_mapping_is_that_polynomial():
    """The text is written by hand: pyast's constructor does not take one without an inverse."""
    chebyshev = """Begin ChebyMap
    Nin = 2
 IsA Mapping
    MPF1 = 2
    MPF2 = 1
    NCF1 = 2
    NCF2 = 1
    CF1 = 0.5
    CF2 = 0.25
    CF3 = 2
    PF1 = 1
    PF3 = 2
    PF4 = 1
    PF6 = 1
    IterInv = 1
 IsA PolyMap
    FScl1 = 0.02
    FScl2 = 0.01
    FOff1 = -1
    FOff2 = -1
 End ChebyMap"""
    text = dump(frame_set(SCALE)).split("\n")
    start = next(n for n, line in enumerate(text) if "Begin ZoomMap" in line)
    end = next(n for n, line in enumerate(text) if "End ZoomMap" in line)
    text[start : end + 1] = chebyshev.split("\n")
    mapping = Ast.Channel(pixel_to_sky_text("\n".join(text)).split("\n")).read()
    x, y = np.array([[10.0, 40.0, 77.0], [5.0, 100.0, 190.0]])
    t, u = 0.02 * x - 1.0, 0.01 * y - 1.0
    expected = [0.5 * t + 0.25 * (2 * t * t - 1.0) * u, 2.0 * u]
    np.testing.assert_allclose(mapping.tran([x, y]), expected, rtol=1e-14)


def test_a_base_frame_that_is_not_the_first_is_followed_back():
    frames = frame_set(Ast.ShiftMap([1.0, 2.0]), Ast.ZoomMap(2, 1e-3))
    frames.Base = 2
    mapping = Ast.Channel(pixel_to_sky_text(dump(frames)).split("\n")).read()
    np.testing.assert_allclose(mapping.tran([[5.0], [6.0]]), [[5e-3], [6e-3]], rtol=1e-15)
    frames.Base = 3
    with pytest.raises(ReadError, match="maps nothing: its base frame is the sky"):
        pixel_to_sky_text(dump(frames))
    frames.Base, frames.Current = 3, 1
    with pytest.raises(ReadError, match="not in ICRS"):
        pixel_to_sky_text(dump(frames))


def test_comments_after_a_tab_are_cut():
    text = dump(frame_set(SCALE))
    commented = "\n".join(f"{line}\t# what it is" for line in text.split("\n"))
    assert pixel_to_sky_text(commented) == pixel_to_sky_text(text)


def test_what_precedes_the_first_object_is_ignored():
    text = dump(frame_set(SCALE)).strip()
    assert pixel_to_sky_text(f"1 SkyWcs 0  {text}") == pixel_to_sky_text(text)


GOOD = dump(frame_set(Ast.PolyMap(POLYNOMIAL, None, "IterInverse=1"), SCALE))


@pytest.mark.parametrize(
    ("old", "new", "error", "message"),
    [
        ("Begin ZoomMap", "Begin MathMap", ReadError, "ends a 'ZoomMap'"),
        ("Begin FrameSet", "Begin CmpMap", ReadError, "ends a 'FrameSet'"),
        ('System = "ICRS"', 'System = "GALACTIC"', ReadError, "GALACTIC"),
        ("Zoom = 0.0078125", "Zoom = nan", ReadError, "zoom is 'nan'"),
        ("Zoom = 0.0078125", "Zoom = <bad>", ReadError, "zoom is '<bad>'"),
        ("Zoom = 0.0078125", "Moom = 1", ReadError, "zoom is ''"),
        ("Zoom = 0.0078125", "Zoom = 0.0078125\nZoom = 2", ReadError, "out of place"),
        ("MPF1 = 2", "MPF1 = 1", FileLimitError, "pf5 is 2"),
        ("MPF1 = 2", "MPF1 = 2000000000", ReadError, "mpf1"),
        ("NCF1 = 3", "NCF1 = 999999999", FileLimitError, "reads at most 10000"),
        ("NCF1 = 3", "NCF1 = 4", ReadError, "cf6 is ''"),
        ("NCF1 = 3", "NCF1 = -3", ReadError, "ncf1 is '-3'"),
        ("Nframe = 3", "Nframe = 999", FileLimitError, "reads at most 100"),
        ("Nframe = 3", "Nframe = 4", ReadError, "frm4|frm"),
        ("Lnk3 = 2", "Lnk3 = 3", ReadError, "in a circle"),
        ("Lnk3 = 2", "Lnk3 = 9", ReadError, "lnk9"),
    ],
)
def test_inconsistent_text_is_refused_with_what_is_wrong(old, new, error, message):
    assert old in GOOD
    text = GOOD.replace(old, new)
    if "Currnt = 3" in text and new == "Nframe = 4":
        text = text.replace("Currnt = 3", "Currnt = 4")
    with pytest.raises(error, match=message):
        pixel_to_sky_text(text)


def test_a_mapping_alone_is_no_projection():
    with pytest.raises(ReadError, match="the sky projection is an AST ZoomMap, not a FrameSet"):
        pixel_to_sky_text(dump(SCALE))


def test_nodes_apart_from_the_frames_are_not_known():
    with pytest.raises(UnknownAstClassError, match="nodes apart from its frames"):
        pixel_to_sky_text(GOOD.replace("Lnk3 = 2", "Lnk3 = 2\nNod3 = 2"))


def test_a_transform_is_a_mapping_its_inverse_or_that_between_two_frames():
    frames = Ast.FrameSet(Ast.Frame(2))
    frames.addframe(1, Ast.ZoomMap(2, 4.0), Ast.Frame(2))
    inverted = dump(Ast.ZoomMap(2, 4.0)).replace("Zoom =", "Invert = 1\n Zoom =")
    for text, factor in ((dump(Ast.ZoomMap(2, 4.0)), 4.0), (inverted, 0.25), (dump(frames), 4.0)):
        mapping = Ast.Channel(transform_text(text, axes=(2, 2)).split("\n")).read()
        np.testing.assert_array_equal(mapping.tran([[1.0], [3.0]]), [[factor], [3.0 * factor]])
    with pytest.raises(ReadError, match="the transform maps 2 axes to 2, not 2 to 1"):
        transform_text(inverted, axes=(2, 1))


def test_parts_that_do_not_fit_are_refused():
    text = dump(frame_set(SCALE)).replace("Nin = 2", "Nin = 3")
    with pytest.raises(ReadError, match="maps 3 axes to 3"):
        pixel_to_sky_text(text)


@pytest.mark.parametrize("name", ["MathMap", "IntraMap", "Plot", ""])
def test_an_unknown_class_is_named(name):
    with pytest.raises(UnknownAstClassError, match=f"AST {name}"):
        pixel_to_sky_text(GOOD.replace("ZoomMap", name))


def test_text_without_an_object_is_refused_with_what_was_seen():
    with pytest.raises(ReadError, match="it starts 'nothing here'"):
        pixel_to_sky_text("nothing here")


@pytest.mark.parametrize("length", range(20, len(GOOD) - 20, 60))
def test_text_cut_short_is_refused(length):
    with pytest.raises(ReadError):
        pixel_to_sky_text(GOOD[:length])


def test_deep_nesting_is_refused():
    text = "Begin FrameSet\n" + "A =\nBegin CmpMap\n" * 200
    with pytest.raises(FileLimitError, match="nests deeper than 100"):
        pixel_to_sky_text(text)


def test_text_of_any_length_is_refused():
    with pytest.raises(FileLimitError, match="forcedsql reads at most 4000000"):
        pixel_to_sky_text("Begin " + "x" * 4_000_000)


def test_lines_lost_moved_or_doubled_never_get_past_as_a_crash():
    """AST ends the process on one in a hundred such texts when it gets them as they are."""
    survivors = 0
    for seed in range(400):
        rng = random.Random(seed)
        lines = GOOD.split("\n")
        for _ in range(rng.choice([1, 2, 4])):
            here, there = rng.randrange(len(lines)), rng.randrange(len(lines))
            change = rng.randrange(4)
            if change == 0:
                del lines[here]
            elif change == 1:
                lines.insert(here, lines[there])
            elif change == 2:
                lines[here], lines[there] = lines[there], lines[here]
            else:
                lines[here] = (
                    lines[here].partition("=")[0] + "= " + rng.choice(["0", "-1", "7", "1e300", '"x"'])
                )
        with suppress(ReadError):
            AstWcs("\n".join(lines)).sky_to_pixel(np.array([1.0]), np.array([1.0]))
            survivors += 1
    assert survivors < 400
