"""The command line: one file per command, and the module `console`, which shows results and errors.

The file of a command has two functions: `add` adds its parser with its options, and `run` carries it out and returns
the exit code.
"""

from bias_audit.cli.command_line import main as main
