"""The review server: shows the report of a run as a page on this machine, and stores decisions made on it.

GET  /TOKEN/                     the page
GET  /TOKEN/api/decisions        ?since=VERSION: decisions on the targets that changed since then
POST /TOKEN/api/decisions        {target_key, verdict, note, reviewer, expires, id}: stored before it answers
POST /TOKEN/api/undo             {target_key, reviewer, id}; without id the reviewer's present decision
GET  /TOKEN/api/history          ?target=KEY: all decisions ever made on the target
GET  /TOKEN/api/export.json, /TOKEN/api/export.csv
     /TOKEN/api/live/...         routes of `regions`, where the model is at hand
"""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import signal
import socket
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Mount, Route

from bias_audit.errors import BiasAuditError, ConfigError, ResultError, reason_of
from bias_audit.files.text import parse_json
from bias_audit.report.page import page_of
from bias_audit.review import decisions, exchange, targets
from bias_audit.review.access import App, Guarded, TooLarge
from bias_audit.review.connections import Connection, Troubles, most_connections
from bias_audit.review.decisions import Decision
from bias_audit.run.folder import FINISHED
from bias_audit.run.identity import data_of
from bias_audit.run.result import load

PAGE_POLICY = "frame-ancestors 'none'; base-uri 'none'; form-action 'none'; object-src 'none'"
"""Content security policy in the header of the page, beside the policy that the page states itself."""

MOST_HEAD = 65_536
"""Most bytes of a request's line and headers; cookies of other servers on this machine come with them."""

LOOPBACK = "127.0.0.1"
USUAL_PORT = 8321
"""Port that is tried first: a browser remembers the reviewer's name by address and port."""


class _Run:
    """A finished run that is read again when its audit.json was written anew, as a live test does."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._lock = threading.Lock()
        self._stamp: tuple[int, int] | None = None
        self._page: bytes | None = None
        self.refresh()

    def refresh(self) -> None:
        """Read the run again if its audit.json has changed since the last reading."""
        with self._lock:
            try:
                status = (self.folder / FINISHED).stat()
            except OSError as error:
                raise ResultError(f"the run at {str(self.folder)!r} is not there any more, or not finished") from error
            stamp = status.st_mtime_ns, status.st_size
            if stamp != self._stamp:
                result = load(self.folder)
                known = targets.known(result)
                self.result, self.targets, self._stamp, self._page = result, known, stamp, None

    def key(self, name: str) -> str:
        """Key of the target that a page calls `name`; `name` itself where the run has no such target."""
        target = self.targets.get(name)
        return name if target is None else target.key

    def page(self, review: dict[str, Any]) -> bytes:
        """The page of the run as it is now, made anew only where the run has changed."""
        self.refresh()
        with self._lock:
            if self._page is None:
                self._page = page_of(self.result, review)
            return self._page


def create_app(
    run_folder: str | Path, token: str, *, live: Sequence[BaseRoute] | None = None, reviewer: str = ""
) -> App:
    """The ASGI application of the review server.

    Args:
        run_folder: folder of a finished run.
        token: secret that every path begins with.
        live: further routes below api/live, guarded as all others are; None = none.
        reviewer: name that the page proposes.

    Raises:
        ResultError: the run is missing, unfinished or damaged, or its decisions are.
    """
    run = _Run(Path(run_folder))
    decisions.read_decisions(run.folder)  # a damaged file is told before anybody decides anything
    config = {"api": f"/{token}/api", "live": live is not None, "reviewer": reviewer}

    def page(request: Request) -> Response:
        headers = {"content-security-policy": PAGE_POLICY}
        return Response(run.page(config), media_type="text/html", headers=headers)

    def listed(request: Request) -> Response:
        run.refresh()
        version, standing = decisions.changed_since(run.folder, _whole(request.query_params.get("since", "0")))
        rows = {key: [dataclasses.asdict(each) for each in made] for key, made in standing.items()}
        lost = [key for key in standing if key not in run.targets]
        return JSONResponse({"version": version, "data": data_of(run.result), "targets": rows, "lost": lost})

    async def add(request: Request) -> Response:
        body = await _body(request, {"target_key", "verdict", "note", "reviewer", "expires", "id"})
        stored = await run_in_threadpool(_add, run, body)
        return JSONResponse({"decision": dataclasses.asdict(stored)})

    async def undo(request: Request) -> Response:
        body = await _body(request, {"target_key", "reviewer", "id"})
        key, who, one = (str(body.get(name, "")).strip() for name in ("target_key", "reviewer", "id"))
        undone = await run_in_threadpool(
            decisions.undo, run.folder, run.key(key), who, decision_id=one, data=data_of(run.result)
        )
        return JSONResponse({"undone": None if undone is None else dataclasses.asdict(undone)})

    def history(request: Request) -> Response:
        events = decisions.history(run.folder, run.key(request.query_params.get("target", "")))
        return JSONResponse({"events": [dataclasses.asdict(event) for event in events]})

    def export_json(request: Request) -> Response:
        text = exchange.export_json(run.folder, data_of(run.result))
        return Response(text, media_type="application/json", headers=_download("decisions.json"))

    def export_csv(request: Request) -> Response:
        text = exchange.export_csv(run.folder, data_of(run.result))
        return Response(text, media_type="text/csv", headers=_download("decisions.csv"))

    api = [
        Route("/decisions", listed, methods=["GET"]),
        Route("/decisions", add, methods=["POST"]),
        Route("/undo", undo, methods=["POST"]),
        Route("/history", history, methods=["GET"]),
        Route("/export.json", export_json, methods=["GET"]),
        Route("/export.csv", export_csv, methods=["GET"]),
        *([Mount("/live", routes=list(live))] if live is not None else []),
    ]
    app = Starlette(
        routes=[Route("/", page, methods=["GET"]), Mount("/api", routes=api)],
        exception_handlers={BiasAuditError: _told, TooLarge: _too_large},
    )
    app.router.redirect_slashes = False  # a redirect would lead to a path without the token
    return Guarded(app, token)


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, end: threading.Event) -> None:
        super().__init__(config)
        self._end = end

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        asyncio.get_running_loop().set_exception_handler(Troubles())
        await super().startup(sockets)
        self.should_exit = self.should_exit or self._end.is_set()

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._end.is_set()


@contextlib.contextmanager
def ended_by_sigterm() -> Iterator[threading.Event]:
    """Context in which SIGTERM sets the event that is given, and does not end the process before it is done."""
    end = threading.Event()
    if threading.current_thread() is not threading.main_thread():  # signals reach the main thread only
        yield end
        return
    before = signal.signal(signal.SIGTERM, lambda number, frame: end.set())
    try:
        yield end
    finally:
        signal.signal(signal.SIGTERM, before)


def serve(app: App, opened: socket.socket, end: threading.Event) -> None:
    """Answer requests on a bound socket until Ctrl-C or SIGTERM; open requests then have 3 seconds to finish.

    Args:
        app: the application.
        opened: a listening socket, see `bind`.
        end: event of `ended_by_sigterm`; SIGTERM may come before the server has begun.
    """
    config = uvicorn.Config(
        app,
        loop="asyncio",
        http=Connection,
        backlog=most_connections(),  # so many are taken at once, before any of them can be closed again
        h11_max_incomplete_event_size=MOST_HEAD,
        # uvicorn's own would close every handler of this process: that of absl, which comes with TensorFlow, then
        # closes its stream, even a stderr that somebody else still uses.
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        lifespan="off",
        ws="none",
        timeout_graceful_shutdown=3,
    )
    with contextlib.suppress(KeyboardInterrupt):  # uvicorn raises Ctrl-C again after it has shut down
        _Server(config, end).run(sockets=[opened])


def bind(port: int | None) -> socket.socket:
    """Open a listening socket on the loopback interface.

    Args:
        port: port number; 0 = any free one; None = USUAL_PORT, or any free one where that is taken.

    Raises:
        ConfigError: the port is taken or not allowed.
    """
    opened = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        opened.bind((LOOPBACK, USUAL_PORT if port is None else port))
        opened.listen()  # a browser that is faster than the server waits
    except (OSError, OverflowError) as error:
        opened.close()
        if port is None:
            return bind(0)
        raise ConfigError(
            f"cannot listen on port {port} of this machine: {reason_of(error)}",
            "Choose another --port, or leave it out.",
        ) from error
    return opened


def _add(run: _Run, body: dict[str, Any]) -> Decision:
    """Store the decision in a request; kind, subject and numbers of its target are taken from the run."""
    run.refresh()
    key = body.get("target_key", "")
    target = run.targets.get(key) if isinstance(key, str) else None
    if target is None:
        raise ConfigError("this run has no such finding, cue or image; load the page again")
    decision = decisions.checked(
        {
            **{name: body.get(name, "") for name in ("verdict", "note", "reviewer", "expires", "id")},
            "target_kind": target.kind, "target_key": target.key, "subject": target.subject, "code": target.code,
            "measured": target.measured, "low": target.low, "high": target.high,
        }
    )  # fmt: skip
    return decisions.add(run.folder, decision, data=data_of(run.result))


async def _body(request: Request, known: set[str]) -> dict[str, Any]:
    try:
        body = parse_json((await request.body()).decode(), ConfigError, "it is")
    except ClientDisconnect as error:
        raise ConfigError("the request broke off") from error
    except (ConfigError, UnicodeDecodeError) as error:
        raise ConfigError("the request holds no JSON") from error
    if not isinstance(body, dict) or set(body) - known:
        raise ConfigError(f"the request must hold an object of {', '.join(sorted(known))}")
    return body


def _whole(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 16):
        raise ConfigError("'since' must be a whole number")
    return int(text)


def _download(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"'}


def _told(request: Request, error: Exception) -> Response:
    """An error as an answer: status 503 where the run folder is at fault, 400 where the request is."""
    assert isinstance(error, BiasAuditError)
    status = 503 if isinstance(error, ResultError) else 400
    return JSONResponse({"error": error.message, "hint": error.hint}, status_code=status)


def _too_large(request: Request, error: Exception) -> Response:
    return JSONResponse({"error": "the request is too large", "hint": ""}, status_code=413)
