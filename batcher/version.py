"""The version of this package, as installed."""

from importlib.metadata import PackageNotFoundError, version

try:
    VERSION = version("batcher")
except PackageNotFoundError:  # run from a checkout that was not installed
    VERSION = "0.0.0"
