"""The report of a run or a study: one HTML file that needs nothing beside it."""

from tfattr.report.build import build

__all__ = ["build"]
