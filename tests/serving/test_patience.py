"""Waits with a limit: what is there in time is given back, what is not ends, and being cancelled is neither."""

from __future__ import annotations

import asyncio
import time

import pytest

from bidpilot.serving.patience import Patience


async def after(seconds: float, value: int) -> int:
    await asyncio.sleep(seconds)
    return value


def test_each_wait_ends_by_its_own_limit() -> None:
    async def main() -> None:
        patience = Patience()

        async def one(takes: float, limit: float) -> tuple[int | None, float]:
            begun = time.monotonic()
            try:
                found: int | None = await patience.wait(after(takes, 7), limit)
            except TimeoutError:
                found = None
            return found, time.monotonic() - begun

        waits = [(0.0, 0.2), (0.05, 1.0), (9.0, 0.1), (0.3, 0.6), (9.0, 0.4), (9.0, 0.0)]
        found = await asyncio.gather(*(one(*wait) for wait in waits))
        assert [value for value, _ in found] == [7, 7, None, 7, None, None]
        for (takes, limit), (value, seconds) in zip(waits, found, strict=True):
            least = takes if value else limit
            assert least - 0.01 <= seconds < least + 0.3
        assert not patience._until
        assert not patience._over
        await asyncio.sleep(0.1)
        assert not patience._looking  # nobody waits, and nothing is left to run

    asyncio.run(main())


def test_a_task_goes_on_after_its_wait_was_over() -> None:
    async def main() -> int:
        patience = Patience()
        with pytest.raises(TimeoutError):
            await patience.wait(after(9.0, 0), 0.05)
        return await patience.wait(after(0.05, 3), 5.0)

    assert asyncio.run(main()) == 3


def test_whoever_is_cancelled_from_outside_is_cancelled() -> None:
    async def main() -> None:
        patience = Patience()
        task = asyncio.create_task(patience.wait(after(9.0, 0), 5.0))
        await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert not patience._until

    asyncio.run(main())


def test_what_is_raised_is_raised() -> None:
    async def fail() -> None:
        raise ValueError("as it is")

    with pytest.raises(ValueError, match="as it is"):
        asyncio.run(Patience().wait(fail(), 1.0))
