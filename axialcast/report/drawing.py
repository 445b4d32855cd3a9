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

__all__ = ["GREY", "INK", "RULE", "STYLE", "svg"]

INK, GREY, RULE = "#1c2733", "#5f6b76", "#dfe3e7"
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
    "figure.dpi": 72.0,
}


def svg(figure: Figure, description: str) -> Markup:
    """The figure as an <svg> element as wide as its column; the same bytes each time."""
    buffer = io.StringIO()
    with warnings.catch_warnings():
        # Text stays text: the page's reader has other fonts than this machine.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", metadata={"Date": None, "Creator": None}, dpi=160)
    text = buffer.getvalue()
    text = text[text.index("<svg") :]
    text = re.sub(r' width="[\d.]+pt" height="[\d.]+pt"', "", text, count=1)
    begin = Markup('<svg role="img" aria-label="{}"').format(description)
    return Markup(begin + Markup(text.removeprefix("<svg")))
