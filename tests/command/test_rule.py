"""`bias-audit rule`: the texts on a terminal."""

from __future__ import annotations

from bias_audit.pipeline.judge import RULES


def test_without_a_code_all_rules_are_listed(command):
    code, out, _ = command("rule")
    assert code == 0
    lines = out.splitlines()
    assert [line.split()[0] for line in lines] == sorted(RULES)
    assert "BA201  prediction follows the background" in lines


def test_a_rule_is_explained(command):
    code, out, _ = command("rule", "ba201")
    assert code == 0
    assert out.startswith("BA201: prediction follows the background\n")
    for heading in ("WHAT IS DONE", "WHAT IS JUDGED", "A TRUE CASE", "A FALSE CASE", "WHAT TO DO", "SOURCE"):
        assert f"\n{heading}\n" in out
    assert "Xiao et al. 2021" in " ".join(out.split())


def test_an_unknown_rule_is_bad_input(command):
    code, out, err = command("rule", "BA2001")
    assert (code, out) == (2, "")
    assert "there is no rule 'BA2001'" in err
    assert "Did you mean BA201?" in err
