"""Pooling: the largest entry, or the mean, of every window of an image.

The first entries of all windows are one strided slice of the images, the second ones another, and
so on. So NumPy never loops over windows, never copies them, and the padding is never made. Results
are laid out in memory as the images are.
"""

import numpy as np

from autotensor.engine.primitive import Op, linear, rule
from autotensor.engine.shapes import only
from autotensor.ops.convolution import laid_out, pair


def _window(size, stride, padding):
    """Sizes, strides and padding of the windows, in rows and columns."""
    size = pair(size, "size", 1)
    stride = size if stride is None else pair(stride, "stride", 1)
    return size, stride, pair(padding, "padding", 0)


def _check(name, shape, size, padding):
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


def _along(length, size, stride, padding):
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


def _planes(x, plain):
    """`x` as a contiguous array of shape (…, height, width, …), without a copy if it lies so.

    The images are first if it is `plain`, laid out as NumPy does, and else last, as `conv2d` leaves
    them.
    """
    if not plain:
        return laid_out(x)
    images, channels, height, width = x.shape
    return np.ascontiguousarray(x).reshape(images * channels, height, width, 1)


def _images_of(a, plain, shape):
    """What `planes` does, backward, for images as many as in `shape`."""
    return a.reshape(*shape[:2], *a.shape[1:3]) if plain else a.transpose(3, 0, 1, 2)


def _by_parts(function, shape, dtype, *arrays):
    """What `function` makes of `arrays`, a few planes at a time, so that all stays in the cache."""
    step = max(2**17 * shape[0] // max(arrays[0].size, 1), 1)
    if step >= shape[0]:
        return function(*arrays).astype(dtype, copy=False)
    out = np.empty(shape, dtype)
    for k in range(0, shape[0], step):
        out[k : k + step] = function(*(a[k : k + step] for a in arrays))
    return out


def _reduced(combine, empty, x, size, stride, padding):
    """All windows of the images combined into one entry each."""
    plain = x.flags.c_contiguous
    a = _planes(x, plain)
    axes = [_along(a.shape[k + 1], size[k], stride[k], padding[k]) for k in (0, 1)]
    shape = (a.shape[0], axes[0][0], axes[1][0], a.shape[3])
    out = _by_parts(lambda part: _combined(combine, empty, part, axes), shape, a.dtype, a)
    return _images_of(out, plain, x.shape)


def _combined(combine, empty, a, axes):
    """All windows of the planes combined, along one axis after the other."""
    for axis, (count, places) in enumerate(axes, 1):
        ahead = (slice(None),) * axis
        if [windows for windows, _ in places[:2]] == [slice(0, count)] * 2:
            (_, one), (_, other), *places = places
            out = combine(a[(*ahead, one)], a[(*ahead, other)])
        else:
            out = np.full((*a.shape[:axis], count, *a.shape[axis + 1 :]), empty, a.dtype)
        for windows, image in places:
            part = out[(*ahead, windows)]
            combine(part, a[(*ahead, image)], out=part)
        a = out
    return a


def _entries(shape, size, stride, padding):
    """Where each entry of the windows is, in planes: indices of windows and of images."""
    _, rows = _along(shape[1], size[0], stride[0], padding[0])
    _, columns = _along(shape[2], size[1], stride[1], padding[1])
    return [
        ((slice(None), row, column), (slice(None), of_row, of_column))
        for row, of_row in rows
        for column, of_column in columns
    ]


def _winners(x, top, places):
    """Where the entries of `x` are the largest of their windows, and how many are in each."""
    masks = [x[image] == top[windows] for windows, image in places]
    count = np.zeros(top.shape, np.int8 if len(places) < 128 else np.int64)
    for (windows, _), mask in zip(places, masks, strict=True):
        count[windows] += mask.view(np.int8)
    return masks, np.maximum(count, 1, out=count)  # 0 where an entry is NaN


def _max_pool2d(x, size, stride=None, padding=0):
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
    TypeError
        If `x` is complex.
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
    x = np.asarray(x)
    size, stride, padding = _window(size, stride, padding)
    _check("max_pool2d", x.shape, size, padding)
    if x.dtype.kind not in "fiu":
        raise TypeError(f"max_pool2d takes real numbers; got {x.dtype}")
    empty = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    return _reduced(np.maximum, empty, x, size, stride, padding)


def _max_pool2d_x(y, x, top, size, stride=None, padding=0):
    """Give every entry of `y` to the largest entries of its window, in shares."""
    size, stride, padding = _window(size, stride, padding)
    plain = x.flags.c_contiguous
    a, y, top = (_planes(one, plain) for one in (x, y, top))
    tiled = stride == size and padding == (0, 0)
    out = _by_parts(
        lambda a, y, top: (
            _shared_tiles(a, y, top, size)
            if tiled
            else _shared(a, y, top, _entries(a.shape, size, stride, padding))
        ),
        a.shape,
        np.result_type(y, np.float16),
        a,
        y,
        top,
    )
    return _images_of(out, plain, x.shape)


def _shared(x, y, top, places):
    """`y` in shares, for planes."""
    masks, count = _winners(x, top, places)
    share = y / count
    out = np.zeros(x.shape, share.dtype)
    for (windows, image), mask in zip(places, masks, strict=True):
        out[image] += only(share[windows], mask)
    return out


def _shared_tiles(x, y, top, size):
    """The same for windows that tile the planes, without going through their entries.

    One row of windows is compared with all rows of entries in it at once, which makes long runs.
    """
    outer, rows, columns, inner = top.shape
    height, width = size
    run = columns * width * inner
    tiles = x[:, : rows * height, : columns * width].reshape(outer, rows, height, run)
    mask = tiles == top.repeat(width, 2).reshape(outer, rows, 1, run)
    dtype = np.int8 if height * width < 128 else np.int64
    in_rows = np.add.reduce(mask.view(np.int8), 2, dtype)
    in_rows = in_rows.reshape(outer, rows, columns, width, inner)
    count = in_rows[..., 0, :]
    for k in range(1, width):
        count = count + in_rows[..., k, :]
    with np.errstate(all="ignore"):  # none are the largest where one is NaN
        share = (y / count).repeat(width, 2).reshape(outer, rows, 1, run)
    found = only(share, mask).reshape(outer, rows * height, columns * width, inner)
    if found.shape == x.shape:
        return found
    out = np.zeros(x.shape, found.dtype)
    out[:, : rows * height, : columns * width] = found
    return out


def _max_pool2d_of(y, x, top, size, stride=None, padding=0):
    """Take the mean of the entries of `y` where those of `x` are the largest of their windows."""
    size, stride, padding = _window(size, stride, padding)
    plain = x.flags.c_contiguous
    y, a, top = (_planes(one, plain) for one in (y, x, top))
    places = _entries(a.shape, size, stride, padding)
    masks, count = _winners(a, top, places)
    out = np.zeros(top.shape, np.result_type(y, np.float16))
    for (windows, image), mask in zip(places, masks, strict=True):
        out[windows] += only(y[image], mask)
    return _images_of(out / count, plain, x.shape)


def _avg_pool2d(x, size, stride=None, padding=0):
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
    x = np.asarray(x)
    size, stride, padding = _window(size, stride, padding)
    _check("avg_pool2d", x.shape, size, padding)
    half = x.dtype.char == "e"  # which ends at 65504
    out = _reduced(np.add, 0, x.astype(np.float32) if half else x, size, stride, padding)
    out = out * (1 / (size[0] * size[1]))
    return out.astype(x.dtype) if half else out


def _avg_pool2d_x(y, shape, size, stride=None, padding=0):
    """Spread every entry of `y` evenly over its window, in images of the given shape."""
    size, stride, padding = _window(size, stride, padding)
    plain = y.flags.c_contiguous
    share = _planes(y, plain) * (1 / (size[0] * size[1]))
    out = np.zeros((share.shape[0], *shape[2:], share.shape[3]), share.dtype)
    for windows, image in _entries(out.shape, size, stride, padding):
        out[image] += share[windows]
    return _images_of(out, plain, shape)


_GEOMETRY = "size, stride=None, padding=0"
_SHARED = (pair, laid_out, _window, _along, _planes, _images_of)

max_pool2d: Op = rule(
    _max_pool2d,
    signature=f"x, {_GEOMETRY}",
    name="max_pool2d",
    selects=True,
    x=lambda g, x, out, size, stride, padding: max_pool2d_x(g, x, out, size, stride, padding),
    jvps={
        "x": lambda t, x, out, size, stride, padding: max_pool2d_of(
            t, x, out, size, stride, padding
        )
    },
    source=(*_SHARED, _by_parts, _check, _combined, _reduced, _max_pool2d),
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
    {"x": _of, "top": _max_pool2d(_of, 2), "size": 2},
    {
        "x": _of,
        "top": _max_pool2d(_of, (3, 2), (2, 1), (1, 0)),
        "size": (3, 2),
        "stride": (2, 1),
        "padding": (1, 0),
    },
]
max_pool2d_x: Op = linear(
    _max_pool2d_x,
    signature=f"y, x, top, {_GEOMETRY}",
    name="max_pool2d_x",
    constants=["x", "top"],
    y=lambda g, x, top, size, stride, padding: max_pool2d_of(g, x, top, size, stride, padding),
    source=(*_SHARED, _entries, _winners, only, _by_parts, _shared, _shared_tiles, _max_pool2d_x),
    complex=False,
    cases=[{**case, "y": case["top"].shape} for case in _winning],
)
max_pool2d_of: Op = linear(
    _max_pool2d_of,
    signature=f"y, x, top, {_GEOMETRY}",
    name="max_pool2d_of",
    selects=True,
    constants=["x", "top"],
    y=lambda g, x, top, size, stride, padding: max_pool2d_x(g, x, top, size, stride, padding),
    source=(*_SHARED, _entries, _winners, only, _max_pool2d_of),
    complex=False,
    cases=[{**case, "y": case["x"].shape} for case in _winning],
)
_MEANS = [
    {"x": (2, 2, 4, 6), "size": 2},
    {"x": (1, 2, 5, 4), "size": (3, 2), "stride": (2, 1), "padding": (1, 0)},
    {"x": (2, 1, 4, 5), "size": 1, "stride": 2},
]
avg_pool2d: Op = linear(
    _avg_pool2d,
    signature=f"x, {_GEOMETRY}",
    name="avg_pool2d",
    x=lambda g, shape, size, stride, padding: avg_pool2d_x(g, shape, size, stride, padding),
    source=(*_SHARED, _by_parts, _check, _combined, _reduced, _avg_pool2d),
    cases=_MEANS,
)
avg_pool2d_x: Op = linear(
    _avg_pool2d_x,
    signature=f"y, shape, {_GEOMETRY}",
    name="avg_pool2d_x",
    y=lambda g, size, stride, padding: avg_pool2d(g, size, stride, padding),
    source=(*_SHARED, _entries, _avg_pool2d_x),
    cases=[
        {"y": (2, 2, 2, 3), "shape": (2, 2, 4, 6), "size": 2},
        {
            "y": (1, 2, 3, 3),
            "shape": (1, 2, 5, 4),
            "size": (3, 2),
            "stride": (2, 1),
            "padding": (1, 0),
        },
    ],
)
