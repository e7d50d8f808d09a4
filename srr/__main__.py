"""python -m srr."""

from srr.cli import main

if __name__ == "__main__":
    main(prog_name="srr")
