"""What other users of the machine can do to the review server: see no token, hold no connection, fill no log."""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import socket
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import httpx
import pytest
from made_run import made_parts, write_parts

from bias_audit.review import connections
from bias_audit.review.decisions import Decision, add
from bias_audit.review.opening import opened_in_browser
from bias_audit.review.server import bind, create_app, serve
from bias_audit.run.identity import finding_id
from bias_audit.run.result import load

TOKEN = "t0k-en_" * 4

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_parts(made_parts(), tmp_path / "run")


@pytest.fixture
def port(run: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Of a server in this process that gives a request a fifth of a second."""
    monkeypatch.setattr(connections, "REQUEST_SECONDS", 0.2)
    end = threading.Event()
    ready = bind(0)
    server = threading.Thread(target=serve, args=(create_app(run, TOKEN), ready, end))
    server.start()
    yield ready.getsockname()[1]
    end.set()
    server.join(60)
    assert not server.is_alive()


def connected(port: int) -> socket.socket:
    made = socket.create_connection(("127.0.0.1", port))
    made.settimeout(60)
    return made


def until_closed(made: socket.socket) -> bytes:
    """What the server says before it closes the connection."""
    said = b""
    with contextlib.suppress(ConnectionResetError):
        while part := made.recv(65536):
            said += part
    return said


HEAD = f"GET /{TOKEN}/ HTTP/1.1\r\nHost: 127.0.0.1:{{}}\r\n"
POST = (
    f"POST /{TOKEN}/api/decisions HTTP/1.1\r\nHost: 127.0.0.1:{{0}}\r\nOrigin: http://127.0.0.1:{{0}}\r\n"
    'Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n{{"target_key": '
)


@pytest.mark.parametrize("begun", ["", "G", HEAD, f"{HEAD}X: " + "x" * 2000, POST])
def test_a_request_that_does_not_arrive_is_not_waited_for(port: int, begun: str, capfd) -> None:
    with connected(port) as half:
        half.sendall(begun.format(port).encode())
        until_closed(half)
    assert "Traceback" not in capfd.readouterr().err


def test_a_second_request_on_a_connection_has_its_own_time(port: int) -> None:
    with connected(port) as half:
        for _ in range(2):
            half.sendall(f"{HEAD}\r\n".format(port).encode())
            said = b""
            while b"</html>" not in said:
                part = half.recv(65536)
                assert part, "closed in the middle"
                said += part
        half.sendall(b"GET /")
        assert until_closed(half) == b""


def test_endless_headers_are_refused(port: int) -> None:
    with connected(port) as large:
        with contextlib.suppress(ConnectionError):
            large.sendall(HEAD.format(port).encode() + b"X: " + b"x" * 200_000)
        assert b" 200 " not in until_closed(large).split(b"\r\n")[0]


def test_handlers_of_the_program_stay_open(run: Path, tmp_path: Path) -> None:
    """uvicorn's own configuration of logging closes all there are; absl's handler closed what pytest captures."""
    handler, end = logging.FileHandler(tmp_path / "log"), threading.Event()
    stream = handler.stream
    end.set()
    server = threading.Thread(target=serve, args=(create_app(run, TOKEN), bind(0), end))
    server.start()
    server.join(60)
    assert not stream.closed
    handler.close()


class Server:
    """`bias-audit review` in a process of its own, its browser a script that keeps what it was asked to open."""

    def __init__(self, run: Path, *options: str, files: int = 0, **environment: str) -> None:
        command = [sys.executable, "-m", "bias_audit", "review", str(run), "--port", "0", *options]
        if files:
            command = ["sh", "-c", f'ulimit -n {files}; exec "$@"', "sh", *command]
        self.log = (run.parent / "log").open("w+")
        environment = {**os.environ, **environment}
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=self.log, text=True, env=environment)
        assert self.process.stdout is not None
        self.url = self.process.stdout.readline().strip()
        self.token = self.url.split("/")[3]
        self.port = int(self.url.split(":")[2].split("/")[0])

    def said(self) -> str:
        self.log.seek(0)
        return self.log.read()

    def end(self, how: signal.Signals) -> int:
        self.process.send_signal(how)
        return self.process.wait(60)


@pytest.fixture
def started(run: Path) -> Iterator[Callable[..., Server]]:
    servers: list[Server] = []

    def start(*options: str, files: int = 0, **environment: str) -> Server:
        servers.append(Server(run, *options, files=files, **environment))
        return servers[-1]

    yield start
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
        server.process.communicate()
        server.log.close()


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGINT])
def test_the_page_is_written_at_the_end(started: Callable[..., Server], run: Path, how: signal.Signals) -> None:
    server = started("--no-browser")
    assert httpx.get(server.url).status_code == 200
    result = load(run)
    add(run, Decision("finding", finding_id(result.found()[0], result), "bias", note="said today", reviewer="Ada"))
    assert server.end(how) == 0
    assert "said today" in (run / "report.html").read_text(encoding="utf-8")
    assert "report.html shows them" in server.said()


def test_sigterm_before_anybody_came_ends_it_as_well(started: Callable[..., Server], run: Path) -> None:
    server = started("--no-browser")  # the address is printed before requests are answered
    assert server.end(signal.SIGTERM) == 0
    assert (run / "report.html").is_file()


def test_the_processes_show_no_token(started: Callable[..., Server], tmp_path: Path) -> None:
    asked, browser = tmp_path / "asked", tmp_path / "browser"
    browser.write_text(
        f'#!/bin/sh\nprintf "%s\\n" "$0" "$@" > {asked}.new; env >> {asked}.new; mv {asked}.new {asked}\n'
    )
    browser.chmod(0o755)
    server = started(BROWSER=f"{browser} %s", TMPDIR=str(tmp_path))
    while not asked.exists():
        assert server.process.poll() is None
    shown = asked.read_text()
    assert server.token not in shown, "arguments and environment of the browser"
    file = Path(unquote(urlsplit(shown.splitlines()[1]).path))
    assert (stat.S_IMODE(file.stat().st_mode), stat.S_IMODE(file.parent.stat().st_mode)) == (0o600, 0o700)
    assert server.url in file.read_text()
    for name in ("cmdline", "environ"):
        if (own := Path(f"/proc/{server.process.pid}/{name}")).exists():
            assert server.token.encode() not in own.read_bytes()
    assert httpx.get(f"http://127.0.0.1:{server.port}/{server.token}x/?{server.token}").status_code == 404
    assert server.end(signal.SIGTERM) == 0
    assert server.token not in server.said()
    assert not file.parent.exists()


def test_a_browser_is_led_to_the_page(port: int, browser, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    came = threading.Event()
    monkeypatch.setattr("webbrowser.open", lambda url: (opened.append(url), came.set()))
    address = f"http://127.0.0.1:{port}/{TOKEN}/"
    with opened_in_browser(address) as made:
        assert made
        assert came.wait(60)
        page = browser.new_page()
        page.goto(opened[0])
        page.wait_for_url(address)
        assert page.locator("h1").first.inner_text()
        assert page.evaluate("document.referrer") == ""
        page.close()


def test_without_a_folder_for_it_no_browser_is_opened(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    monkeypatch.setattr("webbrowser.open", lambda url: pytest.fail(url))
    with opened_in_browser("http://127.0.0.1:1/secret/") as made:
        assert not made


def test_at_the_limit_of_open_files_it_answers(started: Callable[..., Server], run: Path) -> None:
    server = started("--no-browser", files=64)
    with contextlib.ExitStack() as held:
        for _ in range(200):
            held.enter_context(connected(server.port))
            time.sleep(0.005)  # where connections queue up faster than they are taken, the system waits for seconds
        for _ in range(3):
            assert httpx.get(server.url, timeout=60).status_code == 200
        result = load(run)
        key = finding_id(result.found()[0], result)
        origin = f"http://127.0.0.1:{server.port}"
        stored = httpx.post(
            f"{server.url}api/decisions",
            json={"target_key": key, "verdict": "bias", "reviewer": "Ada"},
            headers={"Origin": origin},
            timeout=60,
        )
        assert stored.status_code == 200, stored.text
        assert json.loads(stored.text)["decision"]["reviewer"] == "Ada"
    assert server.end(signal.SIGTERM) == 0
    assert len(server.said()) < 5_000
    assert "Traceback" not in server.said()


def test_the_limit_is_told_once() -> None:
    said: list[str] = []
    troubles = connections.Troubles()

    class Loop:
        def default_exception_handler(self, context: object) -> None:
            said.append("default")

    logger = connections.logging.getLogger("uvicorn.error")
    logger.addFilter(kept := lambda record: bool(said.append(record.getMessage())))
    try:
        for _ in range(2000):
            troubles(Loop(), {"exception": OSError(24, "Too many open files")})  # type: ignore[arg-type]
        troubles(Loop(), {"exception": OSError(5, "Input/output error")})  # type: ignore[arg-type]
    finally:
        logger.removeFilter(kept)
    assert said == ["cannot take a connection: Too many open files; trying again", "default"]
