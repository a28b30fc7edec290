"""What is typed wrong ends in one sentence: a near name is told, and impossible values are told before any file is."""

from __future__ import annotations

from collections.abc import Callable

import pytest

Command = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("audti", "bias-audit: no command 'audti'; did you mean audit?"),
        ("nonsense m d", "bias-audit: no command 'nonsense'"),
        ("--verson", "bias-audit: no option '--verson'; did you mean --version?"),
        ("audit m d --overwite", "bias-audit audit: no option '--overwite'; did you mean --overwrite?"),
        ("audit m --maks=x", "bias-audit audit: no option '--maks'; did you mean --masks?"),
        ("gate --bsaeline old", "bias-audit gate: no option '--bsaeline'; did you mean --baseline?"),
        ("rule BA201 --x", "bias-audit rule: no option '--x'"),
        ("audit", "bias-audit audit: the following arguments are required: MODEL, DATA"),
        ("\x1b[2Jaudit", "bias-audit: no command '\\x1b[2Jaudit'; did you mean audit?"),
    ],
)
def test_a_misspelt_name_is_one_sentence(command: Command, typed: str, said: str) -> None:
    code, out, err = command(*typed.split())
    first, blank, hint, *more = err.split("\n")
    # repr() and `printable` may both escape, which changes the look of a control and nothing else
    assert first.replace("\\\\", "\\") == said
    assert (code, out, blank, more) == (2, "", "", [""])
    assert hint == f"`{said.partition(':')[0]} --help` says how it is used."


@pytest.mark.parametrize(
    "typed",
    [
        "gate nowhere --base old",
        "rule BA201 --",
        "review nowhere --reviewer=--odd",
        "audit nowhere nowhere --cluster patient",
    ],
)
def test_what_argparse_takes_is_still_taken(command: Command, typed: str) -> None:
    """A beginning of an option, the end of the options, a value that looks like an option, and a former name."""
    _, _, err = command(*typed.split())
    assert "no option" not in err


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("audit M D --sample 0", "--sample must be a number of at least 1, got 0"),
        ("audit M D --object-size 0", "--object-size must be a number of at least 1, got 0"),
        ("audit M D --segmenter magic", "segmenter must be auto, a .keras"),
        ("audit M D --preprocess no_module:f", "cannot import the preprocess function"),
        ("audit M D --method magic", "method must be one of"),
        ("audit M D --head relu", "head must be one of"),
        ("audit M D --mask-ignore -1", "a value of a mask must be at least 0, got -1"),
        ("audit M D --mask-foreground=-1", "a value of a mask must be at least 0, got -1"),
        ("audit M D --ignore BA999", "no rule BA999"),
        ("audit M D --resume --overwrite", "contradict"),
        ("audit M D --donors 0", "donors must be at least 1"),
        ("audit M D --image-size 0x3", "expected HEIGHTxWIDTH"),
        ("data D --sample 0", "--sample must be a number of at least 1, got 0"),
        ("composites D --out O --sample 0", "--sample must be a number of at least 1, got 0"),
        ("explain M P --style blue", "style must be one of"),
        ("rescore RUN --threshold mingap=1", "no threshold 'mingap'; did you mean min_gap?"),
        ("rescore RUN --ignore BA999", "no rule BA999"),
        ("review RUN --port 99999", "'99999' is no port"),
        ("gate RUN --format json --format junit", "only one format can be printed"),
        ("history RUN --out x.pdf", "has no ending that history writes"),
    ],
)
def test_options_are_checked_before_any_file_is(
    command: Command, tmp_path, monkeypatch: pytest.MonkeyPatch, typed: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)  # where none of the files exists
    code, _, err = command(*typed.split())
    assert (code, said in err) == (2, True), err
    assert not list(tmp_path.iterdir())
