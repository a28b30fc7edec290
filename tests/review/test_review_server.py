"""The review server: who is let in, what is stored, and that no request reaches a file."""

from __future__ import annotations

import html
import json
from pathlib import Path
from typing import Any

import pytest
from made_run import HUSKY, NAMES, Parts, info, made_parts, write_parts
from starlette.testclient import TestClient

from bias_audit.errors import ResultError
from bias_audit.review.access import HEADERS, MOST_BODY
from bias_audit.review.decisions import FILE, Decision, add, read_decisions
from bias_audit.review.server import create_app
from bias_audit.run.identity import cue_key, finding_id
from bias_audit.run.result import load

TOKEN, HOST = "t0k-en_" * 4, "http://127.0.0.1:8000"
ORIGIN = {"Origin": HOST}
API = f"/{TOKEN}/api"


def reviewed_parts() -> Parts:
    """Two images of known content, and a recurring cue without a finding."""
    parts = made_parts()
    parts.images[0]["content"], parts.images[1]["content"] = "0" * 16, "1" * 16
    parts.info = info(content="da7a" * 16)
    parts.cues = [{"cue_id": "husky-abc123", "class_name": HUSKY, "n": 3}]  # type: ignore[attr-defined]
    return parts


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return write_parts(reviewed_parts(), tmp_path / "run")


@pytest.fixture
def client(run: Path) -> TestClient:
    return TestClient(create_app(run, TOKEN), base_url=HOST, follow_redirects=False)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    """A server for requests that are refused."""
    run = write_parts(reviewed_parts(), tmp_path_factory.mktemp("closed") / "run")
    return TestClient(create_app(run, TOKEN), base_url=HOST, follow_redirects=False)


@pytest.fixture
def key(run: Path) -> str:
    """Of the worst finding."""
    result = load(run)
    return finding_id(result.found()[0], result)


def said(key: str, **changes: Any) -> dict[str, Any]:
    return {"target_key": key, "verdict": "bias", "reviewer": "Ada", "note": "", "expires": "", **changes}


def post(client: TestClient, path: str, body: Any, **headers: str) -> Any:
    return client.post(f"{API}/{path}", json=body, headers={**ORIGIN, **headers})


def test_the_page_is_the_report_that_may_ask_its_server(client: TestClient):
    answer = client.get(f"/{TOKEN}/")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert f'"api": "{API}"' in answer.text
    assert "connect-src 'self'" in html.unescape(answer.text)
    assert answer.headers["content-security-policy"].startswith("frame-ancestors 'none'")
    assert client.get(f"/{TOKEN}").text == answer.text


def test_a_decision_is_in_the_run_when_it_is_answered(client: TestClient, run: Path, key: str):
    answer = post(client, "decisions", said(key, verdict="legitimate context", note="snow", expires="2027-01-31"))
    assert answer.status_code == 200
    (kept,) = read_decisions(run)
    assert answer.json()["decision"] == json.loads(json.dumps(kept.__dict__))
    assert (kept.target_kind, kept.target_key, kept.subject, kept.code) == ("finding", key, HUSKY, "BA201")
    assert (kept.measured, kept.low, kept.high, kept.expires) == (0.75, 0.25, 0.9, "2027-01-31")
    listed = client.get(f"{API}/decisions").json()
    assert (listed["data"], listed["lost"]) == ("da7a" * 16, [])
    assert [each["note"] for each in listed["targets"][key]] == ["snow"]
    assert client.get(f"{API}/decisions", params={"since": listed["version"]}).json()["targets"] == {}


def test_images_are_kept_by_content_and_cues_by_their_key(client: TestClient, run: Path):
    result = load(run)
    for name in ("1" * 16, "husky-abc123", f"husky/{NAMES[2]}"):
        assert post(client, "decisions", said(name)).status_code == 200
    kept = {(each.target_kind, each.target_key, each.subject) for each in read_decisions(run)}
    assert kept == {
        ("image", "1" * 16, f"husky/{NAMES[1]}"),
        ("cue", cue_key("husky-abc123", result), f"cue 1 of {HUSKY}"),
        ("image", f"husky/{NAMES[2]}", f"husky/{NAMES[2]}"),
    }


def test_undo_and_history(client: TestClient, run: Path, key: str):
    post(client, "decisions", said(key))
    post(client, "decisions", said(key, verdict="wrong mask"))
    post(client, "decisions", said(key, reviewer="Bob"))
    assert post(client, "undo", {"target_key": key, "reviewer": "Ada"}).json()["undone"]["verdict"] == "wrong mask"
    assert [(each.reviewer, each.verdict) for each in read_decisions(run)] == [("Ada", "bias"), ("Bob", "bias")]
    events = client.get(f"{API}/history", params={"target": key}).json()["events"]
    assert [(event["decision"]["verdict"], bool(event["withdrawn"])) for event in events] == [
        ("bias", False),
        ("wrong mask", True),
        ("bias", False),
    ]
    assert post(client, "undo", {"target_key": "nothing", "reviewer": "Ada"}).json() == {"undone": None}


def test_a_repeated_request_is_stored_once(client: TestClient, run: Path, key: str):
    for _ in range(2):
        assert post(client, "decisions", said(key, id="0123456789abcdef")).status_code == 200
    assert len(client.get(f"{API}/history", params={"target": key}).json()["events"]) == 1


def test_exports(client: TestClient, key: str):
    post(client, "decisions", said(key, note="<b>"))
    document = client.get(f"{API}/export.json")
    assert document.headers["content-disposition"] == 'attachment; filename="decisions.json"'
    assert document.json()["decisions"][0]["note"] == "<b>"
    table = client.get(f"{API}/export.csv")
    assert table.headers["content-type"] == "text/csv; charset=utf-8"
    assert table.text.splitlines()[1].startswith(f"finding,{key},bias,<b>,Ada,")


def test_what_is_no_longer_found_is_kept_and_named(client: TestClient, run: Path):
    add(run, Decision("finding", "gone", "bias", reviewer="Ada"))
    listed = client.get(f"{API}/decisions").json()
    assert (listed["lost"], len(listed["targets"]["gone"])) == (["gone"], 1)


def test_the_run_is_read_again_when_it_was_written_again(client: TestClient, run: Path, key: str):
    first = client.get(f"/{TOKEN}/").text
    parts = reviewed_parts()
    parts.verdict = "SUSPICIOUS: another sentence."
    parts.outcomes = parts.outcomes[4:]
    write_parts(parts, run)
    assert "nother sentence" in client.get(f"/{TOKEN}/").text
    assert "nother sentence" not in first
    refused = post(client, "decisions", said(key))
    assert (refused.status_code, "no such finding" in refused.json()["error"]) == (400, True)
    (run / "audit.json").unlink()
    assert client.get(f"/{TOKEN}/").status_code == 503


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/api/decisions",
        f"/{TOKEN[:-1]}/",
        f"/{TOKEN}x/",
        f"/{TOKEN.upper()}/",
        f"//{TOKEN}/",
        f"/x/{TOKEN}/",
        "/wölf/",
    ],
)
def test_without_the_token_there_is_nothing(closed: TestClient, path: str):
    answer = closed.get(path)
    assert answer.status_code == 404
    assert "husky" not in answer.text


@pytest.mark.parametrize("host", ["evil.example", "evil.example:8000", "127.0.0.1", "127.0.0.1:8001", "[::1]:8000", ""])
def test_another_host_name_is_refused(closed: TestClient, host: str):
    assert closed.get(f"/{TOKEN}/", headers={"Host": host}).status_code == 421
    assert post(closed, "decisions", said("k"), Host=host).status_code == 421


def test_localhost_is_this_machine(client: TestClient, key: str):
    name = "localhost:8000"
    assert client.get(f"/{TOKEN}/", headers={"Host": name}).status_code == 200
    assert post(client, "decisions", said(key), Host=name, Origin=f"http://{name}").status_code == 200
    assert post(client, "decisions", said(key), Host=name).status_code == 403


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": ""},
        {"Origin": "https://127.0.0.1:8000"},
        {"Origin": "http://127.0.0.1:8001"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Sec-Fetch-Site": "none"},
    ],
)
@pytest.mark.parametrize("path", ["decisions", "undo"])
def test_another_page_cannot_write(client: TestClient, run: Path, key: str, path: str, headers: dict[str, str]):
    assert post(client, path, said(key), **headers).status_code == 403
    assert not (run / FILE).exists()


def test_a_form_cannot_write(client: TestClient, run: Path, key: str):
    for kind in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        answer = client.post(
            f"{API}/decisions", content=json.dumps(said(key)), headers={**ORIGIN, "Content-Type": kind}
        )
        assert answer.status_code == 415
    assert client.post(f"{API}/decisions", json=said(key)).status_code == 403  # no origin at all
    assert not (run / FILE).exists()


def test_another_page_cannot_read(client: TestClient):
    for mode in ("no-cors", "cors"):
        headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": mode}
        assert client.get(f"{API}/decisions", headers=headers).status_code == 403
    link = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    assert client.get(f"/{TOKEN}/", headers=link).status_code == 200
    options = client.options(f"{API}/decisions", headers={**ORIGIN, "Access-Control-Request-Method": "POST"})
    assert options.status_code in (403, 405, 415)
    assert not [name for name in options.headers if name.lower().startswith("access-control")]


TRAVERSALS = (
    "/../audit.json", "/%2e%2e/audit.json", "/..%2faudit.json", "/audit.json", "//audit.json", "/api/../../audit.json",
    "/api/export.json/../../../audit.json", "/api/export.sqlite", "/decisions.sqlite", "/api/..%5c..%5caudit.json",
    "/api/history/..", "/%00", "/api/live/picture", "//etc/passwd", "/file:///etc/passwd", "/\N{FULLWIDTH FULL STOP}/",
)  # fmt: skip


@pytest.mark.parametrize("path", TRAVERSALS)
def test_no_path_leads_to_a_file(closed: TestClient, path: str):
    answer = closed.get(f"{HOST}/{TOKEN}{path}")
    assert answer.status_code in (404, 405), answer.text[:200]
    assert answer.text in ("Not Found", "Method Not Allowed") or "Not found" in answer.text


@pytest.mark.parametrize("key", ["../../etc/passwd", "/etc/passwd", "\x00", "x" * 5000])
def test_a_key_is_looked_up_and_never_opened(closed: TestClient, key: str):
    assert post(closed, "decisions", said(key)).status_code == 400
    assert closed.get(f"{API}/history", params={"target": key}).json() == {"events": []}


@pytest.mark.parametrize(
    ("body", "said_"),
    [
        (b"{", "no JSON"),
        (b"[1]", "an object"),
        (b'{"target_key": "k", "subject": "forged"}', "an object"),
        (b'{"target_key": ["k"]}', "no such finding"),
        (b'{"target_key": "husky-abc123", "verdict": "bias"}', "who decided"),
        (b'{"target_key": "husky-abc123", "verdict": "bias", "reviewer": {"a": 1}}', "must be text"),
        (b'{"target_key": "husky-abc123", "verdict": "x", "reviewer": "Ada"}', "verdict"),
        (b"\xff\xfe", "no JSON"),
    ],
)
def test_a_wrong_request_is_one_sentence(client: TestClient, run: Path, body: bytes, said_: str):
    headers = {**ORIGIN, "Content-Type": "application/json"}
    answer = client.post(f"{API}/decisions", content=body, headers=headers)
    assert answer.status_code == 400
    assert said_ in answer.json()["error"]
    assert not (run / FILE).exists()


def test_sizes_and_numbers_are_bounded(client: TestClient):
    assert post(client, "decisions", said("k", note="x" * MOST_BODY)).status_code == 413
    for since in ("-1", "x", "\N{SUPERSCRIPT TWO}", "9" * 30):
        assert client.get(f"{API}/decisions", params={"since": since}).status_code == 400


def test_every_answer_carries_the_headers(client: TestClient, key: str):
    answers = [
        client.get(f"/{TOKEN}/"),
        client.get(f"{API}/decisions"),
        client.get("/"),
        client.get(f"/{TOKEN}/nothing"),
        client.get(f"/{TOKEN}/", headers={"Host": "evil"}),
        post(client, "decisions", said(key)),
        post(client, "decisions", said("nothing")),
    ]
    for answer in answers:
        for name, value in HEADERS.items():
            if name != b"content-security-policy":
                assert answer.headers[name.decode()] == value.decode()
        assert "frame-ancestors 'none'" in answer.headers["content-security-policy"]
        assert "access-control-allow-origin" not in answer.headers


def test_a_store_that_cannot_be_used_is_told_at_once_and_later(client: TestClient, run: Path, key: str):
    (run / FILE).write_bytes(b"damage" * 1000)
    answer = post(client, "decisions", said(key))
    assert (answer.status_code, "is damaged" in answer.json()["error"]) == (503, True)
    with pytest.raises(ResultError, match="is damaged"):
        create_app(run, TOKEN)
