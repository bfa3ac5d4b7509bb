"""A run as a page that opens from disk: contact sheet, grid and charts."""

from batcher.reports.folder import Report, write_report

__all__ = ["Report", "write_report"]
