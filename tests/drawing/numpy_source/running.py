"""Runs printed source, and compares it with the engine."""

import inspect

import numpy as np

import autotensor as at

ULPS = 256


def run(text, values, **given):
    """What ``value_and_grad`` of `text` returns; `given` is what exec is given."""
    space = dict(given)
    exec(compile(text, "<source>", "exec"), space)
    function = space["value_and_grad"]
    assert [*inspect.signature(function).parameters] == [*values], text
    return function(**values)


def compare(got, wanted, text, exact):
    for g, w in zip(got, wanted, strict=True):
        assert (np.shape(g), g.dtype) == (np.shape(w), w.dtype), text
        if exact:
            np.testing.assert_array_equal(g, w, err_msg=text)
        else:
            scale = np.max(np.abs(w), initial=0.0) + 1
            error = np.max(np.abs(np.nan_to_num(g - w)), initial=0.0)
            assert error <= ULPS * np.finfo(g.dtype).eps * scale, text
            np.testing.assert_array_equal(np.isnan(g), np.isnan(w), err_msg=text)


def check(function, values, others=(), wrt=None, given=None):
    """The text of a function, traced with `values`, gives the engine's numbers with all values.

    Parameters
    ----------
    function : of the arguments in `values`, by name.
    values : arguments by name.
    others : more of them, for the same text.
    wrt : what to differentiate by; all where it is None.
    given : what exec is given.
    """
    wrt = tuple(range(len(values))) if wrt is None else wrt
    for simplify in (False, True):
        text = at.source(function, wrt, simplify=simplify)(*values.values())
        for these in (values, *others):
            copies = [np.array(v)[()] for v in these.values()]
            value, gradients = at.value_and_grad(function, wrt)(*copies)
            gradients = gradients if isinstance(wrt, tuple) else [gradients]
            got = run(text, these, **(given or {}))
            compare(got, [value, *gradients], text, exact=not simplify)
    return text
