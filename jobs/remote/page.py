"""`rnalearner open`: the gateway's page in your browser, signed in."""

import html
import webbrowser

import typer

from jobs.remote.connection import Server, connect, user_file, write_private


def open_page(server: Server = None) -> None:
    """Open the gateway's page in your browser, signed in with your key.

    The browser is given a file that only you may read: its command line, which all users of this machine
    see, holds no key. Nor does any request: what stands behind a # stays in the browser.
    """
    with connect(server) as client:
        client.get("/v1/me")
        door = f"{client.server}/sign-in#{client.http.headers['Authorization'].removeprefix('Bearer ')}"
        where = client.server
    path = user_file().with_name("open.html")
    write_private(path, f'<meta http-equiv="refresh" content="0;url={html.escape(door)}">\n')
    if not webbrowser.open(path.as_uri()):
        typer.echo(f"No browser could be started here. Open {where} and sign in with your key.")
