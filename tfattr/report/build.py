"""From a directory of results to ``report.html``."""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path
from typing import Any

from tfattr.errors import SettingsError
from tfattr.io import write_text
from tfattr.report.content import content
from tfattr.report.files import read_results
from tfattr.report.numbers import finite, general, interval, p_value
from tfattr.report.sections import plain, shape, verdict_of

REPORT_NAME = "report.html"
PAGE = Path(__file__).parent / "page"


def build(run_or_study: str | os.PathLike[str], out: str | os.PathLike[str] | None = None) -> Path:
    """Write the report of a run, or of a study (a directory with ``study.json``); returns its path.

    The page is one file below 10 MB that loads nothing from anywhere. What the directory lacks is named in
    the section that it belongs to, with the command that makes it. The same results give the same bytes.

    Args:
        run_or_study: directory of a run or of a study.
        out: the file to write; ``report.html`` in the directory if None.

    Raises:
        RecordsError: the directory holds neither a run nor a study, or one of its files is damaged.
        SettingsError: ``out`` is a directory.
    """
    if out is not None and Path(out).is_dir():
        raise SettingsError(
            f"{out}: is a directory; expected the file to write, such as {Path(out) / REPORT_NAME}."
        )
    results = read_results(run_or_study)
    path = Path(out) if out is not None else results.folder / REPORT_NAME
    html = render(content(results))
    write_text(path, html)
    return path


def render(page: dict[str, Any]) -> str:
    """The page as HTML, from what :func:`tfattr.report.content.content` says; every text is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    script = (PAGE / "report.js").read_text(encoding="utf-8")
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(PAGE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        {form.__name__: form for form in (finite, general, interval, p_value, plain, shape)}
    )
    environment.filters["verdict"] = verdict_of
    # The page itself forbids everything but what it carries: no request, and no script but this one.
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return environment.get_template("report.html").render(
        **page, script=Markup(script), style=Markup(style), script_hash=f"sha256-{digest}"
    )
