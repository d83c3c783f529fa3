"""Graphs as inline SVG in layers, and pages of a notebook around them: static, escaped, for light and dark.

Colours are of middle brightness on the page's own ground, text takes the page's colour, and state is told by
a sign, a word and the border as well. No style sheet and no script: code-hosting sites remove both.
"""

from __future__ import annotations

import html
import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from zencache.visible import shortened, visible

_SIZE = 12  # of the letters, in pixels, as are all lengths here
_LETTER = 6.9  # how wide a letter is at most on average
_LINE = 16
_PADDING = 12
_GAP, _LAYER_GAP = 26, 44
_MAX_LETTERS = 30
_MOST = 200  # boxes; more than that nobody reads
_SWEEPS = 8


@dataclass(frozen=True, slots=True)
class Look:
    """How a state is shown: a sign, a colour, and the dashes of the border."""

    sign: str
    colour: str
    dashes: str = ""
    width: float = 1.5


LOOKS: Mapping[str, Look] = {
    "completed": Look("✓", "#2a9d57"),
    "cached": Look("↻", "#3b82c4", dashes="6 3"),
    "failed": Look("✗", "#d9483b", width=3),
    "running": Look("▶", "#b7791f", dashes="2 2"),
    "canceled": Look("■", "#8a6fb0", dashes="10 3"),
    "skipped": Look("○", "#858585", dashes="1 4"),
    "HIT": Look("↻", "#3b82c4", dashes="6 3"),
    "MISS": Look("▶", "#b7791f"),
    "UNKNOWN": Look("?", "#858585", dashes="1 4"),
    "SKIP": Look("○", "#858585", dashes="1 4"),
    "": Look("", "#858585"),
}


@dataclass(frozen=True, slots=True)
class Box:
    """One box of a graph.

    Args:
        name: by which arrows mean it.
        lines: what stands in it; the first is its title. Long ones are shortened, and whole in ``about``.
        state: one of :data:`LOOKS`, said in words in one of the lines.
        about: what a pointer that rests on it is told.
        is_round: for data; steps are angular.
        is_marked: whether it is the one that was asked about.
    """

    name: str
    lines: Sequence[str]
    state: str = ""
    about: str = ""
    is_round: bool = False
    is_marked: bool = False


@dataclass(frozen=True, slots=True)
class _Place:
    """A box, or the bend of an arrow that crosses a layer, with its middle."""

    x: float
    y: float
    width: float
    height: float


def graph(boxes: Sequence[Box], arrows: Iterable[tuple[str, str]], *, label: str) -> str:
    """A graph as an SVG element, from the top to the bottom.

    Args:
        boxes: in the order in which they are placed where nothing else decides.
        arrows: pairs of names of boxes; those of a circle are drawn backwards.
        label: what the picture shows, for who cannot see it.
    """
    if len(boxes) > _MOST:
        return f"<p>{len(boxes)} boxes are too many to draw.</p>"
    known = {box.name for box in boxes}
    pairs = [pair for pair in dict.fromkeys(arrows) if pair[0] in known and pair[1] in known]
    sizes = {box.name: _size_of(box) for box in boxes}
    places, bends = _layout([box.name for box in boxes], pairs, sizes)
    right = [place.x + place.width / 2 for place in places.values()]
    width = max([*right, *(x + 4 for chain in bends.values() for x, _ in chain)], default=0) + 4
    height = max((place.y + place.height / 2 for place in places.values()), default=0) + 4
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" role="img" aria-label="{escaped(label)}" '
        f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}" '
        f'font-family="system-ui, sans-serif" font-size="{_SIZE}" fill="currentColor" '
        'style="max-width:100%;height:auto">'
    ]
    parts += [_arrow(places, bends, pair) for pair in pairs]
    parts += [_box(box, places[box.name]) for box in boxes]
    return "".join([*parts, "</svg>"])


def page(title: str, facts: Iterable[str], *parts: str) -> str:
    """A drawing below its title and the facts that are known of it. The parts are HTML, all else is text."""
    told = " · ".join(escaped(fact) for fact in facts if fact)
    below = f'<div style="opacity:.75;font-size:.9em;margin-bottom:.6em">{told}</div>' if told else ""
    head = f'<div style="font-weight:600;margin:.2em 0">{escaped(title)}</div>'
    return f'<div style="overflow-x:auto">{head}{below}{"".join(parts)}</div>'


def table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A table of texts."""
    left = ' style="text-align:left;vertical-align:top;padding:2px 16px 2px 2px"'
    head = "".join(f"<th{left}>{escaped(column)}</th>" for column in columns)
    body = "".join(
        "<tr>" + "".join(f"<td{left}>{escaped(cell)}</td>" for cell in row) + "</tr>" for row in rows
    )
    heading = f"<thead><tr>{head}</tr></thead>" if columns else ""
    return f"<table>{heading}<tbody>{body}</tbody></table>"


def state_text(state: str) -> str:
    """A state as a sign and a word."""
    return f"{LOOKS[state].sign} {state}".strip() if state in LOOKS else state


def escaped(text: str) -> str:
    return html.escape(visible(text))


# -- boxes and arrows


def _shown_lines(box: Box) -> list[str]:
    return [shortened(visible(line), _MAX_LETTERS) for line in box.lines if line]


def _size_of(box: Box) -> tuple[float, float]:
    lines = _shown_lines(box)
    letters = max((sum(2 if ord(c) > 0x2E7F else 1 for c in line) for line in lines), default=1)
    return letters * _LETTER + 2 * _PADDING, len(lines) * _LINE + _PADDING


def _box(box: Box, place: _Place) -> str:
    look = LOOKS.get(box.state, LOOKS[""])
    left, top = place.x - place.width / 2, place.y - place.height / 2
    radius = min(place.height / 2, 16) if box.is_round else 4
    dashes = f' stroke-dasharray="{look.dashes}"' if look.dashes else ""
    lines = _shown_lines(box)
    first = place.y - (len(lines) - 1) * _LINE / 2 + _SIZE * 0.36
    texts = "".join(
        f'<text x="{place.x:.1f}" y="{first + number * _LINE:.1f}" text-anchor="middle"'
        + (' font-weight="600"' if number == 0 else ' fill-opacity=".8" font-size="11"')
        + f">{html.escape(line)}</text>"
        for number, line in enumerate(lines)
    )
    about = "\n".join(visible(line) for line in [*box.lines, *box.about.split("\n")] if line)
    border = 3 if box.is_marked else look.width
    return (
        f"<g><title>{html.escape(about)}</title>"
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{place.width:.1f}" height="{place.height:.1f}" '
        f'rx="{radius:.0f}" fill="{look.colour}" fill-opacity="{0.22 if box.is_marked else 0.1}" '
        f'stroke="{look.colour}" stroke-width="{border}"{dashes}/>{texts}</g>'
    )


def _arrow(
    places: Mapping[str, _Place],
    bends: Mapping[tuple[str, str], Sequence[tuple[float, float]]],
    pair: tuple[str, str],
) -> str:
    source, target = places[pair[0]], places[pair[1]]
    side = 1 if source.y <= target.y else -1
    start = (source.x, source.y + side * source.height / 2)
    end = (target.x, target.y - side * (target.height / 2 + 5))
    if pair[0] == pair[1]:
        right = source.x + source.width / 2
        path = f"M{right:.1f} {source.y - 6:.1f}c24 -14 24 26 3 13"
        head = f"M{right + 1:.1f} {source.y + 4:.1f}l9 -1l-4 8z"
        return _drawn(path, head)
    points = [start, *bends.get(pair, ()), end]
    path = f"M{start[0]:.1f} {start[1]:.1f}"
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        middle = (y0 + y1) / 2
        path += f"C{x0:.1f} {middle:.1f} {x1:.1f} {middle:.1f} {x1:.1f} {y1:.1f}"
    x, y = end
    head = f"M{x - 4:.1f} {y - side * 2:.1f}h8l-4 {side * 7}z"
    return _drawn(path, head)


def _drawn(path: str, head: str) -> str:
    return (
        f'<path d="{path}" fill="none" stroke="currentColor" stroke-opacity=".55" stroke-width="1.3"/>'
        f'<path d="{head}" fill-opacity=".55"/>'
    )


# -- layout: layers, order within them, and places (Sugiyama, Tagawa, Toda: Methods for Visual
# Understanding of Hierarchical System Structures, 1981)


def _layout(
    names: Sequence[str], pairs: Sequence[tuple[str, str]], sizes: Mapping[str, tuple[float, float]]
) -> tuple[dict[str, _Place], dict[tuple[str, str], list[tuple[float, float]]]]:
    """The place of each box, and the bends of each arrow that crosses layers."""
    forward = _without_circles(names, pairs)
    layer_of = _layers(names, forward)
    widths = {name: size[0] for name, size in sizes.items()}
    layers: list[list[str]] = [[] for _ in range(max(layer_of.values(), default=-1) + 1)]
    for name in names:
        layers[layer_of[name]].append(name)
    links: list[tuple[str, str]] = []
    chains: dict[tuple[str, str], list[str]] = {}
    for number, (source, target) in enumerate(forward):
        chain = [f"\0{number}/{layer}" for layer in range(layer_of[source] + 1, layer_of[target])]
        for layer, bend in enumerate(chain, start=layer_of[source] + 1):
            layers[layer].append(bend)
            widths[bend] = 8
        links += zip([source, *chain], [*chain, target], strict=True)
        chains[source, target] = chain
    above, below = _neighbours(links)
    _order(layers, above, below)
    x = _columns(layers, widths, above, below)
    y: dict[str, float] = {}
    top = 4.0
    for row in layers:
        height = max(sizes[name][1] for name in row if name in sizes)
        y.update(dict.fromkeys(row, top + height / 2))
        top += height + _LAYER_GAP
    places = {name: _Place(x[name], y[name], *sizes[name]) for name in names}
    bends = {pair: [(x[bend], y[bend]) for bend in chain] for pair, chain in chains.items()}
    for pair in pairs:
        if pair not in bends and pair[::-1] in bends:
            bends[pair] = bends[pair[::-1]][::-1]
    return places, bends


def _without_circles(names: Sequence[str], pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """The arrows, those turned round that lead back to where a walk came from; loops are left out."""
    after: dict[str, list[str]] = {name: [] for name in names}
    for source, target in pairs:
        after[source].append(target)
    forward: dict[tuple[str, str], None] = {}
    open_, closed = set[str](), set[str]()
    # Walks begin where nothing leads to, so that what is drawn on top is where things begin.
    led_to = {target for _, target in pairs}
    for root in [*(n for n in names if n not in led_to), *names]:
        if root in closed:
            continue
        stack = [(root, iter(after[root]))]
        open_.add(root)
        while stack:
            name, rest = stack[-1]
            target = next(rest, "")
            if not target:
                stack.pop()
                open_.discard(name)
                closed.add(name)
            elif target in open_:
                if target != name:
                    forward[target, name] = None
            else:
                forward[name, target] = None
                if target not in closed:
                    open_.add(target)
                    stack.append((target, iter(after[target])))
    return list(forward)


def _layers(names: Sequence[str], forward: Sequence[tuple[str, str]]) -> dict[str, int]:
    """Each one layer below the lowest that leads to it."""
    after: dict[str, list[str]] = {name: [] for name in names}
    waits = dict.fromkeys(names, 0)
    for source, target in forward:
        after[source].append(target)
        waits[target] += 1
    layer = dict.fromkeys(names, 0)
    ready = [name for name in names if not waits[name]]
    while ready:
        name = ready.pop()
        for target in after[name]:
            layer[target] = max(layer[target], layer[name] + 1)
            waits[target] -= 1
            if not waits[target]:
                ready.append(target)
    return layer


def _neighbours(links: Iterable[tuple[str, str]]) -> tuple[dict[str, list[str]], dict[str, list[str]]]:
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for source, target in links:
        above.setdefault(target, []).append(source)
        below.setdefault(source, []).append(target)
    return above, below


def _order(
    layers: list[list[str]], above: Mapping[str, Sequence[str]], below: Mapping[str, Sequence[str]]
) -> None:
    """Sort each layer by the middle of its neighbours, down and up in turns, so that fewer arrows cross."""
    for sweep in range(_SWEEPS):
        is_down = sweep % 2 == 0
        neighbours = above if is_down else below
        for index in range(1, len(layers)) if is_down else range(len(layers) - 2, -1, -1):
            fixed = {name: i for i, name in enumerate(layers[index - 1 if is_down else index + 1])}
            own = {name: i for i, name in enumerate(layers[index])}
            middles = {
                name: sum(fixed[n] for n in near) / len(near) if (near := neighbours.get(name)) else i
                for name, i in own.items()
            }
            layers[index].sort(key=lambda name, m=middles, o=own: (m[name], o[name]))  # type: ignore[misc]


def _columns(
    layers: Sequence[Sequence[str]],
    widths: Mapping[str, float],
    above: Mapping[str, Sequence[str]],
    below: Mapping[str, Sequence[str]],
) -> dict[str, float]:
    """Where the middle of each name stands: near its neighbours, and apart from those beside it."""
    x: dict[str, float] = {}
    for layer in layers:
        _spread(x, layer, widths, dict.fromkeys(layer, 0.0))
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 == 0 else reversed(layers):
            near = {name: [*above.get(name, ()), *below.get(name, ())] for name in layer}
            wanted = {n: sum(x[o] for o in near[n]) / len(near[n]) if near[n] else x[n] for n in layer}
            _spread(x, layer, widths, wanted)
    left = min((x[name] - widths[name] / 2 for layer in layers for name in layer), default=0.0)
    return {name: place - left + 4 for name, place in x.items()}


def _spread(
    x: dict[str, float], layer: Sequence[str], widths: Mapping[str, float], wanted: Mapping[str, float]
) -> None:
    """The places nearest to those wanted, by least squares, that keep the order and the gaps.

    Without the gaps before it, each name has a place of its own; names whose places are then in the wrong
    order share their mean (the pool-adjacent-violators algorithm).
    """
    offsets: list[float] = []
    for index, name in enumerate(layer):
        before = layer[index - 1] if index else name
        gap = (widths[before] + widths[name]) / 2 + _GAP if index else 0.0
        offsets.append((offsets[-1] if offsets else 0.0) + gap)
    pools: list[tuple[float, int]] = []
    for name, offset in zip(layer, offsets, strict=True):
        mean, count = wanted[name] - offset, 1
        while pools and pools[-1][0] > mean:
            other, size = pools.pop()
            mean, count = (mean * count + other * size) / (count + size), count + size
        pools.append((mean, count))
    means = [mean for mean, count in pools for _ in range(count)]
    x.update({name: mean + offset for name, mean, offset in zip(layer, means, offsets, strict=True)})
