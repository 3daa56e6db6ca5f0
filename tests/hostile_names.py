"""Names that bite where a program shows them: markup, styles, formulas, mathematics, and what is no text.

All are made here. Those that can act call a canary, `/<number>` of an address, and write `ran-42` into the
page: no name holds these six letters, so where they stand, a name was run.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

RAN = "ran-42"
Context = Literal["text", "attribute", "title", "style", "comment"]
"""Where a page without any care would have put the name."""


@dataclass(frozen=True)
class Hostile:
    """A name; the number by which it calls, and the context in which a browser would run it, if any."""

    number: int
    name: str
    context: Context | None = None


def hostile_names(address: str) -> list[Hostile]:
    """More than two hundred names that call `address` (http://host:port) where they can."""
    numbers = count()
    found: list[Hostile] = []
    for context, template in _acting():
        number = next(numbers)
        place = f"{address}/{number}"
        script = f"document.title=`ran-`+6*7;fetch(`{place}`)"  # in no need of a space or a quote
        filled = template.replace("SCRIPT", script).replace("PLACE", place)
        found.append(Hostile(number, filled, context))
    found += [Hostile(next(numbers), name.replace("PLACE", address)) for name in _inert()]
    return found


def _acting() -> Iterator[tuple[Context, str]]:
    """What a browser runs, or fetches, as soon as it reads it."""
    yield from (("text", markup) for markup in _markup())
    for context, closing in (("title", "</title>"), ("style", "</style>"), ("comment", "-->")):
        yield from ((context, closing + markup) for markup in _markup()[::3])
    for quote in ('"', "'"):
        yield from (("attribute", f"{quote}>{markup}") for markup in _markup()[::3])
        yield "attribute", f"{quote} onerror={quote}SCRIPT"
        yield "attribute", f"{quote} style={quote}background:url(PLACE)"
    for style in (
        "@import url(PLACE);",
        "@import 'PLACE';",
        "body{background:url(PLACE)}",
        "body{background:u\\72l(PLACE)}",
        "body{list-style:url(PLACE);display:list-item}",
        "body::before{content:url(PLACE)}",
        "@font-face{font-family:f;src:url(PLACE)}body::before{font-family:f;content:'x'}",
    ):
        yield "style", style
        yield "text", f"<style>{style}</style>"


def _markup() -> tuple[str, ...]:
    return (
        "<script>SCRIPT</script>",
        "<ScRiPt >SCRIPT</sCrIpT >",
        "<script src=PLACE></script>",
        "<scr\0ipt></scr\0ipt><script>SCRIPT</script>",
        "<img src=x onerror=SCRIPT>",
        "<img/src='x'/onerror=SCRIPT>",
        "<IMG SRC=PLACE>",
        "<img srcset=PLACE>",
        "<svg onload=SCRIPT></svg>",
        "<svg><script>SCRIPT</script></svg>",
        "<svg><image href=PLACE /></svg>",
        "<svg><foreignObject><img src=x onerror=SCRIPT></foreignObject></svg>",
        "<svg><style><img src=x onerror=SCRIPT></style></svg>",
        "<math><mtext><img src=x onerror=SCRIPT></mtext></math>",
        "<iframe src=PLACE></iframe>",
        "<iframe srcdoc='<img src=PLACE>'></iframe>",
        "<iframe src=javascript:SCRIPT></iframe>",
        "<object data=PLACE></object>",
        "<embed src=PLACE>",
        "<video><source onerror=SCRIPT></video>",
        "<video poster=PLACE></video>",
        "<audio src=x onerror=SCRIPT></audio>",
        "<details open ontoggle=SCRIPT>.</details>",
        "<input autofocus onfocus=SCRIPT>",
        "<link rel=stylesheet href=PLACE>",
        "<b style=background:url(PLACE)>b</b>",
        "<meta http-equiv=refresh content='0;url=PLACE'>",
        "<form action=PLACE><input></form><script>SCRIPT;document.forms[0].submit()</script>",
        "<base href=PLACE/><img src=PLACE>",
    )


def _inert() -> Iterator[str]:
    """What acts elsewhere, in a spreadsheet, a template or a figure, or breaks who reads it carelessly."""
    formulas = (
        "=1+1",
        "+1",
        "-2+3",
        "@SUM(A1)",
        '=HYPERLINK("PLACE/x")',
        "=cmd|'/C calc'!A0",
        "-1.5",
        "+",
        "=",
    )
    before = (
        "",
        " ",
        "\t",
        "\r",
        "\n",
        "\r\n",
        "'",
        '"',
        "\ufeff",
        "\u200b",
        "\xa0",
        "\0",
        "\u202e",
        "a;",
        "a\n",
        'a;"',
    )
    yield from (start + formula for formula in formulas for start in before)
    yield from (
        "\uff1d1+1",
        "\uff0b1",
        "\uff0d1",
        "\uff20SUM(A1)",
        "\tname",
        "\rname",
        "\nname",
        "''=1",
        "a\tb",
        "a\rb",
    )
    yield from (
        "{{7*7}}",
        "{% raw %}",
        "${7*7}",
        "#{7*7}",
        "<%= 7*7 %>",
        "{#",
        "__import__('os')",
        "%s%n",
        "{0.__class__}",
    )
    yield from (
        "&lt;b&gt;",
        "&#60;script&#62;",
        "&amp;amp;",
        "+ADw-script+AD4-",
        "\\u003cscript\\u003e",
        "%3Cscript%3E",
    )
    yield from (
        "javascript:alert(1)",
        "[x](javascript:alert(1))",
        "![x](PLACE)",
        "<PLACE>",
        "PLACE",
        "www.example.org",
    )
    yield from ("a@example.org", "[x]: PLACE", "`code`", "**b**", "a|b", "\\", "# title", "---", "~~s~~")
    yield from (
        r"$\frac{$",
        "$x^2$",
        r"$\alpha$",
        "$",
        r"\$",
        r"$\input{/etc/passwd}$",
        "_legend",
        "_",
        "%d",
        "DejaVu Sans",
    )
    yield from (
        "#1b1f24",
        ": #1b1f24",
        ' id="a"',
        "url(#a)",
        'xmlns="a"',
        "<metadata>",
        "</svg>",
        "]]>",
        "<![CDATA[",
        "<?x?>",
    )
    yield from (
        "\u202eevil\u202c",
        "\u2066a\u2069",
        "\u200f\u0627\u0644",
        "\u05e9\u05dc\u05d5\u05dd",
        "\u200bzero\u200d",
        "\ufeffbom",
    )
    yield from (
        "\U0001f9ec",
        "e\u0301\u0301\u0301",
        "\u7d30\u80de",
        "\0",
        "a\0b",
        "\x1b[31mred",
        "\x07",
        "\x7f",
        "\x85",
        "\u2028",
        "\ufffe",
    )
    yield from (
        "\ud800",
        "a\udcff",
        "\ud83e",
        "x" * 10_000,
        "\n" * 200,
        "a b " * 2_500,
        "<b>" * 3_000,
        "\t" * 500,
    )
    yield from (
        "../../etc/passwd",
        "/etc/passwd",
        "C:\\con",
        "a/b",
        ".",
        "..",
        "~",
        "-rf",
        "--help",
        "$(id)",
        "`id`",
        "; id",
        "| id",
    )
    yield from (
        "",
        " ",
        "NA",
        "nan",
        "None",
        "null",
        "True",
        "0",
        "007",
        "1e5",
        "'; DROP TABLE jobs; --",
        "' OR 1=1 --",
    )
