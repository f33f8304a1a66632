"""`einsum`: one op over labelled axes, whose rule is itself an `einsum`."""

import numpy as np

from autotensor.engine.primitive import composite, linear

_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


def _einsum_vjp(g, i, operands, shape, subscripts):
    """`g` times the other operands, summed to the labels of operand `i`.

    A label that only operand `i` has, or has longer, enters by a vector of ones, one that it has
    twice by an identity matrix.
    """
    inputs, output = subscripts.split("->")
    labels = inputs.split(",")
    wanted = labels[i]
    factors = [(output, g)]
    factors += [(labels[k], x.conj()) for k, x in enumerate(operands) if k != i]
    spare = iter(sorted(set(_LETTERS) - set(subscripts)))
    lengths = {k: n for text, x in factors for k, n in zip(text, x.shape, strict=True)}
    target = ""
    for label, n in zip(wanted, shape, strict=True):
        if label in target:
            twin = next(spare)
            factors.append((label + twin, np.eye(n)))
            label = twin
        elif lengths.get(label, -1) < n:
            factors.append((label, np.ones(n)))
        target += label
    text = ",".join(text for text, _ in factors)
    return np.einsum(f"{text}->{target}", *(x for _, x in factors))


def _summed(subscripts, *operands, **options):
    return np.einsum(subscripts, *operands, **options)


_einsum = linear(
    _summed,
    signature="subscripts, *operands, optimize=False",
    name="einsum",
    operands=_einsum_vjp,
    broadcasts=True,
    source="np.einsum",
    cases=[{"subscripts": "ij,jk->ik", "operands": [(2, 3), (3, 2)]}],
)


@composite(
    np.einsum,
    inputs=("operands",),
    cases=[
        {"subscripts": "ij,jk->ik", "operands": [(2, 3), (3, 2)]},
        {"subscripts": "ij,jk,k", "operands": [(2, 3), (3, 2), (2,)]},
        {"subscripts": "ii", "operands": [(3, 3)]},
        {"subscripts": "AAj->jA", "operands": [(2, 2, 3)]},
        {"subscripts": "ij->j", "operands": [(2, 3)]},
        {"subscripts": "i,j->", "operands": [(2,), (3,)]},
        {"subscripts": "...i,...i->...", "operands": [(4, 2, 3), (2, 3)]},
        {"subscripts": "ij,ij->ij", "operands": [(2, 1), (2, 3)]},
        {"subscripts": "ij,ij,ij->i", "operands": [(2, 3), (2, 3), (2, 1)]},
        {"subscripts": "ij,j->i", "operands": [(2, 3), (1,)]},
        {"subscripts": "ij->i", "operands": [(2, 1)]},
        {"subscripts": "A...->...", "operands": [(2, 3)], "optimize": True},
        {"subscripts": "...i,i->...", "operands": [(2,), (2,)]},
        {"subscripts": "ba", "operands": [(2, 3)]},
        {"subscripts": "...j, jk", "operands": [(2, 3), (3, 2)]},
        {"subscripts": [[0, 1], [1, 2]], "operands": [(2, 3), (3, 2)]},
        {"subscripts": [[0, 1], [1], [2, 1], [2, 0]], "operands": [(2, 3), (3,), (4, 3)]},
        {"subscripts": [[..., 0], [0, 1], [1, ...]], "operands": [(4, 2), (2, 3)]},
    ],
)
def einsum(*operands, out=None, optimize=False):
    """The Einstein sum, its subscripts made explicit first."""
    if not isinstance(operands[0], str):
        operands = _from_lists(operands)
    subscripts, arrays = operands[0], operands[1:]
    options = {"optimize": optimize} if optimize else {}
    return _einsum(_explicit(subscripts, [np.ndim(x) for x in arrays]), *arrays, **options)


def _from_lists(operands):
    """The call ``einsum(a, [0, 1], b, [1, 2], [0, 2])`` with its lists of numbers as a string."""

    def text(labels):
        return "".join("..." if k is Ellipsis else _LETTERS[k] for k in labels)

    pairs = len(operands) // 2
    subscripts = ",".join(text(operands[2 * k + 1]) for k in range(pairs))
    if len(operands) % 2:
        subscripts += f"->{text(operands[-1])}"
    return (subscripts, *operands[: 2 * pairs : 2])


def _explicit(subscripts, ndims):
    """`subscripts` with its output written out and every ellipsis replaced by labels."""
    subscripts = subscripts.replace(" ", "")
    inputs, arrow, output = subscripts.partition("->")
    terms = inputs.split(",")
    if not arrow:
        output = "..." if "..." in inputs else ""
        output += "".join(sorted(c for c in inputs if c.isalpha() and inputs.count(c) == 1))
    if "..." not in subscripts:
        return f"{inputs}->{output}"
    spare = "".join(sorted(set(_LETTERS) - set(subscripts)))
    hidden = [
        n - len(t.replace("...", "")) if "..." in t else 0
        for t, n in zip(terms, ndims, strict=True)
    ]
    most = max(hidden)
    terms = [t.replace("...", spare[most - h : most]) for t, h in zip(terms, hidden, strict=True)]
    return f"{','.join(terms)}->{output.replace('...', spare[:most])}"
