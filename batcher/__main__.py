"""Lets `python -m batcher` be `batcher`."""

import sys

from batcher.cli import main

if __name__ == "__main__":
    sys.exit(main())
