"""Formats of the gate, read back by readers and schemas that are not ours."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import jsonschema
import junitparser
import pytest
import xmlschema
from gate_rows import HOSTILE, gate, hostile, number, one_of_each, row

from bias_audit.checks.rule_texts import explain_rule
from bias_audit.errors import ConfigError
from bias_audit.gate import FAILED, NOT_JUDGED, PASSED, STATUSES, WARNED, GateRow, read_gate, write_gate
from bias_audit.gate.formats import FILES, FORMATS, Place, place_of, write_format
from bias_audit.gate.formats.as_json import schema
from bias_audit.gate.formats.junit import junit
from bias_audit.gate.formats.markdown import LIMIT, markdown
from bias_audit.gate.formats.told import subject_of
from bias_audit.run.printable import printable

PLACE = Place(run="reports/mine")
GATES = {"one of each": one_of_each(), "hostile names": hostile(), "no rows": gate(), "all passed": gate(row(PASSED))}
JUNIT = xmlschema.XMLSchema(Path(__file__).with_name("junit.xsd"))


def junit_cases(text: str) -> dict[str, junitparser.TestCase]:
    return {case.name: case for suite in junitparser.JUnitXml.fromstring(text.encode()) for case in suite}


class TestEvery:
    @pytest.mark.parametrize("name", FORMATS)
    @pytest.mark.parametrize("given", GATES)
    def test_is_written_as_utf8_and_without_control_characters(self, name, given, tmp_path):
        """A terminal obeys ESC, and XML forbids it; JSON has its own escapes."""
        path = write_format(name, GATES[given], PLACE, tmp_path / "out")
        text = path.read_text(encoding="utf-8")
        assert not {sign for sign in text if ord(sign) < 32 and sign != "\n"} or name == "json"
        assert [entry.name for entry in tmp_path.iterdir()] == ["out"]

    def test_files_are_formats(self):
        assert set(FILES) < set(FORMATS)
        assert len(set(FILES.values())) == len(FILES)

    @pytest.mark.parametrize("given", GATES)
    @pytest.mark.parametrize("name", FORMATS)
    def test_no_command_for_a_terminal(self, name, given):
        text = FORMATS[name](GATES[given], PLACE)
        assert printable(text, lines=True) == text


class TestJson:
    @pytest.mark.parametrize("given", GATES)
    def test_fits_its_schema(self, given):
        content = json.loads(FORMATS["json"](GATES[given], PLACE))
        jsonschema.Draft202012Validator.check_schema(schema())
        jsonschema.validate(content, schema(), jsonschema.Draft202012Validator)
        assert [item["sentence"] for item in content["rows"]] == [each.sentence for each in GATES[given].rows]
        assert content["exit_code"] == GATES[given].exit_code

    def test_the_schema_knows_every_field_and_status(self):
        form = schema()["$defs"]["row"]
        assert list(form["properties"]) == [field.name for field in dataclasses.fields(GateRow)]
        assert set(form["properties"]["status"]["enum"]) == set(STATUSES)
        assert set(schema()["properties"]["counts"]["required"]) == {*STATUSES, "ignored"}

    @pytest.mark.parametrize("wrong", [{"status": "green"}, {"measured": "0.5"}, {"line": -1}, {"check": ""}])
    def test_the_schema_refuses_what_is_wrong(self, wrong):
        content = json.loads(FORMATS["json"](one_of_each(), PLACE))
        content["rows"][0] |= wrong
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(content, schema(), jsonschema.Draft202012Validator)


class TestJunit:
    @pytest.mark.parametrize("given", GATES)
    def test_fits_the_schema_of_jenkins(self, given):
        JUNIT.validate(junit(GATES[given], PLACE))

    def test_the_schema_refuses_what_is_wrong(self):
        assert not JUNIT.is_valid(junit(one_of_each(), PLACE).replace('time="0"', 'seconds="0"'))

    @pytest.mark.parametrize("given", ["one of each", "hostile names", "all passed"])
    def test_another_reader_finds_every_check_once(self, given):
        text = junit(GATES[given], PLACE)
        read = junitparser.JUnitXml.fromstring(text.encode())
        rows = GATES[given].rows
        assert sum(suite.tests for suite in read) == len(rows) == len(junit_cases(text))
        assert sum(suite.failures for suite in read) == sum(each.status == FAILED for each in rows)
        assert sum(suite.skipped for suite in read) == sum(each.status in ("not judged", "waived") for each in rows)

    def test_what_stands_in_a_case(self):
        cases = junit_cases(junit(one_of_each(), Place(file="ci/gate.toml")))
        (failure,) = cases["BA201 prediction follows the background: wolf"].result
        assert isinstance(failure, junitparser.Failure)
        assert (failure.type, failure.message) == ("SUSPICIOUS", "SUSPICIOUS: What happened.")
        assert "Asked for by ci/gate.toml, line 7." in failure.text
        assert explain_rule("BA201").repair in failure.text
        assert "bias-audit rule BA201" in failure.text
        (skipped,) = cases["BA204 images that depend on their background more than their class: wolf"].result
        assert isinstance(skipped, junitparser.Skipped)
        assert skipped.message == "not judged: Not enough photos: 10, 20 needed."
        (waived,) = cases["BA302 recurring cue that moves the prediction: snow (wolf-1)"].result
        assert waived.message == "waived: Dr. Ada, until 2027-01-01: wolves live in snow"
        warned = cases["BA101 attention on the background, compared with the other classes: wolf"]
        assert warned.is_passed
        assert warned.system_out.startswith("Warning: SUSPICIOUS: What happened.")
        assert cases["min_accuracy: the data set"].result
        assert cases["BA201 prediction follows the background: husky"].is_passed

    @pytest.mark.parametrize("rows", [(), (row(NOT_JUDGED, subject="husky"),)])
    def test_nothing_judged_is_a_failure(self, rows):
        cases = junit_cases(junit(gate(*rows, passed=False, summary="Nothing was judged."), PLACE))
        assert len(cases) == 1 + len(rows)
        (failure,) = cases["judged: run"].result
        assert (failure.type, failure.message) == ("nothing was judged", "Nothing was judged.")

    def test_a_bound_to_fail_and_one_to_warn_are_two_cases(self):
        cases = junit_cases(junit(gate(number(), number(WARNED), number(scope="dataset")), PLACE))
        assert set(cases) == {"min_accuracy: wolf", "min_accuracy: wolf (2)"}

    def test_hostile_names_come_back(self):
        text = junit(gate(row(subject=HOSTILE)), PLACE)
        (name,) = junit_cases(text)
        assert name.startswith(
            "BA201 prediction follows the background: wolf\\x1b[31m\\x00 <b>&\"'|`* ::error::x](http"
        )
        assert name.endswith("ünï\N{WOLF FACE}")


class TestMarkdown:
    def test_every_status_has_its_section(self):
        text = markdown(one_of_each(), PLACE)
        for part in (
            "### Failed (2)",
            "### Warnings (1)",
            "<details><summary>Not judged (1)</summary>",
            "### Waived (1)",
            "Passed (1)</summary>",
        ):
            assert part in text
        assert "Waived: Dr. Ada, until 2027-01-01: wolves live in snow" in text
        assert "### Gone since the baseline\n\n- BA201 of fox is gone." in text
        assert "### Notes\n\n- A waiver runs out." in text
        assert "Compared with <code>runs/old</code>." in text
        assert f"prediction follows the background</summary>\n\n{explain_rule('BA201').repair}\n" in text
        assert "What to do about BA101" not in text, "help for what failed"

    def test_names_stay_text(self):
        for line in markdown(hostile(), PLACE).splitlines():
            if line.startswith("| ") and "wolf" in line:
                assert line.count("|") == 7
                assert not set("<`*[]") & set(line)

    def test_a_row_says_the_rule_and_its_number_in_words(self):
        lines = markdown(one_of_each(), PLACE).splitlines()
        assert (
            "| wolf | prediction follows the background (BA201) | background gap 76 pp &#91;53 to 99&#93; | 5 pp "
            "| SUSPICIOUS: What happened. |  |"
        ) in lines
        assert any(line.startswith("| husky | prediction follows the background (BA201) |") for line in lines), "passed"
        assert any(line.startswith("| cue snow (wolf-1) | recurring cue that moves") for line in lines)
        assert any(line.startswith("| the data set | min&#95;accuracy | 76% &#91;53 to 99&#93; |") for line in lines)

    def test_report_and_picture_are_named_where_they_are(self, tmp_path):
        run = tmp_path / "a `run`"
        run.mkdir()
        assert "Report:" not in markdown(one_of_each(), place_of(one_of_each(), run))
        for name in ("report.html", "strip.png"):
            (run / name).touch()
        text = markdown(one_of_each(), place_of(one_of_each(), run))
        assert f"Report: <code>{tmp_path}/a &#96;run&#96;/report.html</code>" in text.replace("&#95;", "_")
        assert "strip.png" not in text, "a text that lies elsewhere does not see it"
        write_gate(run, one_of_each())
        assert "](strip.png)\n" in (run / "gate.md").read_text(encoding="utf-8")

    def test_a_step_summary_is_never_too_large(self):
        """GitHub drops one above 1 MiB as a whole."""
        rows = [row(subject=f"class {i}", sentence="ü" * 20_000) for i in range(150)]
        text = markdown(gate(*rows), PLACE)
        assert 100_000 < len(text.encode()) <= LIMIT < 2**20
        assert "more, see gate.json" in text
        assert "### Failed (150)" in text


class TestGithub:
    def test_lines_of_the_runner(self):
        text = FORMATS["github"](one_of_each(), Place(file="ci/a,b:c.toml"))
        assert text.splitlines() == [
            "::error file=ci/a%2Cb%3Ac.toml,line=7,title=BA201 prediction follows the background%3A wolf::"
            "SUSPICIOUS: What happened.",
            "::error file=ci/a%2Cb%3Ac.toml,line=12,title=min_accuracy%3A the data set::"
            "Accuracy is 80%25; at least 90%25 is required.",
            "::warning file=ci/a%2Cb%3Ac.toml,line=7,title=BA101 attention on the background%2C compared with the "
            "other classes%3A wolf::SUSPICIOUS: What happened.",
        ]

    def test_nothing_judged_is_an_error(self):
        text = FORMATS["github"](gate(row(NOT_JUDGED), passed=False, summary="Nothing was judged."), PLACE)
        assert text == "::error file=gate.toml,line=1,title=judged%3A run::Nothing was judged.\n"
        assert FORMATS["github"](gate(row(PASSED)), PLACE) == ""

    def test_a_default_is_put_at_the_first_line(self):
        assert "line=1," in FORMATS["github"](gate(row(line=0)), PLACE)

    def test_text_is_escaped_as_the_toolkit_does_it(self):
        (line,) = FORMATS["github"](gate(row(sentence="50 %\r\nof a, b: c")), PLACE).splitlines()
        assert line.endswith("::50 %25 of a, b: c")

    def test_hostile_names_give_no_command_of_their_own(self):
        lines = FORMATS["github"](hostile(), PLACE).splitlines()
        assert len(lines) == 3
        assert all(line.startswith(("::error file=gate.toml,", "::warning file=gate.toml,")) for line in lines)
        # A command ends its properties at the first "::" after the space.
        assert all(line.split(" ", 1)[1].index("::") > line.index("title=") for line in lines)
        assert all("%3A%3Aerror%3A%3Ax" in line.split("::")[1] for line in lines)

    @pytest.mark.parametrize(("failed", "lines"), [(0, 0), (10, 10), (11, 10), (300, 10)])
    def test_no_more_than_are_shown(self, failed, lines):
        text = FORMATS["github"](gate(*(row(subject=f"c{i}") for i in range(failed)), row(WARNED)), PLACE)
        errors = [line for line in text.splitlines() if line.startswith("::error ")]
        assert len(errors) == lines
        assert len(text.splitlines()) == lines + 1
        if failed > lines:
            assert f"title={failed - 9} more::See gate.json: BA201 c9, BA201 c10" in errors[-1]


@pytest.fixture
def repo(tmp_path, monkeypatch):
    """A repository in which the working folder is `ci`."""
    (tmp_path / "repo" / ".git").mkdir(parents=True)
    (tmp_path / "repo" / "ci").mkdir()
    monkeypatch.chdir(tmp_path / "repo" / "ci")
    monkeypatch.delenv("GITHUB_WORKFLOW_REF", raising=False)
    return tmp_path / "repo"


class TestPlace:
    def test_is_the_gate_file_from_the_repository_root(self, repo):
        for name in ("gate.toml", "ci/my gate.toml"):
            (repo / name).touch()
        assert of("my gate.toml") == Place("ci/my gate.toml", True)
        assert of("my gate.toml").uri() == "ci/my%20gate.toml"
        assert of(str(repo / "gate.toml")) == Place("gate.toml", True)
        assert of("/elsewhere/gate.toml") == Place("gate.toml", False), "its lines are those of another file"
        assert place_of(gate()) == Place("gate.toml", False)

    def test_is_taken_from_the_working_folder_without_a_repository(self, tmp_path, monkeypatch):
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "gate.toml").touch()
        monkeypatch.chdir(tmp_path)
        assert of("a/../a/gate.toml").file == "a/gate.toml"

    def test_is_where_the_gate_file_says(self, repo):
        file = repo / "ci" / "gate.toml"
        file.write_text('[output]\nat = "models/CARD.md"\nhelp_uri = "https://wiki.example/{code}"\n')
        asked = gate(row(line=7), config=read_gate(file))
        assert place_of(asked).file == "ci/gate.toml", "CI shows nothing at a file that is not there"
        (repo / "models").mkdir()
        (repo / "models" / "CARD.md").touch()
        place = place_of(asked, "reports/mine")
        assert place == Place("models/CARD.md", False, "reports/mine", "https://wiki.example/{code}")
        assert place.line(row(line=7)) == 1, "line 7 is one of the gate file"
        assert Place().line(row(line=7)) == 7

    def test_without_a_gate_file_is_the_workflow_that_runs_or_a_file_that_is_there(self, repo, monkeypatch):
        assert place_of(gate()).file == "gate.toml", "there is no file at all"
        (repo / "README.md").touch()
        assert place_of(gate()).file == "README.md"
        workflows = repo / ".github" / "workflows"
        workflows.mkdir(parents=True)
        (workflows / "background-bias.yml").touch()
        assert place_of(gate()).file == ".github/workflows/background-bias.yml"
        monkeypatch.setenv("GITHUB_WORKFLOW_REF", "me/mine/.github/workflows/models.yml@refs/heads/main")
        assert place_of(gate()).file == ".github/workflows/background-bias.yml", "a workflow of another repository"
        (workflows / "models.yml").touch()
        assert place_of(gate()).file == ".github/workflows/models.yml"

    @pytest.mark.parametrize(
        ("text", "said"),
        [
            ('at = "/etc/passwd"', r"line 2: \[output\] at must be a path from the repository's root"),
            ('at = "../x"', "must be a path from the repository's root"),
            ('help_uri = "https://wiki.example/"', r"line 2: \[output\] help_uri must be an address with {code} in it"),
            ('help_uri = "javascript:{code}"', "must be an address with {code} in it"),
            ("at = 3", "must be text"),
        ],
    )
    def test_a_wrong_place_is_refused_with_its_line(self, tmp_path, text, said):
        file = tmp_path / "gate.toml"
        file.write_text(f"[output]\n{text}\n")
        with pytest.raises(ConfigError, match=said):
            read_gate(file)

    def test_help_address(self):
        assert Place(help_uri="https://wiki.example/{code}#top").help("BA 201") == "https://wiki.example/BA%20201#top"
        assert Place().help("BA201") == ""


def of(source: str) -> Place:
    return place_of(gate(config=dataclasses.replace(read_gate(None), source=source)))


def test_subjects_for_people():
    assert subject_of(row(subject="wolf-1", cue="snow")) == "snow (wolf-1)"
    assert subject_of(row(scope="dataset", subject="")) == "the data set"
    assert subject_of(row(NOT_JUDGED, scope="run", subject="")) == "run"
