"""What all pages share: templates, the rules that a browser holds them to, and errors as pages."""

from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import jinja2
from fastapi import Request, Response
from fastapi.responses import HTMLResponse, RedirectResponse
from fastapi.routing import APIRoute

from service.pages import words
from service.pages.visitor import SignedOutError, sign_in_first
from service.problems import as_problem

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""Everything comes from this gateway, and nothing that stands in a page itself is run."""
HEADERS = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "private, no-store",
}
_ENVIRONMENT = jinja2.Environment(
    loader=jinja2.FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_ENVIRONMENT.filters |= {
    "bytes": words.size,
    "count": words.count,
    "duration": words.duration,
    "number": words.number,
    "percent": words.percent,
    "when": words.when,
}


def page(request: Request, template: str, code: int = 200, **context: Any) -> HTMLResponse:
    """A whole page; `visitor` is whoever is signed in, None for nobody."""
    known = {"visitor": None, "path": request.scope["path"]}
    text = _ENVIRONMENT.get_template(template).render(known | context)
    return HTMLResponse(text, code, headers=HEADERS)


class PageRoute(APIRoute):
    """A route whose errors are pages, with the same three parts: where, what, and what to do."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        answer = super().get_route_handler()

        async def answer_in_html(request: Request) -> Response:
            try:
                return await answer(request)
            except SignedOutError:
                return sign_in_first(request)
            except Exception as error:
                problem = as_problem(error)
                told = page(request, "problem.jinja", problem.status, fault=problem.fault)
                told.headers.update(problem.headers or {})
                return told

        return answer_in_html


def see(path: str) -> RedirectResponse:
    """Go there, with GET."""
    return RedirectResponse(path, 303, headers=HEADERS)
