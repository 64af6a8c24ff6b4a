# Copyright (c) 2026 The storware.backup authors
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All pages of the documentation site in a browser, on a desk and on a phone. The session ``docs`` builds the site."""

from __future__ import annotations

import html.parser
import pathlib
import typing as t
import urllib.parse

import pytest

from tests.harness import tree
from tests.harness.site import SITE
from tests.site import browser

PICTURES: t.Final = tree.BUILD / "site-pictures"
WIDTHS: t.Final = (1280, 390)
HEIGHT: t.Final = 2400  # of a picture, at most
PICTURED: t.Final = ("index", "tutorial", "fleet", "reference/cloud_download_module", "troubleshooting")
SUBJECTS: t.Final = {
    "index.html": ("Backup administrator", "AWX operator", "On call", "Auditor", "Collection author"),
    "fleet.html": ("legal-case", "fetch_content_distribute"),
    "reference/index.html": ("cloud_download_content", "fetch_content", "check_server", "event source"),
    "reference/cloud_download_module.html": ("protected_entities", "Return Values", "ambiguous_create"),
    "reference/fetch_content_role.html": ("fetch_content_dest", "verify"),
    "reference/playbooks.html": ("configure_awx_project", "check_server_save"),
    "reference/cloud_downloads_event_source.html": ("cursor", "Synopsis"),
}

_LOOK: t.Final = pathlib.Path(__file__).with_name("look.js").read_text(encoding="utf-8")
_AXE: t.Final = tree.BUILD / "axe" / "axe_playwright_python" / "axe.min.js"
_RULES: t.Final = ["color-contrast", "image-alt", "link-name", "html-has-lang", "document-title"]
_CONTRAST: t.Final = f"""axe.run(document, {{runOnly: {_RULES}, resultTypes: ["violations"]}}).then(done =>
  done.violations.flatMap(rule => rule.nodes.map(node => `${{rule.id}}: ${{node.html.slice(0, 120)}} ${{node.failureSummary}}`)))"""

pytestmark = pytest.mark.skipif(not SITE.exists(), reason="the site is not built: make docs")
needs_browser = pytest.mark.skipif(browser.PROGRAM is None, reason="no Chromium is installed")


class Page(html.parser.HTMLParser):
    """The links and anchors of a page."""

    def __init__(self, path: pathlib.Path) -> None:
        super().__init__()
        self.anchors = {""}
        self.links: list[str] = []
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            if name in ("href", "src") and value and tag != "use":
                self.links.append(value)


def pages() -> list[str]:
    return sorted(path.relative_to(SITE).as_posix() for path in SITE.rglob("*.html"))


@pytest.fixture(scope="module")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> t.Iterator[browser.Browser]:
    opened = browser.Browser(tmp_path_factory.mktemp("browser"))
    yield opened
    opened.close()


def test_pages_have_their_subjects() -> None:
    texts = {name: (SITE / name).read_text(encoding="utf-8") for name in SUBJECTS}
    assert {name: [word for word in words if word not in texts[name]] for name, words in SUBJECTS.items()} == {
        name: [] for name in SUBJECTS
    }


def test_the_entry_point_main_is_the_first_and_has_an_example() -> None:
    text = (SITE / "reference" / "fetch_content_role.html").read_text(encoding="utf-8")
    order = [text.index(f'<code class="docutils literal notranslate"><span class="pre">{name}</span></code> – ') for name in ("main", "prepare", "fetch", "verify", "remove")]
    assert order == sorted(order)
    assert order[0] < text.index("legal case") < order[1]


def test_all_links_resolve() -> None:
    found = {name: Page(SITE / name) for name in pages()}
    broken = []
    for name, page in found.items():
        for link in page.links:
            parts = urllib.parse.urlsplit(link)
            if parts.scheme:
                continue
            path = ((SITE / name).parent / urllib.parse.unquote(parts.path)).resolve() if parts.path else SITE / name
            target = path.relative_to(SITE).as_posix() if path.is_relative_to(SITE) else ""
            anchor = urllib.parse.unquote(parts.fragment)
            if not path.is_file() or (target in found and anchor not in found[target].anchors):
                broken.append(f"{name}: {link}")
    assert broken == []


@needs_browser
@pytest.mark.parametrize("width", WIDTHS)
def test_every_page_can_be_read(chromium: browser.Browser, width: int) -> None:
    """Nothing overlaps, is cut off, has too little contrast or is loaded from elsewhere. Dark where the window is narrow."""
    scheme = "light" if width == max(WIDTHS) else "dark"
    axe = _AXE.read_text(encoding="utf-8")
    complaints = {}
    for name in pages():
        chromium.open((SITE / name).as_uri(), width, scheme)
        found = chromium.evaluate(_LOOK)
        chromium.evaluate(f"{axe}; 0")
        found += chromium.evaluate(_CONTRAST)
        found += [problem for event in chromium.events if (problem := _problem(event))]
        if found:
            complaints[name] = found
        if name.removesuffix(".html") in PICTURED:
            chromium.picture(PICTURES / f"{pathlib.Path(name).stem}-{width}.png", HEIGHT)
    assert complaints == {}


@needs_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_no_words_of_a_drawing_overlap(chromium: browser.Browser, scheme: str) -> None:
    complaints = {}
    for path in sorted((tree.ROOT / "docs").glob("*.svg")):
        chromium.open(path.as_uri(), max(WIDTHS), scheme)
        if found := chromium.evaluate(_LOOK):
            complaints[path.name] = found
    assert complaints == {}


def _problem(event: dict[str, t.Any]) -> str:
    """What an event of the browser reports: an error, or a request to a server."""
    parameters = event["params"]
    match event["method"]:
        case "Network.requestWillBeSent" if not parameters["request"]["url"].startswith(("file:", "data:")):
            return f"loads {parameters['request']['url']}"
        case "Network.loadingFailed":
            return f"does not load something: {parameters['errorText']}"
        case "Runtime.exceptionThrown":
            return f"has an error in a script: {parameters['exceptionDetails']['text']}"
        case "Log.entryAdded" if parameters["entry"]["level"] == "error":
            return str(parameters["entry"]["text"])
    return ""
