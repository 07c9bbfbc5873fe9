"""Common parts of all tables for people."""

from __future__ import annotations

from typing import TYPE_CHECKING

from service.render.plot_style import signed

if TYPE_CHECKING:
    from rich.table import Table


def plain_table(*headings: str | tuple[str, str]) -> Table:
    """A table without columns' frames; a heading that is a pair stands over numbers."""
    from rich import box
    from rich.table import Table

    table = Table(box=box.SIMPLE_HEAD, show_edge=False, pad_edge=False)
    for heading in headings:
        if isinstance(heading, tuple):
            table.add_column(heading[0], justify="right", no_wrap=True)
        else:
            table.add_column(heading, overflow="fold")
    return table


def signed_or_dash(value: float | None) -> str:
    """A value with its sign, such as '+0.40'; a dash where it is not known."""
    return "–" if value is None else signed(value)
