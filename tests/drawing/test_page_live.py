"""The page in a browser: folded, unfolded, stepped through, searched, moved, and read.

Needs Chromium, or the browser that AUTOTENSOR_CHROMIUM names; without one the tests are skipped.
"""

import json
import os
import random
import shutil
import subprocess
from urllib.parse import unquote

import numpy as np
import pytest

import autotensor as at
from autotensor.drawing.data import edges_of
from autotensor.drawing.labels import clean
from autotensor.drawing.page import page
from tests.drawing.page_samples import Builder, chain, network, scattered, small, with_backward
from tests.drawing.test_page import HOSTILE, Reader

BROWSER = next(
    filter(
        None,
        [
            os.environ.get("AUTOTENSOR_CHROMIUM"),
            *map(shutil.which, ("chromium", "chromium-browser", "google-chrome", "chrome")),
        ],
    ),
    None,
)
pytestmark = [
    pytest.mark.deep,
    pytest.mark.skipif(
        BROWSER is None,
        reason="no Chromium found; install one or name it in AUTOTENSOR_CHROMIUM",
    ),
]

# What every test script can use; what it puts into `report` comes back.
HELPERS = """
const report = {};
const one = (selector) => document.querySelector(selector);
const all = (selector) => [...document.querySelectorAll(selector)];
const box = (key) => all(".box").find((b) => b.dataset.key === key);
const keys = () => all(".box").map((b) => b.dataset.key);
const titles = () => all(".box .title").map((t) => t.textContent);
const click = (element) => element.dispatchEvent(new MouseEvent("click", { bubbles: true }));
const hover = (element) =>
  element.dispatchEvent(new PointerEvent("pointerover", { bubbles: true }));
const press = (key, on = document.body) =>
  on.dispatchEvent(new KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
const pointer = (type, x, y, pointerId = 1) => one("#picture").dispatchEvent(
  new PointerEvent(type, { clientX: x, clientY: y, pointerId, bubbles: true }));
const input = (element, value) => {
  element.value = value;
  element.dispatchEvent(new Event("input", { bubbles: true }));
};
const tree = (path) => all("#tree button").find((b) => b.dataset.path === path);
const view = () => ["zoom", "x", "y"].map((name) => Number(one("#picture").dataset[name]));
const centre = (key) => {
  const r = box(key).querySelector(".shape").getBoundingClientRect();
  return [r.left + r.width / 2, r.top + r.height / 2];
};
/** What is wrong with the picture: boxes that overlap, text that is outside of its box. */
const faults = () => {
  const found = [];
  const place = (b) => b.querySelector(".shape").getBoundingClientRect();
  const rects = all(".box").map((b) => [b.dataset.key, place(b)]);
  rects.sort((a, b) => a[1].top - b[1].top);
  rects.forEach(([key, a], i) => {
    for (let j = i + 1; j < rects.length && rects[j][1].top < a.bottom; j++) {
      const b = rects[j][1];
      if (a.left < b.right && b.left < a.right) found.push(`${key} overlaps ${rects[j][0]}`);
    }
  });
  for (const b of all(".box")) {
    const width = Number(b.querySelector(".shape").getAttribute("width"));
    for (const t of b.querySelectorAll("text")) {
      if (t.getComputedTextLength() > width - 8) found.push(`${t.textContent} is clipped`);
    }
  }
  return found;
};
"""


@pytest.fixture
def live(tmp_path):
    """Runs a script in the page of a graph; returns its report and the document at the end."""

    def run(script, vertices, steps=(), **more):
        document = page(vertices, edges_of(vertices), "the caption", steps, **more)
        test = f"""<script>{{ {HELPERS}
            try {{ {script} }} catch (error) {{ report.error = String(error.stack); }}
            const said = document.createElement("pre");
            said.id = "report";
            said.textContent = encodeURIComponent(JSON.stringify(report));
            document.body.append(said); }}</script>"""
        file = tmp_path / "page.html"
        file.write_text(document.replace("</body>", f"{test}</body>"), encoding="utf-8")
        command = [
            BROWSER,
            "--headless",
            "--no-sandbox",
            "--disable-gpu",
            f"--user-data-dir={tmp_path / 'profile'}",
            "--window-size=1200,900",
            "--dump-dom",
            file.as_uri(),
        ]
        done = subprocess.run(command, capture_output=True, check=True, timeout=300)
        dom = Reader(done.stdout.decode("utf-8"))
        report = json.loads(unquote(dom.texts["report"]))
        assert report.pop("error", None) is None
        return report, dom

    return run


def test_labels_of_the_drawn_boxes(live):
    report, _ = live("report.titles = titles(); report.faults = faults();", small())
    names = ["x", *["weight", "bias", "inner", "add"] * 2, "h = tanh", "target", "subtract"]
    assert sorted(report["titles"]) == sorted([*names, "multiply", "loss = mean"])
    assert report["faults"] == []


def texts(count):
    """Names of all kinds of characters, among them what means something in HTML."""
    draw = random.Random(5)
    ranges = [(1, 0x7F), (0x80, 0x2FF), (0x370, 0x20FF), (0x2FF0, 0xD7FF), (0xE000, 0x1FAFF)]
    signs = "<>&\"'/!-=`${}\\ \u2028\u202e"
    for _ in range(count):
        length = draw.randrange(1, 30)
        yield "".join(
            draw.choice(signs) if draw.random() < 0.4 else chr(draw.randint(*draw.choice(ranges)))
            for _ in range(length)
        )


def test_any_text_is_itself_in_the_document_and_comes_alive_nowhere(live):
    names = [HOSTILE, "<img src=x onerror=alert(1)>", "&lt;b&gt;", "${1+1}", *texts(300)]
    net = Builder()
    ids = [net.add("leaf", name, scope=name, line=name, shape=(1,)) for name in names]
    net.op("concatenate", *ids)
    script = """
        report.folded = titles();
        click(one("#unfold-all"));
        report.titles = titles();
        report.tags = [...new Set(all("*").map((e) => e.localName))];
        report.handlers = all("*").flatMap((e) => e.getAttributeNames())
          .filter((name) => name.startsWith("on") || name.includes("href"));
        report.faults = faults();
    """
    report, dom = live(script, net.finish(), max_nodes=2)
    assert sorted(report["titles"]) == sorted([*(clean(n) or "leaf" for n in names), "concatenate"])
    assert report["handlers"] == report["faults"] == []
    plain, _ = live("report.tags = [...new Set(all('*').map((e) => e.localName))];", network(3))
    assert set(report["tags"]) <= set(plain["tags"]) | {"dl", "dt", "dd"}
    assert not {"img", "iframe", "b"} & set(dom.tags)


def test_folding(live):
    script = """
        const state = (name) => { report[name] = titles(); report.faults.push(...faults()); };
        report.faults = [];
        state("first");
        const before = centre("fold blocks");
        click(box("fold blocks"));
        state("opened");
        report.expanded = tree("blocks").getAttribute("aria-expanded");
        report.kept = centre("fold blocks/0").map((c, i) => Math.abs(c - before[i]));
        click(tree("blocks/1"));
        click(box("fold blocks/1/attention"));
        state("inner");
        click(tree("blocks"));
        state("again");
        click(one("#unfold-all"));
        report.all = keys().length;
        report.folds = document.body.dataset.folded;
        report.faults.push(...faults());
        click(one("#fold-all"));
        state("none");
    """
    vertices = network(24)
    report, _ = live(script, vertices)
    assert report["faults"] == []
    assert "blocks \u00d7 24" in report["first"]
    assert [f"blocks/{i}" for i in range(24)] == sorted(
        (t for t in report["opened"] if t.startswith("blocks/")), key=lambda t: int(t[7:])
    )
    assert report["expanded"] == "true"
    assert {"blocks/0", "blocks/1/mlp", "softmax"} <= set(report["inner"])
    assert sorted(report["again"]) == sorted(report["first"])
    assert max(report["kept"]) < 2
    assert report["all"] == len(vertices)
    assert report["folds"] == "0"
    assert {"embedding", "blocks \u00d7 24", "head", "loss = mean"} <= set(report["none"])


def test_a_folded_scope_that_is_left_and_entered_again(live):
    net = Builder()
    x = net.add("constant", "x")
    for i in range(5):
        x = net.op("tanh", net.dense(x, "cell"), name=f"h{i}")
    script = """
        click(one("#fold-all"));
        report.titles = titles();
        report.faults = faults();
        report.edges = all(".edge").length;
    """
    vertices, steps = with_backward(net.finish())
    report, _ = live(script, vertices, steps)
    assert report["faults"] == []
    assert {"cell", "backward of cell", "h4 = tanh"} <= set(report["titles"])


@pytest.mark.parametrize(
    "vertices",
    [
        scattered(),
        scattered(400, seed=1),
        network(24),
        with_backward(small())[0],
        with_backward(network(3))[0],
        with_backward(scattered(60))[0],
    ],
    ids=["scattered", "large", "network", "backward", "backward-network", "backward-scattered"],
)
def test_nothing_overlaps_in_any_state(live, vertices):
    script = """
        report.faults = faults();
        for (let i = 0; i < 6; i++) {
          const folds = all(".box.folded");
          if (!folds.length) break;
          click(folds[(i * 7) % folds.length]);
          report.faults.push(...faults());
        }
        click(one("#unfold-all"));
        report.faults.push(...faults());
        report.boxes = Number(document.body.dataset.boxes);
    """
    report, _ = live(script, vertices)
    assert report == {"faults": [], "boxes": len(vertices)}


def test_steps(live):
    vertices, steps = with_backward(small())
    script = """
        const seen = () => all(".box[data-pass='backward']:not(.later)").map((b) => b.dataset.key);
        const state = (name) => { report[name] = {
          lit: all(".lit").map((b) => b.dataset.key), seen: seen(),
          text: one("#step-text").textContent, step: document.body.dataset.step,
        }; };
        state("start");
        input(one("#step"), "3");
        state("third");
        click(one("#step-on"));
        state("fourth");
        press("ArrowRight");
        press("ArrowLeft");
        press("ArrowLeft");
        state("back");
        input(one("#step"), one("#step").max);
        state("last");
        report.disabled = [one("#step-back").disabled, one("#step-on").disabled];
        report.hidden = all(".edge.later").length;
        input(one("#step"), "1");
        report.shown = all(".edge.backward:not(.later)").length;
        click(one("#fold-all"));
        input(one("#step"), "7");
        state("folded");
    """
    report, _ = live(script, vertices, steps)
    seed = next(v.id for v in vertices if v.of)

    def made(count):
        return {f"vertex {id}" for step in steps[:count] for id in step.made} | {f"vertex {seed}"}

    everything = {f"vertex {v.id}" for v in vertices if v.of}
    assert set(report["start"]["seen"]) == everything == made(len(steps))
    assert report["start"]["lit"] == []
    for name, count in {"third": 3, "fourth": 4, "back": 3, "last": len(steps)}.items():
        state, step = report[name], steps[count - 1]
        assert state["step"] == str(count)
        assert state["lit"] == [f"vertex {step.id}"]
        assert set(state["seen"]) == made(count)
        assert f"Step {count} of {len(steps)}" in state["text"]
        for pulled in step.outgoing:
            assert f"rule for {pulled.argument}{pulled.rule}" in state["text"]
        assert "incoming cotangent(" in state["text"]
    assert report["disabled"] == [False, True]
    assert report["hidden"] == 0
    assert report["shown"] == 1  # from the seed to what the first rule made
    assert report["folded"]["lit"] == ["fold model"]


def test_details_by_pointer_focus_and_click(live):
    vertices = list(small())
    h = next(v for v in vertices if v.name == "h")
    vertices[h.id - 1] = h._replace(bad="1 NaN of 128 at [0, 3]", line="model.py:7")
    script = f"""
        const panel = one("#details");
        const h = box("vertex {h.id}");
        hover(h);
        report.details = panel.textContent;
        report.operands = all(".box.operand").map((b) => b.dataset.key);
        report.users = all(".box.user").map((b) => b.dataset.key);
        report.edges = all(".edge.operand, .edge.user").length;
        one("#picture").dispatchEvent(new PointerEvent("pointerleave"));
        report.left = panel.dataset.key;
        click(h);
        one("#picture").dispatchEvent(new PointerEvent("pointerleave"));
        report.selected = [panel.dataset.key, document.body.dataset.selected];
        box("vertex 1").focus();
        report.focused = panel.dataset.key;
        press("Enter", box("vertex 1"));
        report.entered = document.body.dataset.selected;
        click(all("#details button.go").find((b) => b.textContent.includes("inner")));
        report.went = panel.textContent;
        report.rings = all(".ring.first").map((r) => r.parentNode.dataset.key);
        report.names = all(".box").map((b) => b.getAttribute("aria-label"));
    """
    report, _ = live(script, vertices)
    for words in (
        f"#{h.id} h = tanh",
        "shape(8, 16)",
        "dtypefloat64",
        "not finite1 NaN of 128 at [0, 3]",
        "linemodel.py:7",
        "kept for backward1.0 KB",
        "scopemodel",
    ):
        assert words in report["details"]
    assert report["operands"] == [f"vertex {a}" for a in h.arguments]
    users = [v.id for v in vertices if h.id in v.arguments]
    assert report["users"] == [f"vertex {id}" for id in users]
    assert report["edges"] == len(h.arguments) + len(users)
    assert report["left"] == ""
    assert report["selected"] == [f"vertex {h.id}"] * 2
    assert report["focused"] == report["entered"] == "vertex 1"
    assert "inner" in report["went"]
    assert report["rings"] == [f"vertex {h.id}"]
    assert "h = tanh, (8, 16), 1 NaN of 128 at [0, 3], not finite" in report["names"]


def test_search_finds_what_is_folded(live):
    script = """
        const search = one("#search");
        input(search, "SOFTMAX");
        report.found = one("#found").textContent;
        report.folds = all(".box.match").map((b) => b.dataset.key);
        press("Enter", search);
        report.at = one("#found").textContent;
        report.selected = document.body.dataset.selected;
        press("Enter", search);
        report.second = document.body.dataset.selected;
        input(search, "no such thing");
        report.nothing = [one("#found").textContent, all(".box.match").length];
        input(search, "");
        report.cleared = [one("#found").textContent, one(".searching")];
        press("-", search);
        press("/");
        report.focus = document.activeElement.id;
    """
    vertices = network(5)
    report, _ = live(script, vertices)
    ids = [v.id for v in vertices if v.op == "softmax"]
    assert report["found"] == "5 found"
    assert report["folds"] == ["fold blocks"]
    assert report["at"] == "1 of 5 found"
    assert [report["selected"], report["second"]] == [f"vertex {id}" for id in ids[:2]]
    assert report["nothing"] == ["0 found", 0]
    assert report["cleared"] == ["", None]
    assert report["focus"] == "search"


def test_pan_and_zoom(live):
    script = """
        const svg = one("#picture");
        report.start = view();
        pointer("pointerdown", 100, 100);
        pointer("pointermove", 150, 130);
        pointer("pointerup", 150, 130);
        report.dragged = view();
        click(box("vertex 1"));
        report.unselected = document.body.dataset.selected;
        const at = centre("vertex 3");
        svg.dispatchEvent(new WheelEvent("wheel",
          { deltaY: -100, clientX: at[0], clientY: at[1], cancelable: true, bubbles: true }));
        report.wheel = view();
        report.moved = centre("vertex 3").map((c, i) => Math.abs(c - at[i]));
        click(one("#zoom-in"));
        report.button = view();
        press("-");
        press("-");
        report.keys = view();
        press("ArrowDown");
        report.down = view();
        pointer("pointerdown", 300, 300, 1);
        pointer("pointerdown", 400, 300, 2);
        pointer("pointermove", 500, 300, 2);
        report.pinch = view();
        pointer("pointerup", 300, 300, 1);
        pointer("pointerup", 500, 300, 2);
        click(one("#fit"));
        const inner = one("#moved").getBoundingClientRect();
        const outer = svg.getBoundingClientRect();
        report.fits = inner.left >= outer.left && inner.right <= outer.right
          && inner.top >= outer.top && inner.bottom <= outer.bottom;
    """
    report, _ = live(script, small())
    zoom, x, y = report["start"]
    assert report["dragged"] == pytest.approx([zoom, x + 50, y + 30])
    assert report["unselected"] == ""  # the end of a drag is no click
    assert report["wheel"][0] > zoom
    assert max(report["moved"]) < 1
    assert report["button"][0] == pytest.approx(report["wheel"][0] * 1.25, rel=1e-3)
    assert report["keys"][0] == pytest.approx(report["wheel"][0] / 1.25, rel=1e-3)
    assert report["down"][2] == pytest.approx(report["keys"][2] - 60)
    assert report["pinch"][0] == pytest.approx(report["down"][0] * 2, rel=1e-3)
    assert report["fits"]


def test_large_graphs_start_small(live):
    script = """
        report.boxes = Number(document.body.dataset.boxes);
        report.faults = faults();
        click(all(".box.folded")[3]);
        report.opened = Number(document.body.dataset.boxes);
        click(one("#unfold-all"));
        report.most = Number(document.body.dataset.boxes);
        report.said = one("#status").textContent;
    """
    report, _ = live(script, chain(10_000))
    assert report["boxes"] == 100
    assert report["opened"] == 199
    assert report["faults"] == []
    assert 2900 < report["most"] <= 3000
    assert "No more than 3,000 boxes are drawn" in report["said"]


def test_depth_limits_what_is_unfolded_at_first(live):
    report, _ = live("report.titles = titles();", network(2), depth=1)
    assert {"blocks/0", "blocks/1"} <= set(report["titles"])
    assert "blocks/0/attention" not in report["titles"]
    report, _ = live("report.titles = titles();", network(2), depth=0)
    assert {"embedding", "blocks", "head"} <= set(report["titles"])


def test_the_focus_is_unfolded_and_selected_at_first(live):
    vertices = network(5)
    (focus, *_) = (v.id for v in vertices if v.op == "softmax")
    script = """
        const r = box(document.body.dataset.selected).getBoundingClientRect();
        report.at = [r.left + r.width / 2, r.top + r.height / 2];
        report.key = one("#details").dataset.key;
    """
    report, _ = live(script, vertices, focus=focus)
    assert report["key"] == f"vertex {focus}"
    assert 0 < report["at"][0] < 900
    assert 40 < report["at"][1] < 850


def test_nothing_to_draw(live):
    report, _ = live("report.boxes = keys();", ())
    assert report["boxes"] == []


def test_the_backward_pass_of_a_real_model(live):
    x, y = at.tensor(np.ones((8, 3)), name="x"), at.tensor(np.zeros((8, 2)), name="y")
    model = at.nn.Sequential(at.nn.Dense(3, 4), at.nn.Relu(), at.nn.Dense(4, 2))
    g = at.graph(np.mean((model(x) - y) ** 2), backward=True)
    script = """
        report.open = all(".box").length;
        click(one("#fold-all"));
        report.folded = all(".box").length;
        report.names = all(".box title").map((t) => t.textContent);
        click(one("#unfold-all"));
        report.unfolded = all(".box").length;
        report.faults = faults();
        report.texts = [];
        for (let k = 1; k <= Number(one("#step").max); k++) {
          input(one("#step"), String(k));
          report.texts.push(one("#step-text").textContent);
        }
    """
    report, _ = live(script, g.nodes, g.steps())
    assert report["open"] == report["unfolded"] == len(g.nodes) > report["folded"]
    assert report["faults"] == []
    steps = list(g.steps())
    assert len(report["texts"]) == len(steps)
    for step, text in zip(steps, report["texts"], strict=True):
        assert "incoming cotangent(" in text
        for pulled in step.outgoing:
            assert f"rule for {pulled.argument}{pulled.rule}" in text
