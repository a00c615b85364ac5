"""From a callback's bytes to its nodes.

Expat does the work, told to refuse what no callback holds: a document type (and with it all entities of its own), any
encoding but UTF-8, a tree deeper or larger than the platforms send.
"""

from typing import TypeAlias
from xml.parsers import expat

from bot.doors.errors import Flaw, UnreadableError

MOST_DEPTH = 16
"""The deepest we know is 5: a card's chosen options."""
MOST_NODES = 5_000
"""The largest we know is an approval's data, some hundreds."""

Node: TypeAlias = "str | Nodes"
Nodes: TypeAlias = "dict[str, Node | list[Node]]"
"""Text is a string, a node with children again a dict, repeated nodes a list in their order. Attributes are dropped."""


def parse(body: bytes) -> Nodes:
    """The nodes below the root.

    Raises: UnreadableError, and nothing else, whatever the bytes.
    """
    tree: list[Nodes] = [{}]
    text: list[str] = []
    left = MOST_NODES

    def start(_name: str, _attributes: object) -> None:
        nonlocal left
        left -= 1
        if left < 0:
            raise UnreadableError(Flaw.LONG)
        if len(tree) > MOST_DEPTH:
            raise UnreadableError(Flaw.DEEP)
        tree.append({})
        text.clear()

    def end(name: str) -> None:
        node = tree.pop() or "".join(text)
        above = tree[-1]
        if name not in above:
            above[name] = node
        elif isinstance(before := above[name], list):
            before.append(node)
        else:
            above[name] = [before, node]

    _check_bytes(body)
    parser = expat.ParserCreate("utf-8")
    parser.buffer_text = True
    parser.StartElementHandler = start
    parser.EndElementHandler = end
    parser.CharacterDataHandler = text.append
    parser.XmlDeclHandler = _check_encoding
    parser.StartDoctypeDeclHandler = _refuse_doctype
    try:
        parser.Parse(body, True)
    except (expat.ExpatError, ValueError) as error:
        raise UnreadableError(Flaw.XML) from error
    (root,) = tree[0].values()
    if not isinstance(root, dict):
        raise UnreadableError(Flaw.MISSING)
    return root


def text_of(nodes: Nodes, name: str) -> str:
    """A node's text; "" when it is missing, repeated or not plain text."""
    node = nodes.get(name)
    return node if isinstance(node, str) else ""


def several(nodes: Nodes, name: str) -> list[Node]:
    """A node that may be repeated, as a list whether it came once, often or not at all."""
    node = nodes.get(name, [])
    return node if isinstance(node, list) else [node]


def _check_bytes(body: bytes) -> None:
    # Expat follows a mark of UTF-16 whatever encoding it is told; such bytes are no UTF-8, or hold a NUL.
    try:
        body.decode()
    except UnicodeDecodeError as error:
        raise UnreadableError(Flaw.ENCODING) from error
    if b"\0" in body:
        raise UnreadableError(Flaw.XML)


def _check_encoding(_version: str, encoding: str | None, _standalone: int) -> None:
    if encoding is not None and encoding.lower() != "utf-8":
        raise UnreadableError(Flaw.ENCODING)


def _refuse_doctype(*_declaration: object) -> None:
    raise UnreadableError(Flaw.DOCTYPE)
