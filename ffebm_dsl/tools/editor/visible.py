"""Which declared names can be seen from where."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from types import MappingProxyType

from ffebm_dsl.language.syntax.declarations import Declaration, Scope

PORTS = frozenset({"input", "feedforward", "block", "readout"})
PARTS = PORTS - {"input"}


def visible(kind: str, scope: Scope, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The declarations of a kind of name that a place in ``scope`` sees.

    A template sees its own names and the params alone, a block the model's ports too.
    """
    return (found for found in all_ if _SEEN[kind](found, scope))


def _is_port(found: Declaration, scope: Scope) -> bool:
    itself = found.keyword == "block" and (*found.scope, found.name) == scope
    port = found.keyword in PORTS or found.keyword == "formal"
    return port and _is_around(found, scope) and not itself


def _is_around(found: Declaration, scope: Scope) -> bool:
    return found.scope == scope[: len(found.scope)]


def _is_value(found: Declaration, scope: Scope) -> bool:
    formal = found.keyword == "formal" and _is_around(found, scope)
    return found.keyword == "param" or formal


_SEEN: Mapping[str, Callable[[Declaration, Scope], bool]] = MappingProxyType(
    {
        "values": _is_value,
        "ports": _is_port,
        "templates": lambda found, scope: found.keyword == "template",
        "layers": lambda found, scope: found.keyword == "layer" and found.scope == scope,
        "targets": lambda found, scope: found.keyword == "target" and _is_around(found, scope),
        "parts": lambda found, scope: found.keyword in PARTS and len(found.scope) == 1,
    }
)
"""Kind of name -> whether a declaration is one that can be seen from a scope."""


def outputs(block: str, scope: Scope, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The named outputs of a block, also of one that is made from a template."""
    declared = list(all_)
    for owner in declared:
        if owner.keyword != "block" or owner.name != block or owner.scope != scope[:1]:
            continue
        place = (owner.template,) if owner.template else (*owner.scope, block)
        yield from (d for d in declared if d.keyword == "out" and d.scope == place)


def members(block: str, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    """The maps of a block, which a setting of its own can name."""
    return (d for d in all_ if d.keyword == "feedforward" and d.scope[1:] == (block,))


def formals(template: str, all_: Iterable[Declaration]) -> Iterator[Declaration]:
    return (d for d in all_ if d.keyword == "formal" and d.scope[-1:] == (template,))
