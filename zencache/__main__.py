"""``python -m zencache`` is the command line."""

from zencache.cli import main

if __name__ == "__main__":
    main(prog_name="zencache")
