"""The parser of the command line: a usage error is one sentence, and a misspelt name is told the nearest one."""

from __future__ import annotations

import argparse
import difflib
import sys
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

from bias_audit.run.printable import printable


class Parser(argparse.ArgumentParser):
    """A parser whose errors are a sentence that can be printed, whatever was typed, and the way to the help.

    The usage is not printed before it, as argparse does: that of `audit` fills a screen.
    """

    def error(self, message: str) -> NoReturn:
        print(printable(f"{self.prog}: {message}"), file=sys.stderr)
        print(f"\n`{self.prog} --help` says how it is used.", file=sys.stderr)
        self.exit(2)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, after a look for a command or an option that does not exist; the subparsers are asked by this too."""
        given = list(sys.argv[1:] if args is None else args)
        commands = next((each for each in self._actions if isinstance(each, argparse._SubParsersAction)), None)
        self._refuse_unknown_options(given, ends_at_a_word=commands is not None)
        word = next((each for each in given if not each.startswith("-")), None)
        if commands is not None and word is not None and word not in commands.choices:
            self.error(f"no command {word!r}{did_you_mean(word, commands.choices)}")
        return super().parse_known_args(given, namespace)

    def _refuse_unknown_options(self, given: Sequence[str], *, ends_at_a_word: bool) -> None:
        """Refuse a long option that is none, by argparse's own rules: a beginning will do, and "--" ends the options.

        argparse itself looks at the words first, and blames a missing DATA for a misspelt option.
        """
        known = list(self._option_string_actions)
        for word in given:
            if word == "--" or (ends_at_a_word and not word.startswith("-")):
                return
            option = word.partition("=")[0]
            if option.startswith("--") and " " not in word and not any(each.startswith(option) for each in known):
                self.error(f"no option {option!r}{did_you_mean(option, known)}")


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """The end of a sentence about an unknown word: "; did you mean audit?", or nothing where none is near."""
    close = difflib.get_close_matches(word, list(known), 1)
    return f"; did you mean {close[0]}?" if close else ""
