"""Names from outside, as pages, figures and Markdown can bear them: text that does nothing."""

import re

_UNFIT = re.compile(
    r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Controls and halves of surrogate pairs, which no page has, and signs that turn the text around them."""
_MARKDOWN = re.compile(
    r"[\\`*<|$]|&(?=[#a-z])|\](?=[(\[:])|(?<![^\W_])_|_(?![^\W_])"
    r"|:(?=//)|(?<=mailto):|(?<=xmpp):|(?<=www)\.",
    re.IGNORECASE,
)
"""What opens emphasis, code, tags, cells of a table, mathematics, entities or links in GitHub's Markdown."""


def plain(text: str) -> str:
    """`text` with U+FFFD for controls, halves of surrogate pairs and turned directions; lines stay."""
    return _UNFIT.sub("\ufffd", text)


def one_line(name: str, most: int = 44) -> str:
    """A name in a figure: one line of at most `most` letters, a long one without its middle."""
    line = " ".join(plain(name).split())
    half = most // 2
    return line if len(line) <= most else f"{line[: half - 1]}…{line[half - most :]}"


def markdown(text: str) -> str:
    """A name or sentence in Markdown: one line, and every sign stands for itself.

    A backslash does not keep an address of mail from becoming a link; an invisible joiner does.
    """
    line = " ".join(plain(text).split())
    return _MARKDOWN.sub(r"\\\g<0>", line).replace("@", "@\u2060")
