"""What tests of figures ask of every figure: all text inside, nothing over anything."""

from __future__ import annotations

import matplotlib


def rendered(figure):
    """The renderer after everything has taken its place (without painting pixels, which takes long)."""
    figure.draw_without_rendering()
    return figure.canvas.get_renderer()


def extents(texts, renderer):
    return [text.get_window_extent(renderer) for text in texts if text.get_text()]


def assert_readable(figure, *label_sets):
    """All text lies inside the canvas and no two labels of a set overlap."""
    renderer = rendered(figure)
    width, height = figure.canvas.get_width_height()
    unseen = {  # matplotlib keeps labels of ticks beyond the limits or of no axis, and does not draw them
        label
        for axes in figure.axes
        for axis in (axes.xaxis, axes.yaxis)
        for place, label in zip(axis.get_majorticklocs(), axis.get_majorticklabels())
        if not axes.axison or not min(axis.get_view_interval()) <= place <= max(axis.get_view_interval())
    }
    for text in set(figure.findobj(matplotlib.text.Text)) - unseen:
        if text.get_visible() and text.get_text():
            box = text.get_window_extent(renderer)
            inside = box.x0 >= -1 and box.y0 >= -1 and box.x1 <= width + 1 and box.y1 <= height + 1
            assert inside, (text.get_text(), box, width, height)
            assert text.get_fontsize() >= 7
    for labels in label_sets:
        boxes = extents(labels, renderer)
        assert len(boxes) == len(labels)
        for one, other in zip(boxes, boxes[1:]):
            assert not one.overlaps(other)


def names(ticks):
    return [text.get_text() for text in ticks]


def assert_apart(texts, renderer):
    """No two of the texts overlap, in any pair."""
    boxes = extents(texts, renderer)
    for index, one in enumerate(boxes):
        for other, text in zip(boxes[:index], texts):
            assert not one.overlaps(other), (texts[index].get_text(), text.get_text())


def panels(figure):
    """Axes that show a matrix, in drawing order (bars of colours hold no image of cells)."""
    return [axes for axes in figure.axes if axes.images and axes.get_label() != "<colorbar>"]
