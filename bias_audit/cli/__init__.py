"""The command line: a file per command, and the console, which alone prints."""

from bias_audit.cli.command_line import main as main
