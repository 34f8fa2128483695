"""Pictures: each function returns a matplotlib figure of its own; none touches pyplot."""

from __future__ import annotations

from tfattr.figures.curves import precision_recall_figure, size_curve_figure
from tfattr.figures.dendrogram import tree_figure
from tfattr.figures.graph import model_graph_figure
from tfattr.figures.heatmap import affinity_figure, matrix_and_tree_figure
from tfattr.figures.maps import maps_figure
from tfattr.figures.names import method_name, short_names
from tfattr.figures.plots import Plot, PlotData, register_plot
from tfattr.figures.saving import save_figure
from tfattr.figures.sheets import affinity_sheet, size_sheet, tree_sheet
from tfattr.figures.style import group_colours

__all__ = [
    "Plot",
    "PlotData",
    "affinity_figure",
    "affinity_sheet",
    "group_colours",
    "maps_figure",
    "matrix_and_tree_figure",
    "method_name",
    "model_graph_figure",
    "precision_recall_figure",
    "register_plot",
    "save_figure",
    "short_names",
    "size_curve_figure",
    "size_sheet",
    "tree_figure",
    "tree_sheet",
]
