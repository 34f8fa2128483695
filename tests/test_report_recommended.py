"""What the report opens with: recommended sources, how sure, how far the measures agree."""

from __future__ import annotations

import numpy as np
import pytest
from report_samples import MODELS, write_run

from tfattr.evaluation.sources import RANKING_NAME, SourceRanking
from tfattr.report import build
from tfattr.report.content import SECTIONS, content, recommended_view
from tfattr.report.files import read_results


def ranking(models, missing=()):
    """Recommended and dds; the first model is the best source of all others, by recommended in every draw."""
    count = len(models)
    values = np.random.default_rng(0).uniform(0.1, 0.5, (2, count, count))
    values[0, :, 0] = 0.9
    first = np.zeros((2, count, count))
    first[0, 1:, 0] = 1.0
    first[0, 0, 1:] = 1 / (count - 1)
    reasons = dict.fromkeys(missing, "needs maps of parts")
    return SourceRanking(
        tuple(models), ("1",), ("recommended", "dds"), values, values - 0.05, values + 0.05, first, reasons
    )


def test_rows_hold_the_first_sources_with_how_sure_and_who_agrees():
    ranked = ranking(MODELS, ("subspace", "explained"))
    view = recommended_view(ranked, {})
    assert [row["target"] for row in view["rows"]] == list(MODELS)
    for row in view["rows"][1:]:
        assert row["cells"][0] == {
            "source": MODELS[0], "value": "0.90", "interval": "[0.85, 0.95]", "first": "100%"
        }  # fmt: skip
        target = MODELS.index(row["target"])
        others = [at for at in range(len(MODELS)) if at != target]
        same = others[int(np.argmax(ranked.values[1, target, others]))] == 0
        assert row["same"] == ("DDS" if same else "")
    assert f"For {len(MODELS) - 1} of {len(MODELS)} targets" in view["sentences"][0]
    assert f"DDS {ranked.agreement()[0, 1]:.2f}".replace("-", "\N{MINUS SIGN}") in view["sentences"][1]
    assert view["missing"] == ["subspace, explained: needs maps of parts."]


@pytest.mark.parametrize("there", [True, False])
def test_the_page_opens_with_them_or_says_how_to_get_them(tmp_path, there):
    run = tmp_path / "run"
    write_run(run, MODELS, "sum")
    if there:
        ranking(MODELS).save(run / RANKING_NAME)
    page = content(read_results(run))
    assert SECTIONS[0][0] == page["toc"][0][0] == "recommended"
    html = build(run).read_text(encoding="utf-8")
    assert html.index('id="recommended"') < html.index('id="summary"')
    assert ("Mean rank correlation of the other measures" in html) == there
    assert ("There is no ranking.npz" in html) != there


def test_a_measure_without_any_value_gives_no_section():
    ranked = ranking(MODELS)
    empty = SourceRanking(
        ranked.models, ranked.images, ranked.measures, *[np.full_like(ranked.values, np.nan)] * 4, {}
    )
    assert recommended_view(empty, {}) is None
    assert recommended_view(None, {}) is None
