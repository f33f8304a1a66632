"""The modes: nested, decorating, and apart under threads and asyncio."""

import asyncio
import sys
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

import autotensor as at
from autotensor.engine.modes import LINES, RECORD, SCOPED, WATCH, mode, scope_path


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


# -- watching, lines and scopes -------------------------------------------------------------------


def state():
    return mode.get(), scope_path()


def test_each_mode_sets_its_bits_and_restores_them():
    blocks = [
        (at.detect_anomaly(), RECORD | WATCH | LINES, ""),
        (at.record_lines(), RECORD | LINES, ""),
        (at.scope("encoder"), RECORD | SCOPED, "encoder"),
    ]
    for block, bits, path in blocks:
        with block:
            assert state() == (bits, path)
            with at.no_grad(), block:  # once more, while it is open
                assert mode.get() == bits - RECORD
            assert state() == (bits, path)
        assert state() == (RECORD, "")


def test_names_of_scopes_are_joined():
    outer, inner = at.scope("encoder/3"), at.scope("norm")
    with outer:
        with inner, inner:
            assert scope_path() == "encoder/3/norm/norm"
        with pytest.raises(ZeroDivisionError), inner:
            divmod(1, 0)
        assert scope_path() == "encoder/3"
    assert state() == (RECORD, "")


def test_a_scope_needs_a_name():
    with pytest.raises(TypeError, match=r"^at.scope\(\) needs a name, a str; got function$"):
        at.scope(lambda: None)


def test_functions_are_decorated_with_these_too():
    @at.scope("outer")
    @at.detect_anomaly()
    def decorated(n):
        return decorated(n - 1) if n else state()

    @at.scope("task")
    async def awaited():
        await asyncio.sleep(0)
        return state()

    assert decorated(1) == (RECORD | WATCH | LINES | SCOPED, "outer/outer")
    assert asyncio.run(awaited()) == (RECORD | SCOPED, "task")
    assert state() == (RECORD, "")


def test_threads_do_not_see_each_others_scope_or_watching():
    watch, name, barrier = at.detect_anomaly(), at.scope("name"), threading.Barrier(2, timeout=10)

    def inside():
        with watch, name:
            barrier.wait()
            barrier.wait()
            return state()

    def outside():
        barrier.wait()
        result = state()
        barrier.wait()
        return result

    with ThreadPoolExecutor(2) as pool:
        results = pool.submit(inside), pool.submit(outside)
        assert [result.result() for result in results] == [
            (RECORD | WATCH | LINES | SCOPED, "name"),
            (RECORD, ""),
        ]


def test_tasks_do_not_see_each_others_scope_or_watching():
    async def task(*blocks):
        for block in blocks:
            block.__enter__()
        await asyncio.sleep(0)
        result = state()
        for block in reversed(blocks):
            block.__exit__(None, None, None)
        await asyncio.sleep(0)
        return result, state()

    async def main():
        scope = at.scope("name")
        return await asyncio.gather(task(scope, at.detect_anomaly()), task(), task(scope, scope))

    assert asyncio.run(main()) == [
        ((RECORD | WATCH | LINES | SCOPED, "name"), (RECORD, "")),
        ((RECORD, ""), (RECORD, "")),
        ((RECORD | SCOPED, "name/name"), (RECORD, "")),
    ]


# -- all at once ----------------------------------------------------------------------------------


def second_derivative(x):
    """That of x**3, from gradients within a gradient, which leave the mode as it was."""
    before = state()
    slope = at.grad(at.grad(lambda z: z * z * z))(x)
    return slope == 6.0 * x and state() == before


def test_nested_gradients_in_threads_and_tasks_at_once():
    rounds, workers = 625, range(4)
    quiet, loud = at.no_grad(), at.enable_grad()  # one object for all

    def right(name):
        return scope_path() == name and not records()

    def in_thread(k):
        wrong = 0
        for i in range(rounds):
            fine = second_derivative(float(i))
            with at.scope(f"thread{k}"), quiet:
                fine &= right(f"thread{k}") and second_derivative(float(i))
                with loud:
                    fine &= records()
                fine &= right(f"thread{k}")
            wrong += not (fine and records() and state() == (RECORD, ""))
        return wrong

    async def in_task(k):
        wrong = 0
        for i in range(rounds):
            fine = second_derivative(float(i))
            with at.scope(f"task{k}"), quiet:
                await asyncio.sleep(0)
                fine &= right(f"task{k}") and second_derivative(float(i))
                with loud:
                    await asyncio.sleep(0)
                    fine &= records()
                fine &= right(f"task{k}")
            await asyncio.sleep(0)
            wrong += not (fine and records() and state() == (RECORD, ""))
        return wrong

    async def all_tasks():
        return await asyncio.gather(*map(in_task, workers))

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        with ThreadPoolExecutor(len(workers)) as pool:
            threads = [pool.submit(in_thread, k) for k in workers]
            wrong = asyncio.run(all_tasks()) + [thread.result() for thread in threads]
    finally:
        sys.setswitchinterval(interval)
    assert len(wrong) * rounds == 5_000
    assert wrong == [0] * 8
