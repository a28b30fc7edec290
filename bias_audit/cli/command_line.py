"""The entry point of the command line: `main` parses the arguments, runs the command and returns the exit code.

Each command imports what it needs inside its function, so that `gate` never loads TensorFlow.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections.abc import Callable, Sequence

import bias_audit
from bias_audit import packages, users_code
from bias_audit.checks import registry
from bias_audit.cli import (
    audit,
    benchmark,
    compare,
    completion,
    composites,
    data,
    demo,
    explain,
    gate,
    history,
    inspect,
    merge,
    name,
    repair,
    report,
    rescore,
    review,
    rule,
    status,
)
from bias_audit.cli.options import EXIT_CODES
from bias_audit.cli.parser import Parser
from bias_audit.cli.pipes import readers_may_leave
from bias_audit.errors import BiasAuditError
from bias_audit.limits.watchdog import late_calls_end_the_process
from bias_audit.run.printable import printable

EXIT_BAD_INPUT, EXIT_BUG, EXIT_INTERRUPTED = 2, 101, 130

COMMANDS = (
    data, inspect, explain, composites, merge, status, gate, report, rule, review, repair, compare, history, rescore,
    name, demo, benchmark, completion,
)  # fmt: skip
"""Modules of the commands, in the order in which the help lists them after `audit`."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code, see `options.EXIT_CODES`.

    Args:
        arguments: the arguments without the program's name; None = those of the process.
    """
    with readers_may_leave(), late_calls_end_the_process():
        return _run(arguments)


def _run(arguments: Sequence[str] | None) -> int:
    """Run a command, and turn every exception into an exit code; no other function catches all exceptions."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    try:
        options = _parser(given).parse_args(given)
        users_code.search_working_folder()
        run: Callable[[argparse.Namespace], int] = options.run
        # A user's classes run wherever the model does: one that ends the program must not end it with exit code 0.
        with users_code.running("a module ended the command before it was done", exits_only=True):
            code = run(options)
        sys.stdout.flush()  # here, where it may fail
        return code
    except BiasAuditError as error:
        from bias_audit.cli.console import show_error

        show_error(error)
        return EXIT_BAD_INPUT
    except ImportError as error:
        if (told := packages.sentence(error, f"bias-audit {given[0]}")) is None:
            return _bug()
        from bias_audit.cli.console import show_error

        show_error(told)
        return EXIT_BAD_INPUT
    except OSError as error:
        # A path that the system refuses (no permission, a name too long) is no bug; nothing else names a file.
        if error.filename is None or error.errno is None:
            return _bug()
        print(f"bias-audit: cannot use {printable(repr(error.filename))}: {error.strerror}", file=sys.stderr)
        return EXIT_BAD_INPUT
    except KeyboardInterrupt:
        print("\nbias-audit: interrupted; continue an audit with --resume", file=sys.stderr)
        return EXIT_INTERRUPTED
    except Exception:
        return _bug()


def _bug() -> int:
    print(printable(traceback.format_exc(), lines=True), end="", file=sys.stderr)
    print("bias-audit: this is a bug in bias-audit, not in your data; please report it", file=sys.stderr)
    return EXIT_BUG


def _parser(given: Sequence[str]) -> argparse.ArgumentParser:
    """The parser of all commands; for `audit`, checks of other packages are imported, since they add options."""
    parser: argparse.ArgumentParser = Parser(
        prog="bias-audit",
        description="Does an image classifier look at the object, or at the background? Audit it before you trust it.",
        epilog=EXIT_CODES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"bias-audit {bias_audit.__version__}")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    is_audit = given[:1] == ["audit"]
    audit.add(commands, registry.every() if is_audit else registry.CHECKS, given if is_audit else ())
    for command in COMMANDS:
        command.add(commands)
    return parser


def every_command() -> argparse.ArgumentParser:
    """The parser of all commands, with the options of installed checks of other packages."""
    return _parser(["audit"])


if __name__ == "__main__":
    raise SystemExit(main())
