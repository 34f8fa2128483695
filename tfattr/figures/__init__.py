"""Pictures: each function returns a matplotlib figure of its own; none touches pyplot."""

from __future__ import annotations

from tfattr.figures.dendrogram import tree_figure
from tfattr.figures.heatmap import affinity_figure
from tfattr.figures.maps import maps_figure
from tfattr.figures.saving import save_figure
from tfattr.figures.style import group_colours

__all__ = ["affinity_figure", "group_colours", "maps_figure", "save_figure", "tree_figure"]
