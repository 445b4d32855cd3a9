"""Blocks of a store that are in memory together: how many, how long, in how many shares."""

from dataclasses import dataclass

__all__ = ["Pool"]


@dataclass(frozen=True)
class Pool:
    """Blocks that are in memory together; windows are drawn from all of them.

    Args:
        page: rows of the store that are read at once, whole chunks.
        starts: rows in which the windows of one block start, whole pages.
        pages: pages that hold the windows of one block.
        num_blocks: blocks that windows are drawn from at a time.
        chain: blocks next to one another in time that follow one another in the pool.
        ahead: blocks read ahead of their use.
        shares: parts of an epoch that every batch takes alike from, each with blocks of its own,
            so that a rank that has some of them reads no others.
    """

    page: int
    starts: int
    pages: int
    num_blocks: int
    chain: int
    ahead: int
    shares: int = 1

    @classmethod
    def fitting(
        cls, capacity: int, *, reach: int, page: int, batch_size: int, ahead: int
    ) -> "Pool":
        """The best pool for a buffer.

        Many blocks shuffle better, long ones waste less memory on what windows reach into beyond
        their block: blocks grow until that is a quarter, while there are sixteen of them and one
        for every window of a batch. Chains are long enough for one page in twenty at most to be
        read twice. There are as many shares, a power of two, as leave three blocks to each; what
        their blocks overlap costs another.

        Args:
            capacity: rows that the buffer holds.
            reach: rows from the first to the last of a window, less one.
            page: rows that are read at once.
            batch_size: windows in a batch.
            ahead: blocks read ahead of their use; fewer where they do not fit.

        Raises:
            ValueError: the buffer holds too little.
        """
        beyond = -(-reach // page)
        best = None
        for length in range(1, capacity // page + 1):
            # While a batch is delivered, blocks leave and enter.
            spare = ahead + 1 + -(-batch_size // (length * page))
            num_blocks = capacity // page // (length + beyond) - spare
            if num_blocks < (1 if best is None else max(16, batch_size)):
                break
            chain = max(1, -(-20 * beyond // length))
            shares = 2 ** (max(1, min(batch_size, num_blocks // 4)).bit_length() - 1)
            lanes = (num_blocks - shares + 1) // shares
            best = cls(page, length * page, length + beyond, lanes * shares, chain, ahead, shares)
            if 4 * beyond <= length:
                break
        if best is None and ahead:
            return cls.fitting(
                capacity, reach=reach, page=page, batch_size=batch_size, ahead=ahead // 2
            )
        if best is None:
            least = (2 + -(-batch_size // page)) * (1 + beyond) * page
            raise ValueError(
                f"buffer_bytes: holds {capacity} states beside a batch, expected at least {least}: "
                f"blocks of {page} that are read at once, and what windows reach beyond them; "
                "allow more, or choose a smaller batch_size"
            )
        return best
