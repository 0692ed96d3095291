"""Pages as a strict reader sees them, without a browser: whatever one would silently repair is an error here."""

from html.parser import HTMLParser
from urllib.parse import urlsplit

from innerwatch_cli.report import text

VOID = {"meta", "link", "input", "br", "img", "hr"}


class Page(HTMLParser):
    """Reads a page whole. AssertionError for tags not closed in order, scripts, and outside addresses.

    The one place outside that a link may lead to, told nothing of where it was followed, is a raw record's object.
    """

    def __init__(self, page: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[str] = []
        self.links: list[str] = []
        self.objects: list[str] = []  # links to objects in AWS's console
        self.words: list[str] = []
        self.values: dict[str, str] = {}  # of form fields, by name
        self.rows: list[str] = []  # the text of each table's row
        self.selected: list[str] = []
        self.feed(page)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.words).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {name: value or "" for name, value in attrs}
        assert len(named) == len(attrs), f"an attribute twice in {tag}"
        assert tag not in ("script", "iframe", "object", "embed", "img", "base"), tag
        assert not [name for name in named if name.startswith("on") or name == "style"], named
        self.tags.append(tag)
        for name in ("href", "src", "action"):
            if address := named.get(name):
                if tag == "a" and address.startswith(text.CONSOLE):
                    assert named["rel"] == "noreferrer"
                    self.objects.append(address)
                    continue
                parts = urlsplit(address)
                assert not parts.scheme, address
                assert not parts.netloc, address
                if tag == "a":
                    self.links.append(address)
        if tag == "input":
            self.values[named.get("name", "")] = named.get("value", "")
        if tag == "option" and "selected" in named:
            self.selected.append(named["value"])
        if tag == "tr":
            self.rows.append("")
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        if tag not in VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open[-1] == tag, f"</{tag}> closes <{self.open[-1]}>"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.words.append(data)
        if "tr" in self.open:
            self.rows[-1] = " ".join(f"{self.rows[-1]} {data}".split())
