"""`python -m srr.trace` is the command `srr-trace`."""

from srr.trace.cli import main

if __name__ == "__main__":
    main(prog_name="srr-trace")
