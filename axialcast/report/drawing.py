"""How the report draws: one style, and figures as inline SVG.

Text stays text, so that the page's own font and a screen reader can take it. Names come from
stores: none is read as a formula, and all are escaped.
"""

import io
import re
import warnings
from typing import Any

from markupsafe import Markup
from matplotlib.figure import Figure

__all__ = ["AMBER", "GREY", "INK", "ON_COLOUR", "OWN", "PAPER", "PLAIN", "RULE", "SHADES"]
__all__ += ["STYLE", "WARM", "Picture", "svg"]

INK, GREY, RULE = "#1c2733", "#5f6b76", "#dfe3e7"
OWN, PLAIN, WARM, AMBER = "#0b5cad", "#6c7781", "#bd4b00", "#8a5f00"
SHADES = ("#3f8fc9", "#1a66aa", "#083a73")
"""Of lead times, from the shortest."""
PAPER = "#fefefe"
"""What is behind; white itself stays white."""
ON_COLOUR = "#16202a"
"""Ink on what has a colour of its own, and keeps it in the dark."""

NAMES = {INK: "ink", GREY: "grey", RULE: "rule", OWN: "own", PLAIN: "plain", WARM: "warm"}
NAMES |= {AMBER: "amber", PAPER: "paper", "#3f8fc9": "near", "#1a66aa": "middle", "#083a73": "far"}
"""Colours by their names in `page.css`, which has another of each for the dark."""
HEX = re.compile("#[0-9a-f]{6}")
MORE_DIGITS = re.compile(r"(\.\d\d)\d+")
"""Of a place in points, than anybody sees."""

STYLE: dict[Any, Any] = {
    "svg.hashsalt": "axialcast",
    "svg.fonttype": "none",
    "text.parse_math": False,
    "text.usetex": False,
    "font.size": 9.0,
    "text.color": INK,
    "axes.edgecolor": GREY,
    "axes.labelcolor": GREY,
    "axes.linewidth": 0.8,
    "axes.titlesize": 10.5,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "grid.color": RULE,
    "grid.linewidth": 0.8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "figure.dpi": 72.0,
}


class Picture(Figure):
    """A figure that notebooks show; matplotlib's own they show only once pyplot is imported."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=100)
        return buffer.getvalue()


def svg(figure: Figure, description: str) -> Markup:
    """The figure as an <svg> element as wide as its column; the same bytes each time.

    Args:
        description: for who does not see it; empty: it adds nothing to what is said elsewhere.
    """
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Text stays text: the page's reader has other fonts than this machine.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=160)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", text, count=1)
    text = re.sub(' d="[^"]*"', lambda path: MORE_DIGITS.sub(r"\1", path[0]), text)
    text = re.sub('style="[^"]*"', lambda style: HEX.sub(_named, style[0]), text)
    begin = Markup('<svg role="img" aria-label="{}"').format(description)
    begin = begin if description else Markup('<svg aria-hidden="true"')
    return Markup(begin + Markup(text.removeprefix("<svg")))


def _named(colour: re.Match[str]) -> str:
    """A colour as the page's variable, where it is one; files and old browsers take the colour."""
    name = NAMES.get(colour[0])
    return f"var(--{name}, {colour[0]})" if name else colour[0]
