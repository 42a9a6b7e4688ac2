"""Values that come from files of others, as a message may show them."""

from __future__ import annotations

LONGEST = 200


def brief(value: object, longest: int = LONGEST) -> str:
    """At most ``longest`` characters of a text or a number; of other values only their type.

    A list may contain itself many times over, and its text would be endless.
    """
    if isinstance(value, int) and abs(value) >= 1 << 128:
        return "a number of many digits"
    if value is None or isinstance(value, bool | int | float):
        return repr(value)
    if not isinstance(value, str):
        return f"a {type(value).__name__}"
    return value if len(value) <= longest else f"{value[: longest - 3]}..."


def brief_list(names: object, most: int = 20) -> str:
    """The first of many names, each brief, with commas; ``none`` where there are none."""
    listed = [brief(name, 40) for name in list(names)]  # type: ignore[call-overload]
    more = [f"and {len(listed) - most} more"] if len(listed) > most else []
    return ", ".join([*listed[:most], *more]) or "none"
