"""`batcher init`: a commented starter manifest."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from batcher.errors import UsageError

if TYPE_CHECKING:
    import argparse

STARTER = """\
# What to generate. Look first, it sends nothing:   batcher plan {name}
# Rehearse for free:   batcher run {name} --endpoint sandbox --out runs/rehearsal
# Then for real:       batcher run {name} --endpoint octopusx --max-spend 5

# endpoint: octopusx           # a profile's name; a URL or a key never stands here
settings:
  concurrency: 8               # requests in flight
  # ipm: 60                    # images a minute; without it the pace is found
  # max_spend: 5               # USD, over the whole life of the run directory

vars:
  style: 35mm film, soft grain

defaults:                      # fields of every request; what is absent is not sent
  size: "16:9"                 # or 16:9(2K), 16:9(4K), 2048x2048, auto
  quality: low

output: "{{{{ city }}}}/{{{{ name }}}}"   # the ending comes from the image's bytes

requests:
  # One request for each combination.
  - name: "{{{{ city }}}}-{{{{ light }}}}"
    prompt: "A panoramic poster of {{{{ city }}}} at {{{{ light }}}}, {{{{ style }}}}"
    matrix:
      city: [Tokyo, Lagos, Quito]
      light: [dawn, dusk]
    exclude:
      - {{city: Lagos, light: dawn}}
    # samples: 4               # that many different images of each

  # One request for each row of a table; its columns are variables.
  # - rows: products.csv
  #   name: "{{{{ sku }}}}"
  #   prompt: "Studio photo of {{{{ title }}}} on {{{{ backdrop }}}}"
  #   output: "products/{{{{ sku }}}}"

  # A single image, with a reference.
  # - name: hero
  #   prompt: "A hero image in the style of the logo"
  #   size: 2048x2048
  #   image: refs/logo.png     # a path, Base64, a data: URI, a URL, or a list
  #   watermark: false         # false is sent; absent is not
  #   extra: {{moderation_note: internal}}   # any other field, sent as it is
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Say what the command takes."""
    parser.add_argument("file", nargs="?", default="manifest.yaml", metavar="FILE")


def execute(parsed: argparse.Namespace) -> int:
    """Write the starter; a file that is there is left alone."""
    path = Path(parsed.file)
    try:
        with path.open("x", encoding="utf-8") as stream:
            stream.write(STARTER.format(name=path))
    except FileExistsError as error:
        raise UsageError(f"{str(path)!r} is there already; name another") from error
    except OSError as error:
        raise UsageError(f"cannot write {str(path)!r}: {error.strerror}") from error
    print(f"wrote {path}; next: batcher plan {path}")
    return 0
