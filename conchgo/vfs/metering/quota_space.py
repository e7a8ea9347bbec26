"""statvfs(3) of a view with a quota: a file system no larger than what its user may have."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from conchgo.quota.interface import Charge, Ledger, Limits, Usage
from conchgo.storage.interface import Space

_BLOCK: Final = 4096
_NOTHING: Final = Usage(0, 0)


def within_quota(space: Space, ledger: Ledger, charge: Charge, *, at_once: bool = False) -> Space:
    """What is there, and what is free, as far as every domain of the charge has it.

    Raises:
        WouldBlock, Failure: as `Ledger.usage`.
    """
    for domain, limits in charge.domains:
        if limits.hold:
            used = [ledger.usage(each, at_once=at_once) or _NOTHING for each in (domain, *limits.beside)]
            space = _within(space, limits, Usage(sum(one.size for one in used), sum(one.files for one in used)))
    return space


def _within(space: Space, limits: Limits, used: Usage) -> Space:
    if limits.size is not None:
        space = _in_blocks(space, _block_size(limits.size))
        blocks = min(space.blocks, limits.size // space.fragment_size)
        left = max(0, limits.size - used.size) // space.fragment_size
        space = replace(
            space,
            blocks=blocks,
            blocks_free=min(space.blocks_free, left, blocks),
            blocks_available=min(space.blocks_available, left, blocks),
            by_quota=space.by_quota or left < space.blocks_available,
        )
    if limits.files is not None:
        files, left = min(space.files, limits.files), max(0, limits.files - used.files)
        space = replace(
            space,
            files=files,
            files_free=min(space.files_free, left, files),
            files_available=min(space.files_available, left, files),
        )
    return space


def _block_size(limit: int) -> int:
    """So small that the whole limit is some blocks."""
    size = _BLOCK
    while size > max(limit, 1):
        size //= 4
    return size


def _in_blocks(space: Space, size: int) -> Space:
    """The same room in blocks of at most that size."""
    size = min(size, space.fragment_size)
    return replace(
        space,
        block_size=size,
        fragment_size=size,
        blocks=space.blocks * space.fragment_size // size,
        blocks_free=space.blocks_free * space.fragment_size // size,
        blocks_available=space.blocks_available * space.fragment_size // size,
    )
