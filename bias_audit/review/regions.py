"""Regions drawn in the browser: their routes, whatever runs the model behind them.

GET  /TOKEN/api/live/classes     classes whose probability can be watched
GET  /TOKEN/api/live/picture     ?key=CONTENT: what the model sees of a photo
POST /TOKEN/api/live/regions     {key, corners, name, reviewer, class_name}: tested when it answers
"""

from __future__ import annotations

import json
from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bias_audit.errors import ConfigError
from bias_audit.run.folder import plain


class Tester(Protocol):
    """What tests regions; see `live.LiveModel`."""

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def find(self, key: str) -> str: ...

    def picture(self, image_id: str) -> bytes: ...

    def answer(self, image_id: str, corners: Any, name: str, reviewer: str, class_name: str) -> dict[str, Any]: ...


def region_routes(tester: Tester) -> list[BaseRoute]:
    """Routes for `server.create_app`; a wrong request raises the sentence that is to be told."""

    def classes(request: Request) -> Response:
        return JSONResponse({"classes": list(tester.class_names)})

    def picture(request: Request) -> Response:
        return Response(tester.picture(tester.find(request.query_params.get("key", ""))), media_type="image/jpeg")

    async def test(request: Request) -> Response:
        try:
            asked = json.loads(await request.body())
            given = {name: str(asked.get(name) or "") for name in ("name", "reviewer", "class_name")}
            key, corners = str(asked["key"]), asked["corners"]
        except (ValueError, KeyError, AttributeError, RecursionError) as error:
            raise ConfigError("the request must hold key, corners, name and reviewer") from error
        answered = await run_in_threadpool(lambda: tester.answer(tester.find(key), corners, **given))
        return JSONResponse(plain(answered))

    return [
        Route("/classes", classes, methods=["GET"]),
        Route("/picture", picture, methods=["GET"]),
        Route("/regions", test, methods=["POST"]),
    ]
