"""A server of files of this machine, which counts what it is asked and answers some of it in other ways."""

from __future__ import annotations

import contextlib
import http.server
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any


class Server:
    """A server of a folder that counts what it is asked, and answers some paths in other ways.

    Attributes:
        asked: (method, path) -> how often.
        answers: path -> what it answers first, one after the other: a status; a text to be led to; bytes, with a length
            that is 100 too large; a float or an imaginary number, seconds between the bytes of a body or of a header.
        signs: whether it sends Last-Modified.
    """

    def __init__(self, root: Path) -> None:
        self.asked: Counter[tuple[str, str]] = Counter()
        self.answers: dict[str, list[Any]] = {}
        self.signs = True
        outer = self

        class Handler(http.server.SimpleHTTPRequestHandler):
            protocol_version = "HTTP/1.0"

            def __init__(self, *arguments: Any) -> None:
                super().__init__(*arguments, directory=str(root))

            def _answered(self) -> bool:
                path = self.path.partition("?")[0]
                outer.asked[self.command, path] += 1
                if not outer.answers.get(path):
                    return False
                answer = outer.answers[path].pop(0)
                if isinstance(answer, complex):  # a byte of the header, and seconds until the next
                    with contextlib.suppress(OSError):
                        for _ in range(100):
                            self.wfile.write(b"H")
                            time.sleep(answer.imag)
                elif isinstance(answer, int):
                    self.send_error(answer)
                elif isinstance(answer, float):  # a byte, and seconds until the next
                    self.send_response(200)
                    self.end_headers()
                    with contextlib.suppress(OSError):
                        for _ in range(100 if self.command == "GET" else 0):
                            self.wfile.write(b"x")
                            time.sleep(answer)
                elif isinstance(answer, bytes):  # a length that is none
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(answer) + 100))
                    self.end_headers()
                    self.wfile.write(answer if self.command == "GET" else b"")
                else:
                    self.send_response(302)
                    self.send_header("Location", answer)
                    self.end_headers()
                return True

            def do_GET(self) -> None:
                if not self._answered():
                    super().do_GET()

            def do_HEAD(self) -> None:
                if not self._answered():
                    super().do_HEAD()

            def send_header(self, keyword: str, value: str) -> None:
                if keyword != "Last-Modified" or outer.signs:
                    super().send_header(keyword, value)

            def log_message(self, *arguments: Any) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def gets(self) -> int:
        return sum(times for (method, _), times in self.asked.items() if method == "GET")

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
