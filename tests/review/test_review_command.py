"""`bias-audit review` without its server: import, export, another run's decisions, and what is said when it cannot."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import httpx
import pytest
from made_run import HUSKY, info, made_parts, write_parts

from bias_audit.cli import main
from bias_audit.errors import ConfigError
from bias_audit.review.decisions import FILE, Decision, add, history, read_decisions
from bias_audit.review.server import bind
from bias_audit.review.targets import neighbours
from bias_audit.run.identity import finding_id
from bias_audit.run.result import load

DATA = "da7a" * 16


def made(folder: Path, data: str = DATA) -> Path:
    parts = made_parts()
    parts.info = info(content=data)
    return write_parts(parts, folder)


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return made(tmp_path / "run")


def decide(run: Path, reviewer: str = "Ada") -> Decision:
    result = load(run)
    outcome = result.found()[0]
    decision = Decision("finding", finding_id(outcome, result), "bias", reviewer=reviewer, subject=HUSKY)
    return add(run, decision, data=result.info.content)


def test_export_and_import(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = decide(run)
    for name in ("decisions.json", "decisions.csv"):
        file = tmp_path / name
        assert main(["review", str(run), "--export", str(file)]) == 0
        assert capsys.readouterr().out.strip() == str(file)
        other = made(tmp_path / f"for-{name}")
        assert main(["review", str(other), "--import", str(file)]) == 0
        assert "1 decisions, 1 of them new here" in capsys.readouterr().err
        assert read_decisions(other) == [kept]


def test_other_data_are_told_from_these(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    decide(run)
    file, other = tmp_path / "decisions.json", made(tmp_path / "other", "0123" * 16)
    main(["review", str(run), "--export", str(file)])
    assert main(["review", str(other), "--import", str(file)]) == 0
    said = capsys.readouterr().err
    assert "1 are about other data than this run's and were not taken: 'husky' (bias, Ada)" in said
    assert read_decisions(other) == []


def test_a_damaged_file_is_exit_2_and_one_sentence(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    decide(run)
    file = tmp_path / "decisions.json"
    main(["review", str(run), "--export", str(file)])
    capsys.readouterr()
    file.write_bytes(file.read_bytes()[:-20])
    other = made(tmp_path / "other")
    assert main(["review", str(other), "--import", str(file)]) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"bias-audit: {str(file)!r} holds no decisions that can be read: no JSON")
    assert "Traceback" not in said
    assert not (other / FILE).exists()


def test_a_new_run_on_the_same_data_takes_over(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    kept = decide(run)
    new = made(tmp_path / "new")
    export = ["--export", str(tmp_path / "all.json")]
    assert main(["review", str(new), "--from", str(run), *export]) == 0
    assert read_decisions(new) == [kept]
    assert main(["review", str(new), "--from", str(tmp_path / "nothing"), *export]) == 2
    assert "holds no decisions" in capsys.readouterr().err


def test_a_neighbour_with_decisions_is_offered(run: Path, tmp_path: Path):
    decide(run)
    new, other = made(tmp_path / "new"), made(tmp_path / "other", "0123" * 16)
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    (damaged / FILE).write_bytes(b"damage" * 1000)
    assert neighbours(load(new)) == [run]
    assert neighbours(load(other)) == []


SERVE = """
import sys
from bias_audit.review import server
def stop(app, opened, end): print("SERVED", flush=True)
server.serve = stop
from bias_audit.cli import main
sys.exit(main({arguments!r}))
"""


def served(*arguments: str) -> subprocess.CompletedProcess[str]:
    code = SERVE.format(arguments=["review", *arguments, "--no-browser"])
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


def test_a_killed_server_loses_nothing_that_it_answered(run: Path):
    result = load(run)
    key = finding_id(result.found()[0], result)
    command = [sys.executable, "-m", "bias_audit", "review", str(run), "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    headers = {"Origin": url[: url.index("/", 7)]}
    answered: list[str] = []

    def review(name: str) -> None:
        with contextlib.suppress(httpx.HTTPError), httpx.Client(headers=headers, timeout=30) as client:
            while True:
                body = {"target_key": key, "verdict": "bias", "reviewer": name, "note": str(len(answered))}
                answer = client.post(f"{url}api/decisions", json=body)
                answered.append(answer.raise_for_status().json()["decision"]["id"])

    reviewers = [threading.Thread(target=review, args=(name,)) for name in ("Ada", "Bob")]
    for thread in reviewers:
        thread.start()
    while len(answered) < 30 and process.poll() is None:
        time.sleep(0.01)
    process.kill()
    for thread in reviewers:
        thread.join(60)
    process.communicate()
    kept = {event.decision.id for event in history(run)}
    assert len(answered) >= 30
    assert set(answered) <= kept
    assert len(kept) <= len(answered) + 2


def test_what_is_no_longer_found_is_counted(run: Path):
    add(run, Decision("finding", "gone", "bias", reviewer="Ada"))
    decide(run)
    done = served(str(run), "--port", "0")
    assert done.returncode == 0, done.stderr
    assert "1 of 2 decisions are about what this run no longer finds; they are kept" in done.stderr
    address, last = done.stdout.splitlines()
    assert address.startswith("http://127.0.0.1:")
    assert len(address.split("/")[3]) >= 32
    assert last == "SERVED"


def test_missing_packages_are_one_sentence(run: Path):
    code = (
        "import sys\nsys.modules['starlette'] = None\nfrom bias_audit.cli import main\n"
        f"sys.exit(main(['review', {str(run)!r}, '--no-browser']))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 2
    assert "pip install 'bias-audit[review]'" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_taken_port_is_one_sentence(capsys: pytest.CaptureFixture[str], run: Path):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        assert main(["review", str(run), "--no-browser", "--port", str(port)]) == 2
        said = capsys.readouterr().err
        assert f"cannot listen on port {port}" in said
        with pytest.raises(ConfigError, match="cannot listen on port 70000"):
            bind(70000)


def test_the_server_is_reached_from_this_machine_only():
    with bind(0) as opened:
        assert opened.getsockname()[0] == "127.0.0.1"


def test_wrong_options(run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    assert main(["review", str(run), "--undecided"]) == 2
    assert "--undecided goes with --next" in capsys.readouterr().err
    assert main(["review", str(tmp_path / "none"), "--no-browser"]) == 2
    assert main(["review", str(run), "--export", str(tmp_path / "no" / "folder.json")]) == 2
    (run / FILE).write_bytes(b"damage" * 1000)
    capsys.readouterr()
    assert main(["review", str(run), "--no-browser"]) == 2
    assert "is damaged" in capsys.readouterr().err


def test_a_report_of_a_run_with_damaged_decisions_still_is_written(run: Path):
    (run / FILE).write_bytes(b"damage" * 1000)
    assert main(["report", str(run)]) == 0
    page = (run / "report.html").read_text(encoding="utf-8")
    start = page.index('id="decide">') + len('id="decide">')
    about = json.loads(page[start : page.index("</script>", start)])
    assert "is damaged" in about["damage"]
