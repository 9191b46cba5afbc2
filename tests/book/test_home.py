"""The home page says where to begin and how we got here; the workflow publishes what was tested."""

import re
from itertools import pairwise
from pathlib import Path

import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parents[2]
FARTHEST = 8                                            # years; the longest empty stretch that the style sheet draws


@pytest.fixture(scope="module")
def home(book):
    """The home page."""
    return BeautifulSoup((book.html / "index.html").read_text(encoding="utf-8"), "html.parser")


@pytest.fixture(scope="module")
def events(home):
    """The items of the timeline."""
    return home.select("ol.timeline > li")


def test_home_page_has_a_door_for_everyone(home):
    """A reader, a student and an instructor each find a first page to go to."""
    doors = home.select(".doors .sd-card")
    assert len(doors) == 3
    assert all(door.select_one("a.internal") for door in doors)
    assert home.select_one(".opening-words a.internal")


def test_timeline_runs_from_1990_to_2025(events):
    """The years ascend, and the empty stretch before each is as long as the years since the last."""
    years = [int(event.select_one(".year").get_text()) for event in events]
    drawn = [int(re.search(r"years-(\d+)", " ".join(event["class"])).group(1)) for event in events]
    assert (years[0], years[-1]) == (1990, 2025)
    assert drawn == [0, *(min(later - earlier, FARTHEST) for earlier, later in pairwise(years))]
    assert min(drawn) >= 0


def test_timeline_says_in_words_what_it_draws(events):
    """Each event names its kind and cites its source; nothing is said by a sign or a colour alone."""
    assert {event.select_one(".kind").get_text() for event in events} == {"Problem", "Cell", "Training", "Study", "Use"}
    assert all(event.select_one("a[href^='bibliography.html#']") for event in events)


def test_every_source_has_an_address():
    """Every entry of the bibliography has a DOI or a URL, and no two have the same name."""
    entries = re.split(r"\n(?=@)", (ROOT / "book" / "references.bib").read_text())
    names = [re.match(r"@\w+\{([^,]+),", entry).group(1) for entry in entries]
    assert len(names) == len(set(names))
    assert [name for name, entry in zip(names, entries, strict=True)
            if not re.search(r"\b(?:doi|url)\s*=\s*\{\S+\}", entry)] == []


def test_workflow_publishes_only_what_passed_the_tests():
    """The workflow tests before it uploads, publishes after that and from main alone, with pinned actions."""
    workflow = yaml.safe_load((ROOT / ".github" / "workflows" / "book.yml").read_text())
    build, publish = workflow["jobs"]["build"]["steps"], workflow["jobs"]["publish"]
    runs = [step.get("run", step.get("uses", "")) for step in build]
    assert runs.index("make test") < runs.index("make pdf") < len(runs) - 1
    assert runs[-1].startswith("actions/upload-pages-artifact@")
    assert build[-1]["with"]["path"] == "_build/html"
    assert publish["needs"] == "build"
    assert "refs/heads/main" in publish["if"]
    assert "refs/heads/main" in build[-1]["if"]
    used = [step["uses"] for step in build + publish["steps"] if "uses" in step]
    assert all(re.fullmatch(r"[\w/-]+@v\d+\.\d+\.\d+", action) for action in used)
    assert workflow["permissions"] == {"contents": "read"}
