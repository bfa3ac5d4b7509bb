"""A run's images as a dataset that other programs read: one module per format."""

from batcher.exports.export import Export, ExportOptions, write_export
from batcher.exports.format import Format
from batcher.exports.writer import Listener

__all__ = ["Export", "ExportOptions", "Format", "Listener", "write_export"]
