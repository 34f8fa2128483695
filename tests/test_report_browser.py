"""The report in headless Chromium: no request, no error, keyboard, narrow screens, print."""

from __future__ import annotations

import base64
import json
import shutil
import time

import numpy as np
import pytest
from found import some
from report_samples import HOSTILE, MODELS, write_run, write_study

from tfattr.affinity import AffinityResult, rank
from tfattr.report import build
from tfattr.report.content import SECTIONS

_PROGRAMS = {name: shutil.which(name) for name in ("chromium", "chromedriver")}
_ABSENT = [name for name, path in _PROGRAMS.items() if path is None]
if _ABSENT:
    pytest.skip(
        f"needs {' and '.join(_ABSENT)}; `bash tests/install_chromium.sh` installs Debian's",
        allow_module_level=True,
    )
webdriver = pytest.importorskip("selenium.webdriver", reason="needs selenium: pip install -e '.[test]'")

from selenium.webdriver.chrome.service import Service  # noqa: E402
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.ui import Select  # noqa: E402

_FLAGS = (
    *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync"),
    *("--disable-background-networking", "--disable-component-update", "--disable-dev-shm-usage"),
)


@pytest.fixture(scope="module")
def browser(tmp_path_factory):
    options = webdriver.ChromeOptions()
    options.binary_location = _PROGRAMS["chromium"]
    for flag in (*_FLAGS, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL", "performance": "ALL"})
    driver = webdriver.Chrome(options=options, service=Service(_PROGRAMS["chromedriver"]))
    yield driver
    driver.quit()


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = write_run(tmp_path_factory.mktemp("report") / "rooms")
    build(folder)
    return folder


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    folder = write_study(tmp_path_factory.mktemp("report") / "study")
    build(folder)
    return folder


def show(browser, folder, width=1280, height=900, media="", scheme="light"):
    browser.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False},
    )
    browser.execute_cdp_cmd(
        "Emulation.setEmulatedMedia",
        {"media": media, "features": [{"name": "prefers-color-scheme", "value": scheme}]},
    )
    browser.get((folder / "report.html").as_uri())


def details(browser) -> str:
    return browser.find_element(By.ID, "details").text


def focused(browser) -> tuple[int, int]:
    cell = browser.switch_to.active_element
    return int(cell.get_attribute("data-row")), int(cell.get_attribute("data-column"))


def press(browser, *keys):
    browser.switch_to.active_element.send_keys(*keys)


def start_at(browser, row, column):
    """Into the grid by its one tab stop, then to a cell by keys alone."""
    stops = browser.find_elements(By.CSS_SELECTOR, "#grid [tabindex='0']")
    assert len(stops) == 1
    stops[0].send_keys(Keys.CONTROL, Keys.HOME)
    for _ in range(row):
        press(browser, Keys.ARROW_DOWN)
    for _ in range(column):
        press(browser, Keys.ARROW_RIGHT)
    assert focused(browser) == (row, column)


@pytest.mark.slow
@pytest.mark.parametrize("which", ["run", "study"])
def test_the_page_asks_for_nothing_and_reports_no_error(browser, which, request):
    browser.get("about:blank")
    browser.get_log("performance")
    browser.get_log("browser")
    show(browser, request.getfixturevalue(which))
    time.sleep(0.5)  # for requests that a script might make late; none is expected
    events = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
    asked = [
        event["params"]["request"]["url"]
        for event in events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert [url.partition(":")[0] for url in asked if not url.startswith("data:")] == ["file"]
    assert asked[0].endswith("/report.html")
    assert browser.get_log("browser") == []
    assert browser.execute_script("return [...document.images].every((one) => one.naturalWidth > 0)")


def test_arrow_keys_move_and_the_details_follow(browser, run):
    result = AffinityResult.load(run / "affinity.npz")
    show(browser, run)
    Select(browser.find_element(By.ID, "choose-order")).select_by_value("given")
    start_at(browser, 0, 0)
    assert "1 by definition" in details(browser)
    press(browser, Keys.ARROW_RIGHT)
    assert focused(browser) == (0, 1)
    A, counts = result.affinity["grad_input"], result.counts["grad_input"]
    for keys, place in (
        ((), (0, 1)),
        ((Keys.ARROW_DOWN, Keys.ARROW_DOWN), (2, 1)),
        ((Keys.END,), (2, 5)),
        ((Keys.ARROW_RIGHT,), (2, 5)),  # the edge
        ((Keys.PAGE_DOWN,), (5, 5)),
        ((Keys.HOME,), (5, 0)),
        ((Keys.ARROW_UP,), (4, 0)),
    ):
        for key in keys:
            press(browser, key)
        assert focused(browser) == place
        row, column = place
        if row == column:
            continue
        text = details(browser)
        assert f"{A[row, column]:.3f}".replace("-", "−") in text
        assert MODELS[row] in text
        assert MODELS[column] in text
        assert f"{counts[row, column]} images" in text
        assert "95 % interval [" in text
        label = browser.switch_to.active_element.get_attribute("aria-label")
        assert label.startswith(f"target {MODELS[row]}, source {MODELS[column]}: ")
        ranked = [name for name, _ in rank(A, MODELS[row], MODELS)]
        ending = {1: "st", 2: "nd", 3: "rd"}.get(ranked.index(MODELS[column]) + 1, "th")
        assert f"{MODELS[column]} is the {ranked.index(MODELS[column]) + 1}{ending} of 5 sources" in text
    assert len(browser.find_elements(By.CSS_SELECTOR, "#grid [tabindex='0']")) == 1


def test_pointing_shows_the_same_as_focus(browser, run):
    show(browser, run)
    start_at(browser, 1, 3)
    by_key = details(browser)
    start_at(browser, 0, 2)
    cell = browser.find_element(By.CSS_SELECTOR, "#grid td[data-row='1'][data-column='3']")
    webdriver.ActionChains(browser).move_to_element(cell).perform()
    assert details(browser) == by_key
    assert (
        browser.find_element(By.CSS_SELECTOR, "#grid tbody th.at").text
        == cell.find_element(By.XPATH, "./../th").text
    )
    webdriver.ActionChains(browser).move_to_element(browser.find_element(By.ID, "trees")).perform()
    assert details(browser) != by_key  # back to the cell that has the focus


def test_sources_are_ranked_for_the_target_that_is_chosen(browser, run):
    result = AffinityResult.load(run / "affinity.npz")
    show(browser, run)

    def shown():
        return [
            one.get_attribute("data-source") for one in browser.find_elements(By.CSS_SELECTOR, "#bars li")
        ]

    for method, name in (("grad_input", "gradient × input"), ("saliency", "saliency")):
        Select(browser.find_element(By.ID, "choose-method")).select_by_visible_text(name)
        for target in ("edges", HOSTILE):
            Select(browser.find_element(By.ID, "choose-target")).select_by_visible_text(target)
            assert shown() == [source for source, _ in rank(result.affinity[method], target, MODELS)]
            assert browser.find_element(By.ID, "ranking-title").text == f"Sources for {target}"
    first = browser.find_element(By.CSS_SELECTOR, "#bars li")
    best = rank(result.affinity["saliency"], HOSTILE, MODELS)[0][1]
    assert f"{best:.3f} [" in first.text
    widths = [one.size["width"] for one in browser.find_elements(By.CSS_SELECTOR, "#bars .track i")]
    values = np.array([abs(value) for _, value in rank(result.affinity["saliency"], HOSTILE, MODELS)])
    np.testing.assert_allclose(np.array(widths) / widths[0], values / values[0], atol=0.02)

    # Enter on a cell ranks for the model of its row.
    Select(browser.find_element(By.ID, "choose-order")).select_by_value("given")
    start_at(browser, 1, 4)
    press(browser, Keys.ENTER)
    assert browser.find_element(By.ID, "ranking-title").text == "Sources for normals"


def test_orders_keep_the_values_at_their_models(browser, run):
    result = AffinityResult.load(run / "affinity.npz")
    A = result.affinity["grad_input"]
    show(browser, run)
    orders = {}
    for kind in ("given", "tree", "alphabetical"):
        Select(browser.find_element(By.ID, "choose-order")).select_by_value(kind)
        heads = [one.text for one in browser.find_elements(By.CSS_SELECTOR, "#grid tbody th")]
        orders[kind] = heads
        for row in some(browser.find_elements(By.CSS_SELECTOR, "#grid tbody tr")):
            target = MODELS.index(row.find_element(By.TAG_NAME, "th").text)
            for source, cell in some(zip(heads, row.find_elements(By.TAG_NAME, "td"))):
                column = MODELS.index(source)
                expected = "" if column == target else f"{A[target, column]:.2f}".replace("-", "−")
                assert cell.text == expected.replace("−0.00", "0.00")
    assert orders["given"] == list(MODELS)
    assert orders["alphabetical"] != orders["given"]
    leaves = browser.find_elements(By.CSS_SELECTOR, "svg.tree")[0].find_elements(
        By.CSS_SELECTOR, "text:not(.tick)"
    )
    assert orders["tree"] == [one.text for one in leaves]


def test_a_study_switches_between_its_runs(browser, study):
    show(browser, study)
    Select(browser.find_element(By.ID, "choose-run")).select_by_visible_text("street_energy")
    assert (
        browser.find_element(By.ID, "matrix-title").text
        == "Affinity by gradient × input, street_energy, 13 images"
    )
    assert len(browser.find_elements(By.CSS_SELECTOR, "#grid tbody tr")) == 5
    assert "interval not known: affinity_images.npz is missing" in details(browser)
    trees = [one for one in browser.find_elements(By.CSS_SELECTOR, "svg.tree") if one.is_displayed()]
    assert len(trees) == 1
    chooser = browser.find_element(By.CSS_SELECTOR, "[data-chooser='Tree'] select")
    Select(chooser).select_by_visible_text("street_energy, saliency")
    assert browser.find_element(By.XPATH, "//h3[text()='street_energy, saliency']").is_displayed()


def test_the_first_tab_leads_past_the_contents(browser, run):
    show(browser, run)
    browser.find_element(By.TAG_NAME, "body").send_keys(Keys.TAB)
    skip = browser.switch_to.active_element
    assert skip.text == "Skip to the report"
    assert skip.rect["y"] >= 0  # seen while it has the focus
    press(browser, Keys.ENTER)
    assert browser.execute_script("return document.activeElement.id") == "content"


def test_focus_is_seen(browser, run):
    show(browser, run)
    start_at(browser, 1, 2)
    style = browser.execute_script("return getComputedStyle(document.activeElement).outline")
    assert "3px" in style
    assert "none" not in style


@pytest.mark.parametrize("which", ["run", "study"])
@pytest.mark.parametrize("width", [320, 400, 800, 1280])
def test_no_page_scrolls_sideways(browser, which, width, request):
    show(browser, request.getfixturevalue(which), width=width)
    browser.execute_script("document.querySelectorAll('details').forEach((one) => { one.open = true; })")
    assert browser.execute_script("return document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("which", ["run", "study"])
def test_print_has_all_sections_unfolded_and_no_controls(browser, which, request):
    show(browser, request.getfixturevalue(which), width=700, media="print")
    seen = "return [...document.querySelectorAll(arguments[0])].map((one) => one.checkVisibility({contentVisibilityAuto: true}))"
    for key, _ in SECTIONS:
        assert browser.execute_script(seen, f"#{key}") == [True], key
    for selector in (
        "svg.tree",
        "details table",
        "details li",
        "dl.models dd",
        ".choice",
        "article.claim",
        "#bars li",
        "img",
    ):
        found = browser.execute_script(seen, selector)
        assert found, selector
        assert all(found), selector
    for selector in ("select", ".skip", "#details"):
        assert not any(browser.execute_script(seen, selector)), selector
    assert browser.execute_script("return getComputedStyle(document.body).color") == "rgb(0, 0, 0)"


def test_printing_unfolds_and_folds_again(browser, run):
    show(browser, run)
    browser.execute_script(
        "window.unfolded = 0; window.addEventListener('beforeprint', () => {"
        "window.unfolded = document.querySelectorAll('details[open]').length; });"
    )
    pdf = base64.b64decode(browser.execute_cdp_cmd("Page.printToPDF", {"preferCSSPageSize": True})["data"])
    assert pdf.startswith(b"%PDF")
    every = browser.execute_script("return document.querySelectorAll('details').length")
    assert every > 5
    assert browser.execute_script("return window.unfolded") == every
    assert browser.execute_script("return document.querySelectorAll('details[open]').length") == 0


def test_dark_is_dark_and_light_is_light(browser, run):
    def paper():
        colour = browser.execute_script("return getComputedStyle(document.body).backgroundColor")
        return sum(map(int, colour[4:-1].split(",")))

    show(browser, run, scheme="light")
    assert paper() > 720
    show(browser, run, scheme="dark")
    assert paper() < 100


def test_lines_of_the_curves_can_be_switched_off(browser, run):
    show(browser, run)
    keys = browser.find_elements(By.CSS_SELECTOR, ".keys button")
    assert len(keys) == 7
    keys[1].click()
    assert keys[1].get_attribute("aria-pressed") == "false"
    lines = browser.find_elements(By.CSS_SELECTOR, "polyline[data-line='1']")
    assert len(lines) == 2
    assert not any(line.is_displayed() for line in lines)
    keys[1].send_keys(Keys.ENTER)
    assert all(line.is_displayed() for line in lines)
