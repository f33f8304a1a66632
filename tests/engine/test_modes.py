"""`no_grad` and `enable_grad`: nested, decorating, and apart under threads and asyncio."""

import asyncio
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import autotensor as at


def records():
    x = at.tensor(1.0, requires_grad=True)
    return (x * x).requires_grad


def test_recording_is_on_at_first():
    assert records()


def test_blocks_nest_and_restore():
    with at.no_grad():
        assert not records()
        with at.enable_grad():
            assert records()
            with at.no_grad():
                assert not records()
            assert records()
        assert not records()
    assert records()


def test_blocks_restore_after_an_error():
    with pytest.raises(ZeroDivisionError), at.no_grad():
        divmod(1, 0)
    assert records()


def test_one_object_may_be_entered_again_while_it_is_open():
    quiet = at.no_grad()
    with quiet:
        with quiet:
            assert not records()
        assert not records()
    assert records()


@pytest.mark.parametrize(("mode", "wanted"), [(at.no_grad, False), (at.enable_grad, True)])
def test_decorated_functions_run_in_the_mode(mode, wanted):
    @mode()
    def decorated(a, *, b):
        """Docstring."""
        return records(), a, b

    with at.no_grad() if wanted else at.enable_grad():
        assert decorated(1, b=2) == (wanted, 1, 2)
    assert decorated.__name__ == "decorated"
    assert decorated.__doc__ == "Docstring."
    assert records()


def test_decorated_functions_may_recurse():
    @at.no_grad()
    def count(n):
        assert not records()
        return n and count(n - 1)

    assert count(5) == 0
    assert records()


def test_a_decorated_coroutine_runs_in_the_mode():
    @at.no_grad()
    async def decorated(x):
        await asyncio.sleep(0)
        return records(), x

    async def main():
        inside = await decorated(3)
        return inside, records()

    assert asyncio.run(main()) == ((False, 3), True)


def test_a_generator_cannot_be_decorated():
    def numbers():
        yield 1

    async def later():
        yield 1

    for generator in (numbers, later):
        with pytest.raises(TypeError, match="no_grad cannot decorate the generator"):
            at.no_grad()(generator)


def test_threads_do_not_see_each_others_mode():
    entered, checked = threading.Event(), threading.Event()
    seen = {}

    def quiet():
        with at.no_grad():
            entered.set()
            checked.wait(10)
            seen["quiet"] = records()

    def loud():
        entered.wait(10)
        seen["loud"] = records()
        checked.set()

    threads = [threading.Thread(target=run) for run in (quiet, loud)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert seen == {"quiet": False, "loud": True}


def test_one_object_shared_by_threads_keeps_them_apart():
    quiet = at.no_grad()
    first_in, second_in, first_out = (threading.Event() for _ in range(3))

    def first():
        with quiet:
            first_in.set()
            second_in.wait(10)
        first_out.set()
        return records()

    def second():
        first_in.wait(10)
        with quiet:
            second_in.set()
            first_out.wait(10)
            inside = records()
        return inside, records()

    with ThreadPoolExecutor(2) as pool:
        results = pool.submit(first), pool.submit(second)
        assert [result.result() for result in results] == [True, (False, True)]


def test_tasks_do_not_see_each_others_mode():
    async def quiet(entered, checked):
        with at.no_grad():
            entered.set()
            await checked.wait()
            return records()

    async def loud(entered, checked):
        await entered.wait()
        result = records()
        checked.set()
        return result

    async def main():
        entered, checked = asyncio.Event(), asyncio.Event()
        return await asyncio.gather(quiet(entered, checked), loud(entered, checked))

    assert asyncio.run(main()) == [False, True]


def test_graphs_may_grow_in_many_threads_at_once():
    def slope(x):
        leaf = at.tensor(x, requires_grad=True)
        y = leaf
        for _ in range(200):
            y = y * 1.01
        y.backward()
        return leaf.grad.item()

    with ThreadPoolExecutor(8) as pool:
        slopes = set(pool.map(slope, map(float, range(32))))
    assert len(slopes) == 1


def test_a_pass_that_is_not_recorded_works_in_either_mode():
    x = at.tensor(2.0, requires_grad=True)
    y = x * x
    with at.no_grad():
        y.backward()
    assert x.grad.item() == 4.0
    assert not x.grad.requires_grad


def test_a_recorded_pass_records_in_either_mode():
    x = at.tensor(2.0, requires_grad=True)
    for _ in range(2):  # the second gradient is added to the first
        y = x**3
        with at.no_grad():
            y.backward(create_graph=True)
    slope, x.grad = x.grad, None
    slope.backward()
    assert x.grad.item() == 24.0
