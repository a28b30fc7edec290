"""Routes of the review server for regions that a reviewer draws and has tested by the model.

GET  /TOKEN/api/live/classes     classes whose probability can be watched
GET  /TOKEN/api/live/picture     ?key=CONTENT: what the model sees of a photo
POST /TOKEN/api/live/regions     {key, corners, name, reviewer, class_name}: the answer comes when the test is done
"""

from __future__ import annotations

from typing import Any, Protocol

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route

from bias_audit.errors import ConfigError
from bias_audit.files.text import parse_json
from bias_audit.run.json_values import plain


class Tester(Protocol):
    """Interface of what tests a region with the model; `pipeline.live_test.LiveModel` implements it.

    `class_names` are the classes of the run. `find` gives the id of the image with a content hash, `picture` a JPEG of
    what the model sees of an image, and `answer` tests a region of an image and keeps the result in the run.
    """

    @property
    def class_names(self) -> tuple[str, ...]: ...

    def find(self, key: str) -> str: ...

    def picture(self, image_id: str) -> bytes: ...

    def answer(self, image_id: str, corners: Any, name: str, reviewer: str, class_name: str) -> dict[str, Any]: ...


def region_routes(tester: Tester) -> list[BaseRoute]:
    """Routes for `server.create_app`; a wrong request raises a `BiasAuditError` whose message the page shows."""

    def classes(request: Request) -> Response:
        return JSONResponse({"classes": list(tester.class_names)})

    def picture(request: Request) -> Response:
        return Response(tester.picture(tester.find(request.query_params.get("key", ""))), media_type="image/jpeg")

    async def test(request: Request) -> Response:
        try:
            asked = parse_json((await request.body()).decode(), ConfigError, "it is")
            given = {name: str(asked.get(name) or "") for name in ("name", "reviewer", "class_name")}
            key, corners = str(asked["key"]), asked["corners"]
        except (ConfigError, ValueError, KeyError, AttributeError, TypeError) as error:
            raise ConfigError("the request must hold key, corners, name and reviewer") from error
        answered = await run_in_threadpool(lambda: tester.answer(tester.find(key), corners, **given))
        return JSONResponse(plain(answered))

    return [
        Route("/classes", classes, methods=["GET"]),
        Route("/picture", picture, methods=["GET"]),
        Route("/regions", test, methods=["POST"]),
    ]
