"""What pages would fetch from elsewhere: nothing may be, so that they are read offline."""

import re
from collections.abc import Iterator
from pathlib import Path

__all__ = ["fetched"]

ADDRESS = r"""["']?(?:https?:)?//[^"')\s>]+"""
LINKED = "(?:stylesheet|icon|preload|preconnect|shortcut)"
WITHIN = (
    re.compile(rf"<(?:script|img|iframe|source|video|audio|embed)\b[^>]*?\bsrc={ADDRESS}"),
    re.compile(rf"<link\b(?=[^>]*\brel=[\"']?{LINKED})[^>]*?\bhref={ADDRESS}"),
    re.compile(rf"\burl\({ADDRESS}"),
    re.compile(rf"@import\s+{ADDRESS}"),
)
"""Of scripts, pictures and the like; of styles. Links that a reader may follow are none."""
READ = {".html", ".css", ".svg"}


def fetched(site: Path) -> Iterator[str]:
    """The file and what stands in it, of each resource that is not of the site itself."""
    for path in sorted(site.rglob("*")):
        if path.suffix in READ:
            text = path.read_text("utf-8")
            for pattern in WITHIN:
                yield from (f"{path.relative_to(site)}: {one[0]}" for one in pattern.finditer(text))
