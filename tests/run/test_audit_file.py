"""A run that was damaged, or that contradicts itself, is not read; nothing else is refused."""

from __future__ import annotations

import copy
import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_run import HOSTILE, HUSKY, WOLF, made_parts, write_parts

from bias_audit.errors import ResultError
from bias_audit.run.audit_schema import FORMAT_VERSION, audit_schema
from bias_audit.run.digests import content_digest
from bias_audit.run.json_schema import KEYWORDS, mismatch
from bias_audit.run.result import load, to_json

Content = dict[str, Any]
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_parts(made_parts(), tmp_path_factory.mktemp("made") / "run")


@pytest.fixture
def content(run: Path) -> Content:
    return json.loads((run / "audit.json").read_text(encoding="utf-8"))


def write(run: Path, content: Content, *, sealed: bool) -> None:
    if sealed:
        content["digest"] = content_digest(content)
    (run / "audit.json").write_text(json.dumps(content), encoding="utf-8")


@pytest.fixture
def refused(run: Path, content: Content) -> Any:
    """A function that changes audit.json and gives the sentence by which it is refused; the run is restored."""
    whole = (run / "audit.json").read_bytes()

    def change(how: Callable[[Content], Any], *, sealed: bool = True) -> str:
        how(content)
        write(run, content, sealed=sealed)
        with pytest.raises(ResultError) as error:
            load(run)
        return error.value.message

    yield change
    (run / "audit.json").write_bytes(whole)


# -- the schema -----------------------------------------------------------------------------


def test_the_published_schema_is_the_one_that_is_used() -> None:
    assert json.loads((ROOT / "docs" / "audit.schema.json").read_text()) == audit_schema()
    jsonschema.Draft202012Validator.check_schema(audit_schema())


def keywords(schema: Any) -> set[str]:
    if isinstance(schema, list):
        return set().union(*map(keywords, schema))
    if not isinstance(schema, dict):
        return set()
    inner = [*schema.get("properties", {}).values(), *(schema.get(name) for name in ("items", "additionalProperties"))]
    return set(schema).union(*map(keywords, inner))


def test_every_keyword_of_the_schema_is_looked_at() -> None:
    assert keywords(audit_schema()) - {"$schema", "title"} <= KEYWORDS


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.floats(-3, 3) | st.sampled_from(["", "a", "found"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3),
    max_leaves=6,
)
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 0}}, "required": ["a"]},
        {"type": "object", "properties": {"a": {}}, "additionalProperties": False},
        {"type": "object", "additionalProperties": {"type": ["number", "null"], "maximum": 1}},
        {"type": "object", "propertyNames": {"pattern": "^[ab]$"}},
        {"type": "array", "items": {"type": "boolean"}, "minItems": 1, "maxItems": 2},
        {"enum": ["found", None, 1]},
        {"type": "string", "minLength": 1, "pattern": "^f"},
        {"type": ["integer", "string"]},
    ]
)


@given(VALUES, SCHEMAS)
def test_a_value_fits_as_the_jsonschema_package_says(value: Any, schema: Content) -> None:
    whole = isinstance(value, float) and value.is_integer()  # 1.0 is an integer to JSON Schema; here types are told
    if not whole and "1.0" not in json.dumps(value) and ".0" not in json.dumps(value):
        assert (mismatch(value, schema) == "") == jsonschema.Draft202012Validator(schema).is_valid(value)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda c: c["outcomes"][3].update(level="SUSPICIUOS"), "outcomes[3].level must be one of CONTEXT"),
        (lambda c: c["outcomes"][3].update(status="foundd"), "outcomes[3].status must be one of found"),
        (lambda c: c["outcomes"][3].update(scope="klass"), "outcomes[3].scope must be one of"),
        (lambda c: c["outcomes"][3].update(p_value=2), "outcomes[3].p_value must be in 0..1"),
        (lambda c: c["outcomes"][3].pop("sentence"), "outcomes[3] lacks 'sentence'"),
        (lambda c: c["outcomes"][3].update(sentence=""), "outcomes[3].sentence must not be empty"),
        (lambda c: c["outcomes"][3].update(measured="0.75"), "outcomes[3].measured must be of type number or null"),
        (lambda c: c["info"].update(odd=1), "info.odd is not known"),
        (lambda c: c["info"].update(counts=[]), "info.counts must be of type object"),
        (lambda c: c["info"]["counts"].update(images=True), "info.counts.images must be of type integer"),
        (lambda c: c.update(classes={}), "classes must be of type array"),
        (lambda c: c["tables"].update({"../x.csv": ["0" * 64]}), "a key of tables must match"),
        (lambda c: c.update(format_version=True), "format_version must be a whole number"),
        (lambda c: c.update(format_version=0), "format_version must be a whole number"),
    ],
)
def test_a_wrong_type_or_word_is_named_with_its_place(refused: Any, how: Any, said: str) -> None:
    assert said in refused(how)


@pytest.mark.parametrize("text", ["[]", "1", "null", '"run"', "{}", "{", "", '{"a": NaN}', "[" * 100_000])
def test_what_is_no_run_is_one_sentence(run: Path, refused: Any, text: str) -> None:
    (run / "audit.json").write_text(text)
    with pytest.raises(ResultError, match=r"audit\.json"):
        load(run)


def test_a_newer_version_is_told_from_damage(refused: Any) -> None:
    assert "reads up to" in refused(lambda c: c.update(format_version=FORMAT_VERSION + 1))


# -- digests --------------------------------------------------------------------------------


def test_any_value_that_was_changed_afterwards_is_found(refused: Any) -> None:
    assert "does not have the digest" in refused(lambda c: c.update(verdict="All is well."), sealed=False)


def test_spaces_and_order_are_no_change(run: Path, content: Content) -> None:
    whole = (run / "audit.json").read_bytes()
    text = json.dumps(dict(reversed(content.items())), indent=7, ensure_ascii=True)
    (run / "audit.json").write_text(text, encoding="utf-8")
    assert load(run).digest == content["digest"]
    (run / "audit.json").write_bytes(whole)


def test_a_table_that_was_changed_or_lost_is_found(tmp_path: Path) -> None:
    run = write_parts(made_parts(), tmp_path / "run")
    file = run / "classes.parquet"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    with pytest.raises(ResultError, match=r"classes\.parquet' was changed after"):
        _ = load(run).classes
    file.write_bytes(whole)
    assert len(load(run).classes) == 3
    file.unlink()
    with pytest.raises(ResultError, match=r"the table 'classes\.parquet' is missing"):
        load(run)


def test_a_table_that_the_run_did_not_write_is_no_table_of_it(tmp_path: Path, content: Content) -> None:
    run = write_parts(made_parts(), tmp_path / "run")
    del content["tables"]["classes.parquet"]
    write(run, content, sealed=True)
    with pytest.raises(ResultError, match=r"classes\.parquet' is no file of the run"):
        _ = load(run).classes


def test_a_run_of_format_version_1_has_no_digests(run: Path, content: Content) -> None:
    whole = (run / "audit.json").read_bytes()
    write(
        run,
        {**{k: v for k, v in content.items() if k not in ("tables", "shards", "digest")}, "format_version": 1},
        sealed=False,
    )
    old = load(run)
    (run / "audit.json").write_bytes(whole)
    assert (old.digests, old.digest) == (None, "")
    assert to_json(old)["format_version"] == 1, "naming a cue must not vouch for files that nobody checked"


def test_removing_the_digest_makes_no_older_run(refused: Any) -> None:
    def strip(content: Content) -> None:
        del content["digest"]

    assert "lacks 'digest'" in refused(strip, sealed=False)


# -- contradictions -------------------------------------------------------------------------


def of(content: Content, code: str, subject: str) -> Content:
    (outcome,) = (each for each in content["outcomes"] if (each["code"], each["subject"]) == (code, subject))
    return outcome


def row(content: Content, name: str) -> Content:
    return next(each for each in content["classes"] if each["class_name"] == name)


def recount(content: Content, code: str, found: int, passed: int) -> None:
    counts = next(each for each in content["rules"] if each["code"] == code)
    counts.update(found=found, passed=passed, judged=found + passed)


def acquit(content: Content) -> None:
    """The finding becomes a pass, and everything that counts findings agrees."""
    of(content, "BA201", HUSKY).update(status="passed", level=None)
    recount(content, "BA201", 0, 2)
    content["level"] = "NO RELIANCE SHOWN"


def acquit_in_the_table_too(content: Content) -> None:
    acquit(content)
    row(content, HUSKY).update(p_fdr=0.9)


def convict(content: Content) -> None:
    of(content, "BA201", WOLF).update(status="found", level="SUSPICIOUS")
    recount(content, "BA201", 2, 0)


def lack_photos(content: Content) -> None:
    """A class passes that had too few photos for the correction."""
    row(content, WOLF).update(reliance_reason_code="too few images")


def disagree(content: Content) -> None:
    row(content, HUSKY).update(p_second_fill=0.2, fill_difference=0.5, fill_difference_low=0.1)


def show_one_fill(content: Content) -> None:
    """Confirmed by its cue, though the second fill does not show the gap."""
    row(content, HUSKY).update(p_second_fill=0.2, p_cue_lent_fdr=0.01, cue_lent_effect=0.2, cue_lent_low=0.1)
    of(content, "BA201", HUSKY).update(level="CONFIRMED")
    content["level"] = "CONFIRMED"


def delete_class(content: Content) -> None:
    content["classes"] = [each for each in content["classes"] if each["class_name"] != HOSTILE]
    content["info"]["class_names"].remove(HOSTILE)


def delete_class_and_outcomes(content: Content) -> None:
    delete_class(content)
    content["outcomes"] = [each for each in content["outcomes"] if each["subject"] != HOSTILE]
    for counts in content["rules"]:
        counts["not_judged"] = sum(
            each["code"] == counts["code"] and each["status"] not in ("found", "passed") for each in content["outcomes"]
        )


@pytest.mark.parametrize(
    ("how", "said"),
    [
        (lambda c: of(c, "BA201", HUSKY).update(level=None), "do not go together"),
        (lambda c: of(c, "BA201", WOLF).update(level="WATCH"), "do not go together"),
        (lambda c: of(c, "BA201", HUSKY).update(subject="fox"), "there is no class 'fox'"),
        (lambda c: c["rules"][0].update(found=3), "the counts per rule"),
        (lambda c: c["rules"].pop(), "the counts per rule"),
        (lambda c: c["outcomes"].pop(), "the counts per rule"),
        (lambda c: c.update(level="NO RELIANCE SHOWN"), "the outcomes say 'SUSPICIOUS'"),
        (lambda c: c["classes"].pop(), "is not listed once"),
        (lambda c: c["classes"].append(copy.deepcopy(c["classes"][0])), "is not listed once"),
        (lambda c: c["info"]["class_names"].append(HUSKY), "stands twice"),
        (lambda c: c["info"]["counts"].update(images=25), "the classes add up to 26"),
        (lambda c: c["info"]["statuses"]["status"].update(ok=23), "adds up to 25"),
        (lambda c: row(c, HUSKY).update(p_fdr=0.2), "the gap of the class table is no finding"),
        (lambda c: row(c, HUSKY).update(background_gap=0.7), "measured is 0.75"),
        (lambda c: of(c, "BA201", HUSKY).update(n=80), "n is 80"),
        (lambda c: (of(c, "BA201", HUSKY).update(level="HIDDEN"), c.update(level="HIDDEN")), "table says SUSPICIOUS"),
        (lambda c: row(c, HUSKY).update(attract_low=-0.1), "the class table says WATCH"),
        (acquit, "passed, and the gap of the class table is a finding"),
        (acquit_in_the_table_too, "p_value is"),
        (convict, "found, and the gap of the class table is no finding"),
        (lack_photos, "passed, and the class table says that it had too few photos"),
        (disagree, "found, and the class table says that the gap may come from the fill"),
        (show_one_fill, "level CONFIRMED, the class table says SUSPICIOUS"),
        (delete_class, f"there is no class {HOSTILE!r}"),
        (delete_class_and_outcomes, "the classes add up to 18"),
    ],
)
def test_a_run_that_contradicts_itself_is_not_read(refused: Any, how: Any, said: str) -> None:
    said_now = refused(how)
    assert said in said_now
    assert "contradicts itself" in said_now


def unjudged(content: Content, name: str) -> None:
    """Nothing is said of the class, and everything that counts what was judged agrees."""
    one = of(content, "BA201", name)
    found = one["status"] == "found"
    one.update(status="not applicable", level=None, measured=None, n=None, p_value=None)
    counts = next(each for each in content["rules"] if each["code"] == "BA201")
    counts["found" if found else "passed"] -= 1
    counts["judged"] -= 1
    counts["not_judged"] += 1
    if found:
        content["level"] = "NO RELIANCE SHOWN"


def fill_the_picture(content: Content) -> None:
    """Every object fills the picture, as an older version told it: with the level of an audit that lacks something."""
    for name in (HUSKY, WOLF, HOSTILE):
        one = of(content, "BA201", name)
        if one["status"] != "not applicable":
            unjudged(content, name)
        one.update(reason_code="object fills the frame")
        row(content, name).update(reliance_reason_code="object fills the frame", p_fdr=None)
    content["level"] = "NOT JUDGED"


def lower_for_estimates(content: Content) -> None:
    """Confirmed by its cue, and lowered because its masks are estimates."""
    row(content, HUSKY).update(p_second_fill=0.01, p_cue_lent_fdr=0.01, cue_lent_effect=0.2, cue_lent_low=0.1)
    content["info"]["mask_kind"] = "estimated"


@pytest.mark.parametrize(
    "how",
    [
        fill_the_picture,
        lower_for_estimates,
        lambda c: (fill_the_picture(c), c.update(level="OBJECT FILLS THE PICTURE")),
        lambda c: (unjudged(c, WOLF), lack_photos(c)),
        lambda c: (unjudged(c, HUSKY), disagree(c)),
    ],
)
def test_what_the_class_table_allows_is_read(run: Path, content: Content, how: Any) -> None:
    whole = (run / "audit.json").read_bytes()
    how(content)
    write(run, content, sealed=True)
    assert load(run).class_rows
    (run / "audit.json").write_bytes(whole)


def test_a_finding_of_the_class_table_cannot_be_left_unjudged(refused: Any) -> None:
    assert "not judged, and the class table has a finding" in refused(lambda c: unjudged(c, HUSKY))


def test_the_run_as_it_was_written_is_read(run: Path, content: Content) -> None:
    """Else every test above could pass by a refusal of everything."""
    result = load(run)
    assert to_json(result) == content
    assert to_json(dataclasses.replace(result, verdict="another"))["digest"] != content["digest"]
