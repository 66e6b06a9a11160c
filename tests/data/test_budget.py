"""Waiting for memory, without a deadlock."""

import threading
import time

import pytest

from estimator_lab.data.budget import Budget

MEGABYTE = 2**20
SECONDS = 300  # for what takes none


@pytest.fixture
def budget():
    return Budget(10 * MEGABYTE)


class Asking(threading.Thread):
    """Requests `megabytes`; sets `has` when it has them."""

    def __init__(self, budget, megabytes):
        super().__init__(daemon=True)
        self.has = threading.Event()
        self._budget = budget
        self._weight = megabytes * MEGABYTE
        self.start()

    def run(self):
        self._budget.take(self._weight)
        self.has.set()

    def waits(self):
        """Whether it is in line; it may need a moment to get there."""
        deadline = time.monotonic() + SECONDS
        while not self._budget._waiting and time.monotonic() < deadline:
            time.sleep(0.001)
        return not self.has.is_set()


def test_a_request_within_the_limit_does_not_wait(budget):
    for _ in range(5):
        budget.take(2 * MEGABYTE)
    assert budget.held == 10 * MEGABYTE


def test_a_request_beyond_the_limit_waits(budget):
    budget.take(6 * MEGABYTE)
    asking = Asking(budget, 5)
    assert asking.waits()
    budget.give(MEGABYTE)
    assert asking.has.wait(SECONDS)
    assert budget.held == 10 * MEGABYTE


def test_a_request_above_the_whole_budget_passes_alone(budget):
    budget.take(MEGABYTE)
    asking = Asking(budget, 1000)
    assert asking.waits()
    budget.give(MEGABYTE)
    assert asking.has.wait(SECONDS)
    after = Asking(budget, 1)
    assert after.waits()
    budget.give(1000 * MEGABYTE)
    assert after.has.wait(SECONDS)


def test_light_requests_do_not_overtake_a_heavy_one(budget):
    budget.take(2 * MEGABYTE)
    heavy = Asking(budget, 9)
    assert heavy.waits()
    light = Asking(budget, 1)
    time.sleep(0.05)
    assert not light.has.is_set()
    budget.give(2 * MEGABYTE)
    assert heavy.has.wait(SECONDS) and light.has.wait(SECONDS)


def test_several_continue_when_one_releases_much(budget):
    budget.take(10 * MEGABYTE)
    asking = [Asking(budget, 3) for _ in range(3)]
    assert asking[0].waits()
    budget.give(10 * MEGABYTE)
    assert all(each.has.wait(SECONDS) for each in asking)


def test_settle_waits_until_enough_is_released(budget):
    budget.add(25 * MEGABYTE)
    settled = threading.Event()
    thread = threading.Thread(target=lambda: (budget.settle(), settled.set()), daemon=True)
    thread.start()
    budget.give(14 * MEGABYTE)
    assert not settled.wait(0.05)
    budget.give(MEGABYTE)
    assert settled.wait(SECONDS)


def test_a_share_is_released_after_an_error(budget):
    def fail():
        with budget.share() as share:
            share.hold(4 * MEGABYTE)
            assert budget.held == 4 * MEGABYTE
            share.hold(3 * MEGABYTE)  # the next example
            assert budget.held == 3 * MEGABYTE
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert budget.held == 0


def test_light_examples_are_not_counted(budget):
    with budget.share() as share:
        share.hold(MEGABYTE - 1)
        assert budget.held == 0


def test_no_deadlock_and_no_more_is_held_than_allowed(budget):
    """Many threads hold some of one budget while they wait for another, as decoding does."""
    decoded, most, errors = Budget(10 * MEGABYTE), [0, 0], []

    def work(seed):
        try:
            for number in range(40):
                weight = (seed * 7 + number * 3) % 12 + 1
                with budget.share() as encoded_share, decoded.share() as decoded_share:
                    encoded_share.hold(weight * MEGABYTE)
                    decoded_share.hold((13 - weight) * MEGABYTE)
                    for place, each in enumerate((budget, decoded)):
                        most[place] = max(most[place], each.held)
        except Exception as error:  # noqa: BLE001 - none must get lost in a thread
            errors.append(error)

    threads = [threading.Thread(target=work, args=(seed,), daemon=True) for seed in range(9)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(SECONDS)
    assert not any(thread.is_alive() for thread in threads) and not errors
    assert (budget.held, decoded.held) == (0, 0)
    assert max(most) <= 12 * MEGABYTE  # the heaviest example, alone
