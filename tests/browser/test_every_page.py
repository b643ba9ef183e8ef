"""Every page of the reports, as a reader's browser shows it."""

import json
import re
import subprocess
from pathlib import Path

import pytest

PAGES_ON_PAPER = 20


@pytest.fixture(scope="session")
def pages(report, wide_report) -> list[Path]:
    """All pages of both experiments."""
    return [page for one in (report, wide_report) for page in sorted(one.parents[1].rglob("*.html"))]


@pytest.fixture(scope="session")
def seen(node, pages):
    """What Chromium makes of each page, by the end of its path."""
    found = json.loads(node("look.mjs", *pages))
    return {"/".join(page.parts[-5:]): found[str(page)] for page in pages}


def of_each(seen, faults):
    """What is found on each page, without the pages on which nothing is."""
    found = {page: list(faults(one)) for page, one in seen.items()}
    return {page: some for page, some in found.items() if some}


def foreign(page):
    return (url for url in page["requests"] if not url.startswith("file:"))


def distorted(image):
    """Whether an image is missing, is given no size by its page, or is shown in another shape than its own."""
    sizes = [image[size] for size in ("natural", "declared", "shown")]
    if not all(side > 0 for size in sizes for side in size):
        return True
    natural, *others = (width / height for width, height in sizes)
    return others != pytest.approx([natural, natural], rel=0.01)


def unreached(page):
    """Controls that Tab does not come to in their order, or at which the focus cannot be seen."""
    order = [stop["control"] for stop in page["stops"]]
    yield from (text for number, text in enumerate(page["controls"]) if str(number) not in order)
    yield from (stop for stop in page["stops"] if not (stop["outlined"] and stop["inView"]))


@pytest.mark.parametrize("window", ["light", "dark", "narrow"])
def test_axe_finds_nothing(seen, window):
    assert of_each(seen, lambda page: page["audits"][window]) == {}


def test_html_validate_finds_nothing(node, pages):
    assert json.loads(node("validate.mjs", *pages)) == []


def test_a_page_asks_for_files_alone(seen):
    assert of_each(seen, foreign) == {}


def test_a_page_breaks_no_policy_and_tells_of_no_error(seen):
    assert of_each(seen, lambda page: page["errors"]) == {}


def test_every_image_is_there_in_its_shape(seen):
    assert any(page["images"] for page in seen.values())
    assert of_each(seen, lambda page: filter(distorted, page["images"])) == {}


def test_no_page_is_wider_than_a_narrow_window(seen):
    assert of_each(seen, lambda page: [page["wider"]] if page["wider"] > 0 else []) == {}


def test_tab_comes_to_every_control_and_shows_it(seen):
    assert of_each(seen, unreached) == {}


def test_the_first_control_skips_to_the_content(seen):
    def stuck(page):
        skip = page["skip"]
        return [] if skip["first"]["inView"] and skip["hash"] == "#content" and skip["leadsIntoMain"] else [skip]

    assert of_each(seen, stuck) == {}


def test_the_first_page_fits_on_paper(node, report, tmp_path):
    node("print.mjs", report / "index.html", tmp_path / "index.pdf")
    told = subprocess.run(["pdfinfo", tmp_path / "index.pdf"], check=True, capture_output=True, text=True).stdout
    assert int(re.search(r"^Pages: +(\d+)$", told, re.MULTILINE)[1]) <= PAGES_ON_PAPER


def test_the_faults_of_a_faulty_page_are_seen(node):
    page = Path(__file__).parent / "faulty" / "page.html"
    found = json.loads(node("look.mjs", page))[str(page)]
    assert set(foreign(found)) == {"https://example.org/remote.svg"}
    assert any("Content Security Policy" in error for error in found["errors"])
    assert [image["alt"] for image in found["images"] if distorted(image)] == ["of another host", "squashed"]
    assert found["wider"] > 0
    assert [stop["control"] for stop in unreached(found)] == ["0"]
    assert not found["skip"]["leadsIntoMain"]
    rules = {window: [one["rule"] for one in violations] for window, violations in found["audits"].items()}
    assert rules == {"light": ["region"], "narrow": ["region"], "dark": ["color-contrast"]}
    assert "no-dup-id" in {one["rule"] for one in json.loads(node("validate.mjs", page))}
