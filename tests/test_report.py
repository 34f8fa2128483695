"""The report without a browser: structure, escaping, numbers against numpy and scipy, missing and damaged files."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from found import some
from matplotlib import colormaps
from matplotlib.colors import Normalize, to_hex
from PIL import Image
from report_samples import (
    GROUPS,
    HOSTILE,
    IMAGES,
    METHODS,
    MODELS,
    affinity,
    cosines,
    evaluation,
    picture,
    write_json,
    write_run,
    write_study,
)

from tfattr.affinity import AffinityResult, similarity_tree
from tfattr.affinity.images import ImageCosines
from tfattr.errors import RecordsError
from tfattr.figures.plots import find_plot
from tfattr.report import build
from tfattr.report.build import PAGE
from tfattr.report.content import SECTIONS, content
from tfattr.report.drawings import curve_panels, leaf_names, tree_drawing
from tfattr.report.files import read_results
from tfattr.report.matrices import bootstrap_interval
from tfattr.report.numbers import duration, general, interval, number, p_value
from tfattr.report.pictures import embed
from tfattr.report.sections import cost_view, evaluation_view

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """Elements, texts and raw script contents of a page; every tag must be closed in order."""

    def __init__(self, html: str):
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict]] = []
        self.open: list[str] = []
        self.texts: list[str] = []
        self.raw: dict[str, list[str]] = {"script": [], "style": []}
        self.headings: list[tuple[int, str]] = []
        self.feed(html)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))
        if tag not in VOID:
            self.open.append(tag)
        if tag in self.raw:
            self.raw[tag].append("")
        if re.fullmatch("h[1-6]", tag):
            self.headings.append((int(tag[1]), ""))

    def handle_startendtag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, text):
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]][-1] += text
            return
        self.texts.append(text)
        if self.headings and any(re.fullmatch("h[1-6]", tag) for tag in self.open):
            level, before = self.headings[-1]
            self.headings[-1] = (level, before + text)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.texts))

    @property
    def data(self) -> dict:
        def refuse(name):
            raise AssertionError(f"{name} is no JSON that a browser reads")

        return json.loads(self.raw["script"][0], parse_constant=refuse)

    def having(self, attribute: str) -> list[str]:
        return [found[attribute] for _, found in self.elements if attribute in found]


def page_of(folder: Path, out: Path | None = None) -> Page:
    return Page(build(folder, out).read_text(encoding="utf-8"))


@pytest.fixture(scope="module")
def run(tmp_path_factory) -> Path:
    return write_run(tmp_path_factory.mktemp("report") / "rooms")


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Path:
    return write_study(tmp_path_factory.mktemp("report") / "study")


@pytest.fixture(scope="module")
def bare(tmp_path_factory) -> Path:
    """Only run.json."""
    folder = tmp_path_factory.mktemp("report") / "bare"
    whole = write_run(tmp_path_factory.mktemp("report") / "whole")
    folder.mkdir()
    (folder / "run.json").write_bytes((whole / "run.json").read_bytes())
    return folder


@pytest.fixture(scope="module", params=["run", "study", "bare"])
def page(request, tmp_path_factory) -> Page:
    return page_of(request.getfixturevalue(request.param), tmp_path_factory.mktemp("page") / "report.html")


def test_ids_are_unique_and_all_that_are_referred_to_exist(page):
    ids = page.having("id")
    assert len(ids) == len(set(ids))
    named = [one[1:] for one in page.having("href") if one.startswith("#")]
    for attribute in ("aria-labelledby", "aria-describedby", "for"):
        named += [one for value in page.having(attribute) for one in value.split()]
    assert len(named) > 20
    assert set(named) <= set(ids)


def test_every_section_is_there_with_its_heading(page):
    ids = set(page.having("id"))
    assert {key for key, _ in SECTIONS if key != "figures"} <= ids


def test_headings_are_in_order(page):
    levels = [level for level, _ in page.headings]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:])), page.headings
    assert all(text.strip() for _, text in page.headings)


def test_nothing_is_loaded_from_anywhere(page):
    for attribute in ("src", "srcset", "href", "data", "poster", "action", "xlink:href", "background"):
        assert all(value.startswith(("data:", "#")) for value in page.having(attribute)), attribute
    style = "".join(page.raw["style"] + [value or "" for value in page.having("style")])
    assert "url(" not in style
    assert "@import" not in style
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"iframe", "object", "embed", "base", "form", "audio", "video"}
    assert not [name for _, found in page.elements for name in found if name.startswith("on")]


def test_the_policy_allows_the_script_of_the_page_and_nothing_else(page):
    policy = next(value["content"] for tag, value in page.elements if value.get("http-equiv"))
    digest = base64.b64encode(hashlib.sha256(page.raw["script"][1].encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy


def test_pictures_have_alternative_texts_and_figures_captions(page, request):
    pictures = [value for tag, value in page.elements if tag == "img"]
    drawings = [value for tag, value in page.elements if tag == "svg"]
    assert (pictures and drawings) or request.node.name.endswith("[bare]")
    for found in pictures:
        assert len(found["alt"]) > 10
        assert int(found["width"]) > 0
    for found in drawings:
        assert "aria-hidden" in found or (found["role"] == "img" and len(found["aria-label"]) > 20)


def test_names_from_files_are_never_markup(run, study, tmp_path):
    for folder in (run, study):
        html = build(folder, tmp_path / "report.html").read_text(encoding="utf-8")
        found = Page(html)
        assert [tag for tag, _ in found.elements].count("script") == 2
        assert "alert(1)" not in found.raw["script"][1]
        assert "<script>alert" not in html
        assert "</script>alert" not in html
        assert not [
            True for tag, one in found.elements if tag == "img" and not one["src"].startswith("data:")
        ]
        assert HOSTILE in found.text
        assert HOSTILE in found.data["matrices"][0]["models"]
        assert "Better than <b>baselines</b>" in found.text
        assert "broken<b>.png: truncated & unreadable" in found.text
        assert "cka <linear>" in found.text


def test_a_hostile_folder_name_is_escaped(tmp_path):
    found = page_of(write_run(tmp_path / "<img src=x onerror=alert(2)>", judged=False))
    assert "tfattr report '<img src=x onerror=alert(2)>'" in found.text
    assert not [True for _, one in found.elements if "onerror" in one]


def test_where_the_weights_lay_stays_private(run, study, tmp_path):
    for folder in (run, study):
        html = build(folder, tmp_path / "report.html").read_text(encoding="utf-8")
        assert "somebody" not in html
        assert str(folder.parent) not in html
        assert "0/model.ckpt" in html


def test_the_same_results_give_the_same_bytes(run, tmp_path):
    assert build(run, tmp_path / "a.html").read_bytes() == build(run, tmp_path / "b.html").read_bytes()


def test_the_page_lies_in_the_directory_unless_told_otherwise(run, tmp_path):
    assert build(str(run)) == run / "report.html"
    assert build(run, str(tmp_path / "x" / "y.html")) == tmp_path / "x" / "y.html"
    assert [path.name for path in (tmp_path / "x").iterdir()] == ["y.html"]


def test_values_counts_and_colours_are_those_of_the_affinity(run):
    result = AffinityResult.load(run / "affinity.npz")
    data = page_of(run).data
    assert [entry["method"] for entry in data["matrices"]] == list(METHODS)
    assert data["matrices"][data["start"]]["method"] == "grad_input"
    for entry in data["matrices"]:
        A = result.affinity[entry["method"]]
        np.testing.assert_allclose(np.array(entry["value"], float), A, atol=5.1e-7)
        assert np.array_equal(entry["count"], result.counts[entry["method"]])
        off = A[~np.eye(len(A), dtype=bool)]
        low, high = off.min(), off.max()
        if low < 0 and -low > 0.1 * high:  # as the figures choose it
            norm, cmap = Normalize(-max(-low, high), max(-low, high)), colormaps["RdBu_r"]
        else:
            norm, cmap = Normalize(low, high), colormaps["viridis"]
        palette = data["palettes"][entry["palette"]]["colours"]
        for row in range(len(A)):
            for column in range(len(A)):
                shade = entry["shade"][row][column]
                if row == column:
                    assert shade == -1
                else:
                    assert palette[shade] == to_hex(cmap(norm(A[row, column])))


def test_undefined_affinities_are_null_and_warned_of(tmp_path):
    folder = write_run(tmp_path / "run", judged=False)
    of = cosines()
    of.cosines["elrp"][:, 0] = np.nan  # depth with normals
    of.save(folder / "affinity_images.npz")
    affinity(of).save(folder / "affinity.npz")
    found = page_of(folder)
    entry = next(entry for entry in found.data["matrices"] if entry["method"] == "elrp")
    assert entry["value"][0][1] is None
    assert entry["low"][0][1] is None
    assert entry["shade"][1][0] == -2
    assert entry["value"][0][2] is not None
    assert "1 pair of models by ε-LRP has no affinity" in found.text


def test_intervals_are_those_of_the_normal_theory_for_many_images():
    rng, count = np.random.default_rng(3), 400
    values = np.stack(
        [rng.normal(0.5, 0.2, count), rng.normal(0.1, 0.05, count), rng.uniform(-1, 1, count)], axis=1
    )
    values[:100, 1] = np.nan
    of = ImageCosines(("a", "b", "c"), tuple(map(str, range(count))), {"m": values.astype(np.float32)})
    low, high = bootstrap_interval(of, "m", seed=1, resamples=4000)
    for column, (i, j) in enumerate([(0, 1), (0, 2), (1, 2)]):
        known = values[np.isfinite(values[:, column]), column]
        reach = 1.96 * known.std() / np.sqrt(len(known))
        assert low[i, j] == low[j, i] == pytest.approx(known.mean() - reach, abs=0.12 * reach)
        assert high[i, j] == pytest.approx(known.mean() + reach, abs=0.12 * reach)
    assert np.allclose(np.diag(low), 1)


def test_intervals_where_some_resamples_lack_a_pair():
    """A pair that one image of five has: a resample has it with probability 1 - .8^5, always with its value."""
    values = np.full((5, 3), np.nan, np.float32)
    values[2, 0], values[:, 1] = 0.25, [0.1, 0.2, 0.3, 0.4, 0.5]
    low, high = bootstrap_interval(ImageCosines(("a", "b", "c"), tuple("12345"), {"m": values}), "m", seed=0)
    assert low[0, 1] == high[0, 1] == 0.25
    assert 0.1 <= low[0, 2] < 0.3 < high[0, 2] <= 0.5
    assert np.isnan(low[1, 2])
    assert np.isnan(high[2, 1])


def test_cosines_of_another_analysis_give_no_intervals_but_a_warning(tmp_path):
    folder = write_run(tmp_path / "run", judged=False)
    of = cosines()
    of.cosines["saliency"] += 0.02
    of.save(folder / "affinity_images.npz")
    found = page_of(folder)
    by_method = {entry["method"]: entry for entry in found.data["matrices"]}
    assert by_method["saliency"]["low"] is None
    assert by_method["grad_input"]["low"] is not None
    assert "affinity_images.npz is of another analysis than affinity.npz" in found.text


def test_best_sources_are_the_largest_affinities(run):
    result = AffinityResult.load(run / "affinity.npz")
    best = content(read_results(run))["best"]
    assert best["columns"] == ["saliency", "gradient × input", "ε-LRP"]
    for row in best["rows"]:
        target = MODELS.index(row["target"])
        named = []
        for cell, method in some(zip(row["cells"], METHODS)):
            line = result.affinity[method][target].copy()
            line[target] = -np.inf
            assert cell["source"] == MODELS[line.argmax()]
            assert cell["value"] == number(line.max())
            named.append(cell["source"])
        assert row["agree"] == (len(set(named)) == 1)


def test_the_summary_counts_what_the_files_say(run):
    text = " ".join(content(read_results(run))["summary"])
    rows = content(read_results(run))["best"]["rows"]
    assert (
        f"{sum(row['agree'] for row in rows)} of 6 models have the same best source by all 3 methods" in text
    )
    assert "Of the paper's 4 claims, 1 holds here, 1 does not, 1 stays undecided, 1 was not measured." in text
    assert "Of 2 published numbers, 1 came out again." in text
    assert "those of saliency: P@5" in text
    assert "a random ranking would reach 0.263" in text
    assert "The best baseline, RSA" in text
    assert (
        "took 0.05 core hours; measuring transfer took 21 core hours, 420 times as much (380 readouts)."
        in text
    )
    A = AffinityResult.load(run / "affinity.npz").affinity["grad_input"]
    row, column = np.unravel_index(np.argmax(A - 9 * np.eye(len(A))), A.shape)
    assert f"are {MODELS[row]} and {MODELS[column]} (affinity {A[row, column]:.3f}" in text


def test_a_tree_is_drawn_at_the_heights_of_its_linkage(run):
    A = AffinityResult.load(run / "affinity.npz").affinity["saliency"]
    tree = similarity_tree(A, MODELS, "average")
    found = tree_drawing(tree.to_newick(), GROUPS)
    assert found["leaves"] == tree.leaves == leaf_names(tree.to_newick())
    span = found["right"] - found["left"]
    top = tree.linkage[-1, 2]
    joins = sorted(float(re.match(r"M([\d.]+)", line["path"])[1]) for line in found["lines"])
    expected = sorted(found["right"] - span * height / top for height in tree.linkage[:, 2])
    np.testing.assert_allclose(joins, expected, atol=0.06)
    assert all(label["x"] == pytest.approx(found["right"]) for label in found["labels"])
    assert [label["y"] for label in found["labels"]] == sorted(label["y"] for label in found["labels"])
    ticks = [(tick["x"], float(tick["text"])) for tick in found["ticks"]]
    assert 3 <= len(ticks) <= 7
    for x, value in ticks:
        assert x == pytest.approx(found["right"] - span * value / top)
    labels = {label["text"]: label["colour"] for label in found["labels"]}
    assert labels["depth"] == labels["normals"] != labels["edges"]
    assert labels["quote\"&'s"] is None


@pytest.mark.parametrize("scale", [1e-6, 0.004, 0.7, 1.0, 9.99, 12.0, 730.0])
def test_axes_of_trees_have_a_few_round_ticks(scale):
    ticks = [float(tick["text"]) for tick in tree_drawing(f"(a:{scale},b:{scale});", {})["ticks"]]
    assert 3 <= len(ticks) <= 7
    assert f"{ticks[1]:.0e}"[0] in "125"
    assert ticks[-1] <= scale * (1 + 1e-9)


@pytest.mark.slow
@pytest.mark.parametrize("text", ["((a,b;", "a;", "", "(a,b);(c,d);"])
def test_a_damaged_tree_is_said_at_its_place(tmp_path, text):
    folder = write_run(tmp_path / "run", judged=False)
    (folder / "tree_saliency.nwk").write_text(text, encoding="utf-8")
    found = page_of(folder)
    assert "saliency: the" in found.text
    by_method = {entry["method"]: entry for entry in found.data["matrices"]}
    assert by_method["saliency"]["tree"] is None
    assert by_method["elrp"]["tree"] is not None


def test_curves_lie_at_their_values(run):
    rows = evaluation()["rows"]
    found = curve_panels(rows, [row["ranking"] for row in rows], 5)
    for panel, which in zip(found["panels"], ("precision", "recall")):
        heights = {float(tick["text"]): tick["at"] for tick in panel["y_ticks"]}
        for line, row in zip(panel["lines"], rows):
            points = np.array([point.split(",") for point in line["points"].split()], float)
            assert len(points) == 19
            values = (heights[0.0] - points[:, 1]) / (heights[0.0] - heights[1.0])
            np.testing.assert_allclose(values, row[which], atol=1e-3)
            assert (np.diff(points[:, 0]) > 0).all()
    references = {line["name"]: line["points"].split() for line in found["panels"][0]["references"]}
    assert len({point.split(",")[1] for point in references["random"]}) == 1
    assert len({(key["colour"], key["dash"]) for key in found["keys"]}) == len(rows)


def test_the_evaluation_shows_all_its_rows_with_intervals_and_verdicts(run):
    found = page_of(run)
    for words in (
        "several methods together",
        "Baselines on the same images",
        "Controls",
        "✗ not reproduced",
        "✓ reproduced",
        "No row for SVCCA: the representations of <two> models are too small",
        "12/18",
    ):
        assert words in found.text
    view = evaluation_view(evaluation())
    assert [group["title"] for group in view["groups"]] == [
        "Attribution maps", "Rankings of tfattr's own", "Baselines on the same images", "Controls",
    ]  # fmt: skip
    saliency = view["groups"][0]["rows"][0]
    assert saliency["p1"] == number(evaluation()["rows"][0]["P@1"])
    assert saliency["spearman_interval"] == "[0.26, 0.42]"
    assert view["per_target"]["rows"] == [("depth", ["0.41", "0.38"]), ("normals", ["0.52", "–"])]
    assert view["extra"] == []


def test_an_evaluation_of_the_originals_has_the_columns_of_the_literature():
    found = evaluation()
    found["rows"][0]["spearman_affinity_17"] = 0.862
    view = evaluation_view(found)
    assert view["extra"] == ["spearman_affinity_17"]
    assert view["groups"][0]["rows"][0]["extra"] == ["0.862"]
    assert view["groups"][1]["rows"][0]["extra"] == ["–"]


def test_an_evaluation_of_few_fields_is_shown_all_the_same(tmp_path):
    folder = write_run(tmp_path / "run")
    write_json(
        folder / "evaluation.json", {"truth": "mine.csv", "rows": [{"ranking": "saliency", "P@1": 0.5}]}
    )
    assert "0.500" in page_of(folder).text


def test_costs_and_claims_are_shown(run):
    found = page_of(run)
    for words in ("holds", "does not hold", "undecided", "Not measured: no measured time of transfer", "[0.950, 0.980]",
                  "4e−4", "2 cores of an x86-64 server", "12.2 s", "30.0 s of core time"):  # fmt: skip
        assert words in found.text
    assert cost_view({"models": {}, "totals": {"core_hours": 2}, "measured_transfer": None})["ratio"] is None
    assert cost_view({"models": {}, "totals": None, "measured_transfer": {"core_hours": 2}})["ratio"] is None
    gpu = {"what": "published", "core_hours": None, "gpu_hours": 47886, "source": "Zamir et al."}
    ratio = cost_view({"models": {}, "totals": {"core_hours": 3.21}, "measured_transfer": gpu})["ratio"]
    assert (
        ratio
        == "Maps and affinity took 3.2 core hours; measuring transfer took 47,886 GPU hours (published)."
    )


def test_warnings_name_skipped_images_duplicates_and_dropped_maps(run):
    text = page_of(run).text
    assert "1 image could not be read and was skipped. broken<b>.png: truncated & unreadable" in text
    assert "room_00.png = room_01.png" in text
    assert "1 map by gradient × input is zero or not finite and was left out (1 of edges)." in text
    assert "edges on room_00.png: zero" in text


def test_provenance_has_versions_settings_and_hashes(run):
    text = page_of(run).text
    for place in range(len(MODELS)):
        assert f"{place:064x}" in text
        assert f"{place + 100:064x}" in text
    listing = "".join(f"{place:064x}  {name}\n" for place, name in enumerate(IMAGES))
    assert hashlib.sha256(listing.encode()).hexdigest() in text
    for words in (
        "tensorflow",
        "2.14.1",
        "epsilon",
        "0.0001",
        "64 × 64 × 3",
        "color RGB, range [-1,1], mean 0",
    ):
        assert words in text


OPTIONAL = {
    "affinity.npz": ("There is no affinity.npz.", "tfattr affinity"),
    "affinity_images.npz": ("Affinities stand without intervals", "tfattr affinity"),
    "evaluation.json": ("There is no evaluation.json", "tfattr evaluate"),
    "claims.json": ("There is no claims.json", "tfattr report"),
    "cost.json": ("There is no cost.json", "tfattr report"),
    "figures/maps.png": ("There is no figure of attribution maps", "tfattr affinity"),
    "figures/model_graph_*.png": ("There is no figure of the model graph", "tfattr report"),
    "previews.npz": ("", ""),
}


@pytest.fixture(scope="module")
def whole_text(run) -> str:
    return page_of(run).text


@pytest.mark.slow
@pytest.mark.parametrize("name", OPTIONAL)
def test_what_is_missing_is_said_with_the_command_that_makes_it(tmp_path, whole_text, name):
    folder = write_run(tmp_path / "run")
    words, made_by = OPTIONAL[name]
    assert not words or words not in whole_text
    for path in folder.glob(name):
        path.unlink()
    text = page_of(folder).text
    assert words in text
    assert re.search(f"{re.escape(words)}.{{0,120}} To make it: {made_by}", text) or not words


def test_without_trees_the_saved_pictures_stand_in(tmp_path):
    folder = write_run(tmp_path / "run", judged=False)
    for path in folder.glob("tree_*.nwk"):
        path.unlink()
    found = page_of(folder)
    assert found.text.count("figures/tree_saliency.png") == 1
    for path in (folder / "figures").glob("tree_*"):
        path.unlink()
    assert "There is no tree_METHOD.nwk." in page_of(folder).text


def test_the_leading_method_leads_among_the_graphs(run):
    assert [one["name"] for one in content(read_results(run))["shown"]["graph"]] == [
        "gradient × input",
        "ε-LRP",
    ]


def test_a_run_of_one_model_has_no_best_source(tmp_path):
    folder = write_run(tmp_path / "run", judged=False)
    of = ImageCosines(("only",), IMAGES, {"saliency": np.zeros((len(IMAGES), 0), np.float32)})
    affinity(of).save(folder / "affinity.npz")
    (folder / "affinity_images.npz").unlink()
    assert "Best sources need the affinities of two models or more." in page_of(folder).text


def test_a_study_holds_its_runs_and_its_own_files(study):
    found = page_of(study)
    data = found.data
    assert data["study"] is True
    assert [(entry["run"], entry["method"]) for entry in data["matrices"]] == [
        (label, method) for label in ("rooms", "street_energy") for method in METHODS
    ]
    assert [len(entry["models"]) for entry in data["matrices"]] == [6, 6, 6, 5, 5, 5]
    for words in (
        "The study names the run still_life, which is not there.",
        "half the squared norm of the representation",
        "figures/affinity_sheet.png",
        "by all 2 runs: rooms and street_energy",
        "tfattr affinity study/rooms",
    ):
        assert words in found.text
    assert sorted(found.having("data-chooser")) == [
        "Costs of",
        "Evaluation of",
        "Run",
        "Show",
        "Show",
        "Tree",
    ]


def test_what_cannot_be_read_is_named(tmp_path, run):
    with pytest.raises(RecordsError, match="neither run.json nor study.json"):
        build(tmp_path)
    for name, text, what in (
        ("evaluation.json", "{", "cannot be read as JSON"),
        ("evaluation.json", "{}", "no list 'rows'"),
        ("claims.json", "{}", "expected a list of tables"),
        ("cost.json", "[]", "expected a table"),
        ("run.json", "[]", "expected a table"),
        ("affinity.npz", "no zip", "affinity.npz"),
        ("affinity_images.npz", "no zip", "affinity_images.npz"),
        ("previews.npz", "no zip", "previews.npz"),
        ("figures/maps.png", "no picture", "maps.png: cannot be read as a picture"),
    ):
        folder = write_run(tmp_path / f"{name.replace('/', '_')}_{len(list(tmp_path.iterdir()))}")
        (folder / name).write_text(text, encoding="utf-8")
        with pytest.raises(RecordsError, match=re.escape(what)):
            build(folder)
        assert not (folder / "report.html").exists()


@pytest.mark.parametrize(
    "study, what",
    [
        ({"runs": 3}, "expected a list 'runs'"),
        ({"runs": [{"label": "../rooms"}]}, "expected a list 'runs'"),
        ({"runs": [{"label": ".."}]}, "expected a list 'runs'"),
        ({"runs": [{"label": "gone"}]}, r"none of the runs .*\(gone\)"),
        ({"runs": []}, "it names none"),
    ],
)
def test_a_study_that_is_none_is_refused(tmp_path, study, what):
    write_json(tmp_path / "study.json", study)
    with pytest.raises(RecordsError, match=what):
        build(tmp_path)


def test_a_run_of_an_older_release_is_still_shown(tmp_path):
    folder = write_run(tmp_path / "old", judged=False)
    manifest = json.loads((folder / "run.json").read_text())
    del manifest["source"]
    write_json(folder / "run.json", {**manifest, "format": 1})
    found = page_of(folder)
    assert found.headings[0][1] == "old: which model is the best source?"


def test_small_pictures_are_kept_exactly_and_large_ones_below_the_limit(tmp_path):
    small = picture(tmp_path / "small.png", (200, 100))
    large = [picture(tmp_path / f"noise_{n}.png", (500, 400), noise=True, seed=n) for n in range(3)]
    found, left_out = embed([small, *large], limit=600_000)
    assert left_out == []
    assert sum(len(one.uri) for one in found.values()) <= 600_000
    kind, _, data = found[small].uri.partition(";base64,")
    assert kind == "data:image/webp"
    with Image.open(small) as before, Image.open(io.BytesIO(base64.b64decode(data))) as after:
        assert np.array_equal(np.asarray(before.convert("RGB")), np.asarray(after.convert("RGB")))
    assert (found[large[0]].width, found[large[0]].height) == (500, 400)
    found, left_out = embed([small, *large], limit=100_000)
    assert small in found
    assert left_out
    assert sum(len(one.uri) for one in found.values()) <= 100_000


def test_a_picture_too_large_for_the_page_is_named(tmp_path, monkeypatch):
    folder = write_run(tmp_path / "run", judged=False)
    picture(folder / "figures" / "noise.png", (500, 400), noise=True)
    small, _ = embed([folder / "figures" / "noise.png"], limit=1)
    assert small == {}
    monkeypatch.setattr("tfattr.report.content.embed", lambda paths: embed(paths, limit=60_000))
    assert "noise.png is too large for this page; look at it in figures/." in page_of(folder).text


@pytest.mark.slow
def test_a_page_of_large_figures_stays_below_ten_megabytes(tmp_path):
    folder = write_run(tmp_path / "run")
    for name in range(2):
        picture(folder / "figures" / f"maps_{name}.png", (1600, 2600), noise=True, seed=name)
    assert sum(path.stat().st_size for path in (folder / "figures").iterdir()) > 20e6
    assert build(folder).stat().st_size < 10e6


@pytest.mark.parametrize(
    "stem, section",
    [("affinity_elrp", "matrix"), ("tree_x", "trees"), ("maps", "maps"), ("maps_elrp", "maps"), ("affinity_sheet", "matrix"),
     ("tree_sheet", "trees"), ("model_graph_elrp", "graph"), ("precision_recall", "evaluation"), ("mapsy", "figures"),
     ("size_curve", "figures"), ("group_elrp", "figures"), ("anything", "figures")],
)  # fmt: skip
def test_figures_go_to_their_sections(stem, section):
    assert find_plot(stem)[0].section == section


@pytest.mark.parametrize(
    "text, expected",
    [
        (number(-0.0001), "0.000"),
        (number(-0.25, 2), "−0.25"),
        (number(float("nan")), "–"),
        (number(None), "–"),
        (interval([0.1, float("inf")]), ""),
        (interval([-0.1, 0.25], 2), "[−0.10, 0.25]"),
        (p_value(0.0123), "0.012"),
        (p_value(0.00092), "9e−4"),
        (p_value(5e-12), "5e−12"),
        (general(12345), "12,345"),
        (general(0.97312), "0.9731"),
        (general(-3), "−3"),
        (duration(0.4), "0.40 s"),
        (duration(245), "4 min 05 s"),
        (duration(7800), "2 h 10 min"),
    ],
)
def test_numbers_are_written_for_reading(text, expected):
    assert text == expected


def _luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_texts_have_the_contrast_that_wcag_aa_asks_for():
    style = (PAGE / "style.css").read_text(encoding="utf-8")
    schemes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6});", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    assert len([scheme for scheme in schemes if "paper" in scheme]) == 2
    for scheme in schemes[:2]:
        pairs = [(ink, paper) for ink in ("ink", "soft", "accent", "warn") for paper in ("paper", "faint")]
        for ink, paper in [*pairs, ("on-accent", "accent")]:
            one, other = sorted((_luminance(scheme[ink]), _luminance(scheme[paper])))
            assert (other + 0.05) / (one + 0.05) >= 4.5, (ink, paper, scheme)


@pytest.mark.slow
def test_the_report_needs_no_tensorflow(run, tmp_path):
    code = (
        "import sys\n"
        "from tfattr.report import build\n"
        f"build({str(run)!r}, {str(tmp_path / 'report.html')!r})\n"
        "sys.exit('tensorflow' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
