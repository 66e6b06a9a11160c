"""What a page of HTML is made of."""

from html.parser import HTMLParser


class Markup(HTMLParser):
    """The parts of a page.

    Attributes:
      elements: (tag, attributes) in their order.
      texts: between the tags.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data: str) -> None:
        self.texts.append(data)
