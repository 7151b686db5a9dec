# Licensed to the Apache Software Foundation (ASF) under one
# or more contributor license agreements.  See the NOTICE file
# distributed with this work for additional information
# regarding copyright ownership.  The ASF licenses this file
# to you under the Apache License, Version 2.0 (the
# "License"); you may not use this file except in compliance
# with the License.  You may obtain a copy of the License at
#
#   http://www.apache.org/licenses/LICENSE-2.0
#
# Unless required by applicable law or agreed to in writing,
# software distributed under the License is distributed on an
# "AS IS" BASIS, WITHOUT WARRANTIES OR CONDITIONS OF ANY
# KIND, either express or implied.  See the License for the
# specific language governing permissions and limitations
# under the License.
"""Draws boxes and arrows as SVG, for a light page and for a dark one. Text stays text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from html import escape

#: CSS pixels. On a phone a picture of 480 pixels has two thirds of its size.
FONT_SIZE, LINE_HEIGHT, CORNER, MARGIN = 17, 22, 8, 4
#: What each kind of box is filled and framed with, and what else has a colour, by the page's scheme.
LIGHT = {
    "page": "#ffffff", "text": "#1f2328", "line": "#57606a",
    "airflow": "#e7f3ff #017cee", "aws": "#fff4e0 #d97a00", "good": "#e4f7e9 #00893b", "bad": "#fdeaea #cf222e",
    "group": "none #8c959f",
}  # fmt: skip
DARK = {
    "page": "#0d1117", "text": "#e6edf3", "line": "#9aa4af",
    "airflow": "#0c2d4d #4aa8ff", "aws": "#3a2804 #f0a030", "good": "#0f3320 #3fb950", "bad": "#45171a #ff7b72",
    "group": "none #6e7681",
}  # fmt: skip
KINDS = ("airflow", "aws", "good", "bad", "group")

Point = tuple[int, int]


@dataclass(frozen=True)
class Box:
    """A box around lines of text, of which the first can be bold; those of a group begin at its top."""

    at: Point
    size: Point
    kind: str
    lines: Sequence[str] = ()
    bold: bool = True

    def drawn(self) -> Iterator[str]:
        """Yield its elements."""
        (x, y), (width, height) = self.at, self.size
        yield f'<rect class="{self.kind}" x="{x}" y="{y}" width="{width}" height="{height}" rx="{CORNER}"/>'
        first = y + LINE_HEIGHT + MARGIN
        if self.kind != "group":
            first = y + (height - LINE_HEIGHT * len(self.lines)) // 2 + FONT_SIZE
        for number, line in enumerate(self.lines):
            look = "middle bold" if self.bold and not number else "middle"
            yield _text((x + width // 2, first + number * LINE_HEIGHT), line, look)


@dataclass(frozen=True)
class Arrow:
    """A line through points, with heads at its ends, and a label that begins at a point."""

    points: Sequence[Point]
    label: Sequence[str] = ()
    label_at: Point = (0, 0)
    #: Of ``start`` and ``end``.
    heads: Sequence[str] = ("end",)
    dashed: bool = False

    def drawn(self) -> Iterator[str]:
        """Yield its elements."""
        points = " ".join(f"{x},{y}" for x, y in self.points)
        heads = "".join(f' marker-{end}="url(#head)"' for end in self.heads)
        dashes = ' stroke-dasharray="6 5"' if self.dashed else ""
        yield f'<polyline class="line" points="{points}"{heads}{dashes}/>'
        x, y = self.label_at
        for number, line in enumerate(self.label):
            yield _text((x, y + number * LINE_HEIGHT), line, "label")


@dataclass(frozen=True)
class Picture:
    """
    A picture of what is drawn in turn.

    :param text: what it shows, for whoever cannot see it
    """

    size: Point
    text: str
    shapes: Sequence[Box | Arrow]

    def svg(self, colours: Mapping[str, str]) -> str:
        """Return the file in the colours of a page's scheme."""
        width, height = self.size
        head = (
            f'<svg xmlns="http://www.w3.org/2000/svg" role="img" width="{width}" height="{height}" '
            f'viewBox="0 0 {width} {height}">'
        )
        drawn = (element for shape in self.shapes for element in shape.drawn())
        page = f'<rect fill="{colours["page"]}" width="{width}" height="{height}" rx="{CORNER}"/>'
        lines = (head, f"<title>{escape(self.text)}</title>", *_style(colours), page, *drawn, "</svg>")
        return "".join(f"{line}\n" for line in lines)


def _style(colours: Mapping[str, str]) -> Iterator[str]:
    yield "<style>"
    yield f"text {{ font: {FONT_SIZE}px system-ui, Roboto, sans-serif; fill: {colours['text']}; }}"
    yield ".middle { text-anchor: middle; } .bold { font-weight: 600; }"
    yield f".label {{ stroke: {colours['page']}; stroke-width: 5px; paint-order: stroke; }}"
    yield f".line {{ fill: none; stroke: {colours['line']}; stroke-width: 1.6px; }}"
    for kind in KINDS:
        fill, stroke = colours[kind].split()
        yield f".{kind} {{ fill: {fill}; stroke: {stroke}; stroke-width: 1.6px; }}"
    yield "</style>"
    yield (
        '<marker id="head" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="11" markerHeight="11" '
        'markerUnits="userSpaceOnUse" orient="auto-start-reverse">'
        f'<path d="M0,0 L10,5 L0,10 z" fill="{colours["line"]}"/></marker>'
    )


def _text(at: Point, line: str, look: str) -> str:
    return f'<text class="{look}" x="{at[0]}" y="{at[1]}">{escape(line)}</text>'
