"""What an error of a store says."""

import re

import obstore.exceptions

from axialcast.disclosure import shown

__all__ = ["reason"]

PAGE = re.compile(r":?\s*<(!doctype|html).*", re.IGNORECASE | re.DOTALL)
"""A page for people, which a server sends along."""
ANSWER = re.compile(r"<\?xml.*?<Code>(?P<code>.*?)</Code>.*", re.IGNORECASE | re.DOTALL)
"""What object stores answer, of which the code says it."""
KINDS = {"kind: Timeout": "no answer in time", "kind: Connect": "no connection"}
"""What obstore tells in its details alone."""
LONGEST = 400


def reason(error: BaseException) -> str:
    """What an error of any store says, in one line and without what may be secret in an address."""
    text, _, details = str(error).partition("\n\nDebug source")
    text = " ".join(PAGE.sub("", ANSWER.sub(r"\g<code>", shown(text))).split())[:LONGEST]
    plain = [words for kind, words in KINDS.items() if kind in details]
    if isinstance(error, OSError) and error.strerror:
        return shown(error.strerror)
    if not isinstance(error, obstore.exceptions.BaseError | ValueError | ImportError):
        plain.append(type(error).__name__)
    return ": ".join([*plain, text or "no further message"])
