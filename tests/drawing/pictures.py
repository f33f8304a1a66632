"""What must hold for every picture, read from its SVG: nothing overlaps, no text is clipped."""

import re
from itertools import combinations, pairwise
from xml.etree import ElementTree

from autotensor.drawing.measure import BOLD, text_width

SVG = "{http://www.w3.org/2000/svg}"
_SAMPLES = 12  # points that are looked at on every curve
_SLACK = 0.3  # coordinates are rounded


def parse(document):
    """The boxes of a picture, each a group, and its paths as lists of points."""
    root = ElementTree.fromstring(document)
    graph = root.find(f"{SVG}g")
    boxes = graph.find(f"{SVG}g[@text-anchor]")
    lines = [
        points(path.get("d"))
        for group in graph.findall(f"{SVG}g[@stroke]")
        for path in group.findall(f"{SVG}path")
    ]
    return root, list(boxes), lines


def points(d):
    """Many points on a path of the commands M, V and C."""
    found = []
    for command, numbers in re.findall(r"([MVC])([-0-9. ]+)", d):
        values = list(map(float, numbers.split()))
        if command == "M":
            found.append(tuple(values))
        elif command == "V":
            x, y = found[-1]
            steps = max(2, int(abs(values[0] - y) / 8))
            found += [(x, y + (values[0] - y) * i / steps) for i in range(1, steps + 1)]
        else:
            start = found[-1]
            a, b, end = (values[i : i + 2] for i in (0, 2, 4))
            for i in range(1, _SAMPLES + 1):
                t = i / _SAMPLES
                weights = (1 - t) ** 3, 3 * t * (1 - t) ** 2, 3 * t * t * (1 - t), t**3
                found.append(
                    tuple(
                        sum(w * p[axis] for w, p in zip(weights, (start, a, b, end), strict=True))
                        for axis in (0, 1)
                    )
                )
    return found


def extent(box):
    """Left, top, right and bottom of all that belongs to a box."""
    rects = [
        [float(r.get(k)) for k in ("x", "y", "width", "height")] for r in box.iter(f"{SVG}rect")
    ]
    return (
        min(x for x, _, _, _ in rects),
        min(y for _, y, _, _ in rects),
        max(x + width for x, _, width, _ in rects),
        max(y + height for _, y, _, height in rects),
    )


def check(document):
    """Look at a picture as a reader would."""
    root, boxes, lines = parse(document)
    _, _, width, height = map(float, root.get("viewBox").split())
    left, top = map(float, root.find(f"{SVG}g").get("transform")[10:-1].split())
    extents = list(map(extent, boxes))
    for box, (x0, y0, x1, y1) in zip(boxes, extents, strict=True):
        assert left + x0 >= 10
        assert top + y0 >= 10
        assert left + x1 <= width - 10
        assert top + y1 <= height - 10
        front = [r for r in box.iter(f"{SVG}rect") if r.get("stroke-width") != "0.5"][-1]
        fx, fy, fw, fh = (float(front.get(k)) for k in ("x", "y", "width", "height"))
        baselines = []
        for text in box.iter(f"{SVG}text"):
            size = float(text.get("font-size"))
            wide = text_width(text.text or "", size) * (BOLD if text.get("font-weight") else 1)
            x, y = float(text.get("x")), float(text.get("y"))
            assert fx + 6 <= x - wide / 2
            assert x + wide / 2 <= fx + fw - 6
            assert fy + 2 <= y - 0.8 * size
            assert y + 0.2 * size <= fy + fh - 2
            baselines.append(y)
        assert all(b - a >= 14 for a, b in pairwise(baselines))
    for a, b in combinations(extents, 2):
        assert a[2] + 10 < b[0] or b[2] + 10 < a[0] or a[3] + 10 < b[1] or b[3] + 10 < a[1]
    for line in lines:
        for x, y in line:
            for x0, y0, x1, y1 in extents:
                inside = x0 + _SLACK < x < x1 - _SLACK and y0 + _SLACK < y < y1 - _SLACK
                assert not inside, (line[0], line[-1], (x, y), (x0, y0, x1, y1))
            assert -left <= x <= width - left
    foot = root.findall(f"{SVG}g")[1]
    right = float(foot.get("transform")[10:-1].split()[0])
    for entry in foot.findall(f"{SVG}g"):
        x = right + float(entry.get("transform")[10:-1].split()[0])
        for text in entry.iter(f"{SVG}text"):
            assert x + float(text.get("x", 0)) + text_width(text.text, 11) <= width
    assert right + text_width(foot.findall(f"{SVG}text")[-1].text, 11) <= width
