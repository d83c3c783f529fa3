"""A person with a browser sees runs: clicks, keys, both schemes, a phone, and no request to anywhere else."""

from __future__ import annotations

import threading
from urllib.parse import quote

import pytest

from zencache import Repository, pipeline, step
from zencache.report import write_page

WAYS = ["written", pytest.param("served", marks=pytest.mark.slow)]


@pytest.fixture(scope="module")
def url(scoring, serve):
    return serve(scoring)


@pytest.fixture
def run_page(url, open_page, scoring, tmp_path):
    """``run_page(run, way, tail)``: the page of a run, from a server or from a file."""

    def run_page(run="fourth", way="served", tail="", **options):
        if way == "served":
            start = f"{url}#/run?name={quote(run)}{tail}"
        else:
            file = write_page(scoring.get_run(run), tmp_path / f"{run}.html", repository=scoring)
            start = f"file://{file}#/run?name={quote(run)}{tail}"
        page = open_page(start, **options)
        page.wait_for_selector(".steps a")
        return page

    return run_page


def panel_of(page, title):
    page.wait_for_function("t => document.querySelector('#panel-title')?.textContent === t", arg=title)
    return page.locator(".panel")


def click_node(page, id_):
    """Click where the graph draws a node."""
    place = page.evaluate(
        """id => {
            const canvas = document.querySelector('.graph-canvas');
            const node = canvas._cyreg.cy.getElementById(id);
            const box = canvas.getBoundingClientRect();
            const at = node.renderedPosition();
            return [box.left + at.x, box.top + at.y];
        }""",
        id_,
    )
    page.mouse.click(*place)


@pytest.mark.parametrize("way", WAYS)
def test_states_are_told_by_word_and_sign(run_page, way):
    page = run_page(way=way)
    texts = [text.split("\n") for text in page.locator(".steps a").all_inner_texts()]
    states = {name: state.split(" ")[0] for name, state in texts}
    assert states == {
        "load": "cached",
        "clean": "cached",
        "embed": "cached",
        "train": "executed",
        "publish": "failed",
        "announce": "skipped",
    }
    outlines = page.eval_on_selector_all(
        ".steps a svg", "all => all.map(one => [...one.children].map(path => path.getAttribute('d')).join())"
    )
    assert len(set(outlines)) == len(set(states.values()))
    drawn = page.evaluate(
        """() => document.querySelector('.graph-canvas')._cyreg.cy.nodes('.step').map(
            node => [node.data('name'), node.style('border-style'), node.style('shape')])"""
    )
    looks = {name: (line, shape) for name, line, shape in drawn}
    assert len({looks[name] for name in ("load", "train", "publish", "announce")}) == 4


@pytest.mark.parametrize("way", WAYS)
def test_a_click_on_a_step_tells_parameters_decision_and_why(run_page, way):
    page = run_page("second", way=way)
    click_node(page, "step:train")
    text = panel_of(page, "train").inner_text()
    assert "rate\t2.0 float" in text.replace("\n", "\t")
    assert "Miss" in text
    assert "1.0 -> 2.0" in text
    assert "scoring_pipeline:train" in text
    assert "Array from embed" in text


def test_the_error_of_a_failed_step_is_shown_as_text(run_page):
    page = run_page()
    page.click(".steps a[data-step=publish]")
    panel = panel_of(page, "publish")
    assert "The registry says <b>no</b>." in panel.locator(".error").inner_text()
    assert panel.locator("b").count() == 0


ARTIFACTS = {
    ("load", "frame"): ["40 rows", "<script>alert(1)</script>", "Table"],
    ("load", "images"): ["20 × 16 × 16", "uint8", "The first 20 of 20 pictures"],
    ("train", "score"): ["0.7", "Over the runs"],
    ("publish", "output"): ["published"],
}


@pytest.mark.parametrize("way", WAYS)
def test_a_click_on_an_artifact_shows_it(run_page, scoring, way):
    page = run_page("second", way=way)
    for (step_name, output), seen in ARTIFACTS.items():
        artifact = scoring.get_run("second").steps[step_name].outputs[output]
        click_node(page, f"artifact:{artifact.id}")
        panel = panel_of(page, output)
        page.wait_for_selector(".preview:not([aria-busy])")
        text = panel.inner_text()
        assert [part for part in seen if part.lower() not in text.lower()] == []
        assert artifact.digest in text.replace("\n", "")
        if output == "images":
            width = "image => image.decode().then(() => image.naturalWidth)"
            assert page.eval_on_selector(".pictures img", width) > 0


def test_a_metric_is_drawn_over_the_runs(run_page, scoring):
    artifact = scoring.get_run("second").steps["train"].outputs["score"]
    page = run_page("second", tail=f"&artifact={artifact.id}")
    page.wait_for_selector(".chart canvas")
    page.click("text=As a table")
    rows = page.locator(".panel details table tr").all_inner_texts()
    assert [row.split("\t") for row in rows] == [
        ["first", "0.6"],
        ["second", "0.7"],
        ["third", "0.7"],
        ["fourth", "0.8"],
    ]


@pytest.mark.parametrize("way", WAYS)
def test_lineage_is_walked_up_and_down(run_page, scoring, way):
    score = scoring.get_run("second").steps["train"].outputs["score"]
    page = run_page("second", way=way, tail=f"&artifact={score.id}")
    panel_of(page, "score")
    page.click(".panel .ports a:has-text('from clean')")
    panel_of(page, "output")
    page.click(".panel .ports a:has-text('frame')")
    panel_of(page, "frame")
    page.click("text=Draw its lineage")
    page.wait_for_selector(".lineage-view canvas", state="attached")
    names = page.evaluate(
        "() => document.querySelector('.graph-canvas')._cyreg.cy.nodes().map(node => node.data('name'))"
    )
    assert {"load", "clean", "train", "score", "publish"} <= set(names)
    assert "embed" not in names, "what is beside it does not belong to its lineage"


def test_the_keyboard_reaches_everything(run_page):
    page = run_page("second")
    page.keyboard.press("/")
    page.keyboard.type("ann")
    assert page.locator(".steps li:visible").count() == 1
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    panel_of(page, "announce")
    assert page.evaluate("document.activeElement.id") == "panel-title"
    page.keyboard.press("Escape")
    panel_of(page, "About this run")
    assert page.evaluate("document.activeElement.dataset.step") == "announce"

    page.focus(".graph")
    page.keyboard.press("ArrowDown")
    assert "Step load, cached" in page.inner_text("#said")
    for _ in range(2):
        page.keyboard.press("ArrowDown")
    assert page.inner_text("#said").startswith("Step ")
    page.keyboard.press("ArrowUp")
    assert page.inner_text("#said").startswith("Artifact ")
    page.keyboard.press("Enter")
    page.wait_for_function("() => document.activeElement.id === 'panel-title'")
    page.keyboard.press("Escape")
    page.wait_for_function("() => document.activeElement.classList.contains('graph')")


def test_steps_chosen_in_quick_succession_show_the_last(url, open_page):
    page = open_page(url)
    page.wait_for_selector(".rows .run-row")
    page.evaluate(
        """async () => {
            const turn = () => new Promise(done => setTimeout(done, 0));
            for (const step of ["load", "clean", "embed", "train"]) {
                location.hash = `#/run?name=second&step=${step}`;
                await turn();
            }
        }"""
    )
    panel_of(page, "train")
    assert page.locator(".steps a[aria-current]").get_attribute("data-step") == "train"


def test_tab_reaches_the_list_of_steps_in_one_stop(run_page):
    page = run_page("second")
    page.focus(".side .search")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.dataset.step") == "load"
    page.keyboard.press("ArrowDown")
    assert page.evaluate("document.activeElement.dataset.step") == "clean"
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.type") == "checkbox"


def test_runs_are_listed_filtered_and_compared(url, open_page):
    page = open_page(url)
    page.wait_for_selector(".rows .run-row")
    names = page.locator(".rows .run-name a").all_inner_texts()
    assert names == ["fourth", "third", "second", "first"]
    page.select_option("select[aria-label=State]", "failed")
    assert page.locator(".rows .run-name a").all_inner_texts() == ["fourth"]
    page.select_option("select[aria-label=State]", "")
    page.fill(".filters .search", "ir")
    assert page.locator(".rows .run-name a").all_inner_texts() == ["third", "first"]
    page.fill(".filters .search", "")
    page.check("[data-run=first] input")
    page.check("[data-run=second] input")
    page.click("text=Compare the two")
    page.wait_for_selector(".comparison")
    assert "first differ in train" in page.inner_text(".lead")
    assert "1.0 -> 2.0" in page.inner_text("tr.differs:has-text('train')")
    same = page.locator("tr.same th").all_inner_texts()
    assert same == ["load", "clean", "embed", "announce"], "early cutoff: the same text was published"


def test_the_list_of_runs_is_walked_with_the_keys(url, open_page):
    page = open_page(url)
    page.wait_for_selector(".rows .run-row")
    page.keyboard.press("/")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_selector(".run-title")
    assert page.inner_text(".run-title h1") == "third"


@pytest.mark.parametrize("way", WAYS)
def test_time_saved_is_seen_over_the_history(run_page, way):
    page = run_page(way=way)
    page.click(".run-title .kicker a")
    page.wait_for_selector(".tiles")
    tiles = page.inner_text(".tiles")
    assert "Time saved" in tiles
    assert "Runs\n4" in tiles
    assert page.locator(".chart canvas").count() == 3


@pytest.mark.parametrize("width", [1280, 390])
def test_nothing_is_wider_than_the_window(run_page, width):
    page = run_page("fourth", width=width, tail="&step=publish")
    panel_of(page, "publish")
    for view in ("", "#/runs", "#/history?pipeline=scoring", "#/compare?a=first&b=second"):
        if view:
            page.evaluate("view => { location.hash = view }", view)
            page.wait_for_function("view => document.documentElement.dataset.ready === view", arg=view)
        wide = page.evaluate(
            """width => [...document.querySelectorAll('#app *')].filter(one => {
                const box = one.getBoundingClientRect();
                const rooms = '.table-room, .code, .graph, .skip, .uplot';
                return box.width && box.right > width + 1 && !one.closest(rooms);
            }).map(one => `${one.tagName} ${one.className}`)""",
            width,
        )
        assert wide == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view


def test_text_has_enough_contrast_in_both_schemes(url, open_page):
    pairs = [
        ("text", "surface"),
        ("muted", "surface"),
        ("muted", "page"),
        ("muted", "raised"),
        ("text", "artifact"),
    ]
    pairs += [(name, "surface") for name in ("accent", "cached", "failed")]
    page = open_page(url)
    page.wait_for_selector(".rows .run-row")
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        for ink, paper in pairs:
            ratio = page.evaluate(
                """([ink, paper]) => {
                    const shine = name => {
                        const style = getComputedStyle(document.documentElement);
                        const hex = style.getPropertyValue(`--${name}`).trim();
                        const [r, g, b] = [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16) / 255)
                            .map(c => c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
                        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
                    };
                    const [a, b] = [shine(ink), shine(paper)].sort();
                    return (b + 0.05) / (a + 0.05);
                }""",
                [ink, paper],
            )
            assert ratio >= 4.5, f"{ink} on {paper}, {scheme}"


def test_a_run_in_progress_updates(tmp_path, serve, open_page):
    may_end, has_begun = threading.Event(), threading.Event()

    @step(enable_cache=False)
    def waiter() -> int:
        has_begun.set()
        assert may_end.wait(60)
        return 1

    @step
    def after(number: int) -> int:
        return number + 1

    @pipeline
    def waiting():
        after(waiter())

    repository = Repository(tmp_path, metadata=tmp_path / "m.db", artifacts=tmp_path / "a")
    thread = threading.Thread(
        target=lambda: waiting().run(run_name="now", repository=repository), daemon=True
    )
    thread.start()
    try:
        assert has_begun.wait(30)
        page = open_page(f"{serve(repository)}#/run?name=now")
        page.wait_for_selector(".steps a")
        states = page.locator(".steps .step-state").all_inner_texts()
        assert states[0].startswith("running")
        assert states[1] == "waiting"
    finally:
        may_end.set()
        thread.join(30)
    page.wait_for_selector(".run-title .pill-completed")
    states = page.locator(".steps .step-state").all_inner_texts()
    assert [state.split(" ")[0] for state in states] == ["executed", "executed"]
    drawn = page.evaluate(
        "() => document.querySelector('.graph-canvas')._cyreg.cy.nodes('.step').map(n => n.data('status'))"
    )
    assert drawn == ["completed", "completed"]
