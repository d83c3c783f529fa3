"""What a notebook shows of pipelines, plans, runs, artifacts and lineage."""

import itertools
import random
import re
import xml.etree.ElementTree as ET
from html.parser import HTMLParser

import numpy as np
import pytest

from zencache import Output, Repository, StepFailed, drawing, pipeline, step
from zencache.drawing import Box

SVG = "{http://www.w3.org/2000/svg}"


@step
def importer(size: int) -> Output(X=np.ndarray, y=np.ndarray):
    return np.arange(float(size)), np.arange(float(size)) % 2


@step
def trainer(X: np.ndarray, y: np.ndarray, epochs: int) -> float:
    if epochs > 100:
        raise ValueError("<script>alert('x')</script>")
    return float(X @ y) * epochs


@step(name='eval & <img src=x onerror="alert(1)">')
def evaluator(model: float) -> float:
    return model


@pipeline
def training(epochs: int = 1):
    evaluator(trainer(*importer(4), epochs))


@pytest.fixture
def shown(project):
    """One of each that shows itself, by what it is."""
    first = training().run(run_name="first")
    training().run(run_name="second")
    with pytest.raises(StepFailed):
        training(epochs=101).run(run_name="failed")
    repo = Repository()
    model = first.steps["trainer"].output
    return {
        "pipeline": training(),
        "plan": training(epochs=3).plan(),
        "run": repo.get_run("second"),
        "failed": repo.get_run("failed"),
        "artifact": model,
        "lineage": repo.lineage(model),
        "lineage of a run": first.lineage(),
    }


class Page(HTMLParser):
    """The tags, attributes and texts of a page."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.texts = set(), [], []
        self.open = []
        self.feed(text)

    def handle_starttag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes
        self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.add(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        self.texts.append(text)


TAGS = {"div", "svg", "g", "title", "rect", "text", "path", "table", "thead", "tbody", "tr", "th", "td"}


def test_are_static_and_hold_all_that_they_need(shown):
    for name, one in shown.items():
        page = Page(one._repr_html_())
        assert page.tags <= TAGS, name
        assert "svg" in page.tags
        assert page.open == []
        for attribute, value in page.attributes:
            assert not attribute.startswith("on")
            assert attribute not in ("href", "src")
            assert attribute == "xmlns" or "://" not in value


def test_show_names_of_others_as_text(shown):
    told = "".join(Page(shown["run"]._repr_html_()).texts)
    assert 'eval & <img src=x onerror="alert(1)">' in told
    assert "<script>alert('x')</script>" in "".join(Page(shown["failed"]._repr_html_()).texts)


def test_say_state_by_word_and_border_as_well_as_by_colour(shown):
    looks = {}
    for name in ("run", "failed", "plan"):
        picture = svg_of(shown[name])
        for group in picture.iter(f"{SVG}g"):
            word = [text.text for text in group.iter(f"{SVG}text")][1].split()[1]
            border = group.find(f"{SVG}rect")
            looks[word] = (border.get("stroke"), border.get("stroke-dasharray"), border.get("stroke-width"))
    assert looks.keys() == {"cached", "failed", "skipped", "HIT", "MISS", "UNKNOWN"}
    assert looks["cached"][1:] != looks["failed"][1:] != looks["skipped"][1:]
    assert looks["HIT"][1:] != looks["MISS"][1:] != looks["UNKNOWN"][1:]


def test_are_readable_in_light_and_dark(shown):
    """Text takes the colour of the page; borders stand out from white and from black by 3 to 1 (WCAG)."""
    for one in shown.values():
        picture = svg_of(one)
        assert picture.get("fill") == "currentColor"
        assert all(text.get("fill") is None for text in picture.iter(f"{SVG}text"))
        assert all(path.get("stroke") in (None, "currentColor") for path in picture.iter(f"{SVG}path"))
    for state, look in drawing.LOOKS.items():
        light = luminance(look.colour)
        assert 1.05 / (light + 0.05) >= 3, state
        assert (light + 0.05) / (luminance("#121212") + 0.05) >= 3, state


def luminance(colour):
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_hold_what_they_are_of(shown):
    def titles(name):
        return [group.find(f"{SVG}text").text for group in svg_of(shown[name]).iter(f"{SVG}g")]

    assert titles("pipeline")[:2] == titles("plan")[:2] == titles("run")[:2] == ["importer", "trainer"]
    assert titles("lineage")[:2] == ["importer", "trainer"]
    assert {"X", "y", "Float 3", "Float 4"} <= set(titles("lineage"))
    assert "parameter epochs: 101 -> 3" in "".join(Page(shown["plan"]._repr_html_()).texts)
    assert shown["artifact"].digest in shown["artifact"]._repr_html_()


def svg_of(shown):
    text = shown if isinstance(shown, str) else shown._repr_html_()
    return ET.fromstring(re.search(r"<svg.*</svg>", text, re.DOTALL)[0])


def boxes_of(picture):
    """``(left, top, right, bottom)`` of each box by its title."""
    found = {}
    for group in picture.iter(f"{SVG}g"):
        rect = group.find(f"{SVG}rect")
        x, y, w, h = (float(rect.get(name)) for name in ("x", "y", "width", "height"))
        found[group.find(f"{SVG}text").text] = (x, y, x + w, y + h)
    return found


class TestLayout:
    @pytest.mark.parametrize("seed", range(20))
    def test_boxes_never_overlap_nor_leave_the_picture(self, seed):
        choose = random.Random(seed)
        names = [f"n{i}" * choose.randrange(1, 6) for i in range(choose.randrange(1, 30))]
        arrows = [(choose.choice(names), choose.choice(names)) for _ in range(choose.randrange(60))]
        picture = svg_of(drawing.graph([Box(name, (name,)) for name in names], arrows, label="random"))
        found = boxes_of(picture)
        width, height = (float(picture.get(name)) for name in ("width", "height"))
        assert len(found) == len(set(names))
        for left, top, right, bottom in found.values():
            assert left >= 0
            assert top >= 0
            assert right <= width
            assert bottom <= height
        for (_, one), (_, other) in itertools.combinations(found.items(), 2):
            apart = one[2] <= other[0] or other[2] <= one[0] or one[3] <= other[1] or other[3] <= one[1]
            assert apart
        for path in picture.iter(f"{SVG}path"):
            for x, y in re.findall(r"[MC ](-?[\d.]+) (-?[\d.]+)", path.get("d").replace("C", " ")):
                assert -30 <= float(x) <= width + 30
                assert -10 <= float(y) <= height + 10

    @pytest.mark.parametrize("seed", range(10))
    def test_arrows_lead_down_where_there_is_no_circle(self, seed):
        choose = random.Random(seed)
        names = [f"n{i}" for i in range(15)]
        arrows = [tuple(sorted(choose.sample(range(15), 2))) for _ in range(25)]
        pairs = [(names[a], names[b]) for a, b in arrows]
        found = boxes_of(svg_of(drawing.graph([Box(n, (n,)) for n in names], pairs, label="x")))
        for source, target in pairs:
            assert found[source][3] < found[target][1]

    def test_draws_circles_and_loops(self):
        boxes = [Box(name, (name,)) for name in "abc"]
        picture = svg_of(drawing.graph(boxes, [("a", "b"), ("b", "c"), ("c", "a"), ("b", "b")], label="x"))
        assert len(list(picture.iter(f"{SVG}path"))) == 2 * 4

    def test_says_of_very_many_that_they_are_too_many(self):
        boxes = [Box(str(i), (str(i),)) for i in range(1000)]
        assert "1000 boxes are too many to draw" in drawing.graph(boxes, [], label="x")

    def test_is_of_no_boxes_at_all(self):
        assert list(svg_of(drawing.graph([], [], label="nothing"))) == []

    def test_shortens_long_names_and_tells_them_whole(self):
        picture = svg_of(drawing.graph([Box("a", ("x" * 255,))], [], label="x"))
        assert len(next(picture.iter(f"{SVG}text")).text) <= 30
        assert next(picture.iter(f"{SVG}title")).text == "x" * 255
