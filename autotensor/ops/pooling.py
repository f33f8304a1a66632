"""Pooling: the largest entry, or the mean, of every window of an image.

The first entries of all windows are one strided slice of the images, the second ones another, and
so on. So NumPy never loops over windows, never copies them, and the padding is never made.
"""

import numpy as np

from autotensor.engine.primitive import linear, rule
from autotensor.engine.shapes import taken
from autotensor.ops.convolution import pair


def window(size, stride, padding):
    """Sizes, strides and padding of the windows, in rows and columns."""
    size = pair(size, "size", 1)
    stride = size if stride is None else pair(stride, "stride", 1)
    return size, stride, pair(padding, "padding", 0)


def check(name, shape, size, padding):
    """Raise a ValueError unless the windows fit into images of this shape."""
    if len(shape) != 4:
        raise ValueError(f"{name} takes x of shape (images, channels, height, width); got {shape}")
    for length, k, p in zip(shape[2:], size, padding, strict=True):
        if 2 * p > k:
            raise ValueError(f"{name}: padding is at most half the size; got {padding} for {size}")
        if k > length + 2 * p:
            raise ValueError(
                f"{name}: windows of {size} do not fit into images of {shape[2:]} with padding "
                f"{padding}"
            )


def along(length, size, stride, padding):
    """How many windows there are along an axis, and where their entries are.

    For each entry of a window a slice of windows and one of images; neither has the padding.
    """
    count = (length + 2 * padding - size) // stride + 1
    places = []
    for k in range(size):
        start, stop = k - padding, k - padding + (count - 1) * stride + 1
        first, last = 0, count
        if start < 0:
            first = -(start // stride)
            start += first * stride
        if stop > length:
            last = (length - 1 - k + padding) // stride + 1
            stop = length
        if first < last:
            places.append((slice(first, last), slice(start, stop, stride)))
    return count, places


def entries(shape, size, stride, padding):
    """The same for both axes: indices of windows and of images."""
    _, rows = along(shape[2], size[0], stride[0], padding[0])
    _, columns = along(shape[3], size[1], stride[1], padding[1])
    return [
        ((..., row, column), (..., of_row, of_column))
        for row, of_row in rows
        for column, of_column in columns
    ]


def reduced(combine, empty, x, size, stride, padding):
    """All windows combined into one entry each, along one axis after the other."""
    for axis in (2, 3):
        count, places = along(x.shape[axis], size[axis - 2], stride[axis - 2], padding[axis - 2])
        ahead = (slice(None),) * axis
        if padding[axis - 2] or len(places) == 1:
            shape = (*x.shape[:axis], count, *x.shape[axis + 1 :])
            out = np.full_like(x, empty, shape=shape)
        else:  # the first two are everywhere
            (_, one), (_, other), *places = places
            out = combine(x[(*ahead, one)], x[(*ahead, other)])
        for place, source in places:
            part = out[(*ahead, place)]
            combine(part, x[(*ahead, source)], out=part)
        x = out
    return x


def winners(x, top, places):
    """Where the entries of `x` are the largest of their windows, and how many are in each."""
    masks = [x[image] == top[windows] for windows, image in places]
    count = np.zeros_like(top, np.int8 if len(places) < 128 else np.int64)
    for (windows, _), mask in zip(places, masks, strict=True):
        count[windows] += mask.view(np.int8)
    return masks, np.maximum(count, 1, out=count)  # 0 where an entry is NaN


def largest(x, size, stride=None, padding=0):
    """Take the largest entry of every window of the images `x`.

    Parameters
    ----------
    x : array of real numbers, shape (images, channels, height, width)
    size : int or (int, int)
        Of the windows, in rows and columns.
    stride : int or (int, int), optional
        From one window to the next; their size, when None, so that they tile the image.
    padding : int or (int, int)
        By how much windows reach beyond each side of the images, at most half their size. What is
        there is never the largest.

    Returns
    -------
    array, shape (images, channels, rows, columns)
        Where ``rows = (height + 2 * padding - size) // stride + 1``.

    Raises
    ------
    ValueError
        Where shapes or options do not go together.

    Notes
    -----
    Where several entries of a window are the largest, they share its gradient evenly. A window
    with NaN in it gives NaN, and its gradient goes nowhere; both are as for ``np.max``.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> x = at.tensor([[[[1.0, 5.0, 2.0, 2.0], [3.0, 4.0, 0.0, 1.0]]]], requires_grad=True)
    >>> y = at.nn.max_pool2d(x, 2)
    >>> y.tolist()
    [[[[5.0, 2.0]]]]
    >>> y.sum().backward()
    >>> x.grad.tolist()
    [[[[0.0, 1.0, 0.5, 0.5], [0.0, 0.0, 0.0, 0.0]]]]
    """
    size, stride, padding = window(size, stride, padding)
    check("max_pool2d", x.shape, size, padding)
    empty = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return reduced(np.maximum, empty, x, size, stride, padding)


def largest_back(y, x, top, size, stride=None, padding=0):
    """Give every entry of `y` to the largest entries of its window, in shares."""
    size, stride, padding = window(size, stride, padding)
    places = entries(x.shape, size, stride, padding)
    masks, count = winners(x, top, places)
    share = np.divide(y, count, out=np.empty_like(top, dtype=np.result_type(y, np.float16)))
    if stride[0] < size[0] or stride[1] < size[1]:
        out = np.zeros_like(x, dtype=share.dtype)
        for (windows, image), mask in zip(places, masks, strict=True):
            out[image] += taken(mask, share[windows])
        return out
    tiled = padding == (0, 0) and top.size * len(places) == x.size
    out = (np.empty_like if tiled else np.zeros_like)(x, dtype=share.dtype)
    for (windows, image), mask in zip(places, masks, strict=True):
        taken(mask, share[windows], out=out[image])
    return out


def largest_of(y, x, top, size, stride=None, padding=0):
    """Take the mean of the entries of `y` where those of `x` are the largest of their windows."""
    size, stride, padding = window(size, stride, padding)
    places = entries(x.shape, size, stride, padding)
    masks, count = winners(x, top, places)
    out = np.zeros_like(top, dtype=np.result_type(y, np.float16))
    for (windows, image), mask in zip(places, masks, strict=True):
        out[windows] += taken(mask, y[image])
    out /= count
    return out


def mean(x, size, stride=None, padding=0):
    """Take the mean of every window of the images `x`.

    Parameters
    ----------
    x : array, shape (images, channels, height, width)
    size : int or (int, int)
        Of the windows, in rows and columns.
    stride : int or (int, int), optional
        From one window to the next; their size, when None, so that they tile the image.
    padding : int or (int, int)
        By how much windows reach beyond each side of the images, at most half their size. What is
        there counts as 0.

    Returns
    -------
    array, shape (images, channels, rows, columns)
        Where ``rows = (height + 2 * padding - size) // stride + 1``.

    Raises
    ------
    ValueError
        Where shapes or options do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> at.nn.avg_pool2d(np.arange(8.0).reshape(1, 1, 2, 4), 2).tolist()
    [[[[2.5, 4.5]]]]
    """
    size, stride, padding = window(size, stride, padding)
    check("avg_pool2d", x.shape, size, padding)
    out = reduced(np.add, 0, x, size, stride, padding)
    return out * (1 / (size[0] * size[1]))


def mean_back(y, shape, size, stride=None, padding=0):
    """Spread every entry of `y` evenly over its window, in images of the given shape."""
    size, stride, padding = window(size, stride, padding)
    share = y * (1 / (size[0] * size[1]))
    out = np.zeros_like(share, shape=shape)
    for windows, image in entries(shape, size, stride, padding):
        out[image] += share[windows]
    return out


_GEOMETRY = "size, stride=None, padding=0"
_SHARED = (pair, window, along)

max_pool2d = rule(
    largest,
    signature=f"x, {_GEOMETRY}",
    name="max_pool2d",
    selects=True,
    x=lambda g, x, out, size, stride, padding: max_pool2d_x(g, x, out, size, stride, padding),
    jvps={
        "x": lambda t, x, out, size, stride, padding: max_pool2d_of(
            t, x, out, size, stride, padding
        )
    },
    source=(*_SHARED, check, reduced, largest),
    complex=False,
    domain="distinct",
    cases=[
        {"x": (2, 2, 4, 6), "size": 2},
        {"x": (1, 2, 5, 4), "size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
        {"x": (1, 1, 3, 4), "size": (1, 3), "stride": (2, 1), "padding": (0, 1)},
        {"x": (2, 1, 4, 5), "size": 1, "stride": 2},
    ],
)
_of = np.array([0.5, -1, 2, 2, 0, 3, 3, 3, 1, -2, 4, 0, -1, 1, 1, 2]).reshape(1, 1, 4, 4)
_winning = [
    {"x": _of, "top": largest(_of, 2), "size": 2},
    {
        "x": _of,
        "top": largest(_of, (3, 2), (2, 1), (1, 0)),
        "size": (3, 2),
        "stride": (2, 1),
        "padding": (1, 0),
    },
]
max_pool2d_x = linear(
    largest_back,
    signature=f"y, x, top, {_GEOMETRY}",
    name="max_pool2d_x",
    constants=["x", "top"],
    y=lambda g, x, top, size, stride, padding: max_pool2d_of(g, x, top, size, stride, padding),
    source=(*_SHARED, entries, winners, taken, largest_back),
    complex=False,
    cases=[{**case, "y": case["top"].shape} for case in _winning],
)
max_pool2d_of = linear(
    largest_of,
    signature=f"y, x, top, {_GEOMETRY}",
    name="max_pool2d_of",
    selects=True,
    constants=["x", "top"],
    y=lambda g, x, top, size, stride, padding: max_pool2d_x(g, x, top, size, stride, padding),
    source=(*_SHARED, entries, winners, taken, largest_of),
    complex=False,
    cases=[{**case, "y": case["x"].shape} for case in _winning],
)
_MEANS = [
    {"x": (2, 2, 4, 6), "size": 2},
    {"x": (1, 2, 5, 4), "size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"x": (2, 1, 4, 5), "size": 1, "stride": 2},
]
avg_pool2d = linear(
    mean,
    signature=f"x, {_GEOMETRY}",
    name="avg_pool2d",
    x=lambda g, shape, size, stride, padding: avg_pool2d_x(g, shape, size, stride, padding),
    source=(*_SHARED, check, reduced, mean),
    cases=_MEANS,
)
avg_pool2d_x = linear(
    mean_back,
    signature=f"y, shape, {_GEOMETRY}",
    name="avg_pool2d_x",
    y=lambda g, size, stride, padding: avg_pool2d(g, size, stride, padding),
    source=(*_SHARED, entries, mean_back),
    cases=[
        {"y": (2, 2, 2, 3), "shape": (2, 2, 4, 6), "size": 2},
        {"y": (1, 2, 3, 3), "shape": (1, 2, 5, 4), "size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    ],
)
