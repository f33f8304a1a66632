"""Convolution over two axes of space: three ops, each the derivative of the others.

The sum of ``y * w * x``, over all the places where a window of `x` meets the kernel `w`, is linear
in each of the three. `conv2d` is its derivative by `y`, `conv2d_x` that by `x` and `conv2d_w` that
by `w`; so each is bilinear in two of them, and its cotangents are the other two.

All work on arrays that lie in memory as (channel, row, column, image). A shifted image is then one
long run per row, which is copied at the speed of memory, and the windows that are copied side by
side make one product of matrices for the whole batch. They are copied in blocks that stay in the
cache, which saves the memory of all of them too. Results are laid out so too; elementwise functions
keep that, so that only the first layer of a network has to transpose its input.
"""

from typing import Any

import numpy as np

from autotensor.engine.primitive import Op, linear


def pair(value: Any, name: str, least: int) -> tuple[int, int]:
    """`value` as two integers, one for the rows and one for the columns."""
    if type(value) is int and value >= least:
        return value, value
    two = value if isinstance(value, (tuple, list)) else (value, value)
    if len(two) != 2 or not all(isinstance(n, (int, np.integer)) and n >= least for n in two):
        raise ValueError(f"{name} is one integer or two, each at least {least}; got {value!r}")
    return int(two[0]), int(two[1])


def _geometry(kernel, stride, padding, dilation):
    """Strides, ``((above, below), (left, right))`` of the padding, dilations."""
    stride, dilation = pair(stride, "stride", 1), pair(dilation, "dilation", 1)
    if isinstance(padding, str) and padding not in ("same", "valid"):
        raise ValueError(f'padding is "same", "valid", one integer or two; got {padding!r}')
    if padding == "valid":
        padding = 0
    if padding != "same":
        rows, columns = pair(padding, "padding", 0)
        return stride, ((rows, rows), (columns, columns)), dilation
    if stride != (1, 1):
        raise ValueError(f'padding="same" needs stride 1; got stride {stride}')
    total = [d * (k - 1) for d, k in zip(dilation, kernel, strict=True)]
    return stride, tuple((n // 2, n - n // 2) for n in total), dilation


def laid_out(x, padding=((0, 0), (0, 0))):
    """`x` as (channel, row, column, image), with a border of zeros."""
    moved = x.transpose(1, 2, 3, 0)
    (above, below), (left, right) = padding
    channels, height, width, images = moved.shape
    if above or below or left or right:
        out = np.zeros((channels, above + height + below, left + width + right, images), x.dtype)
        inside = out[:, above : above + height, left : left + width]
    elif moved.flags.c_contiguous:
        return moved
    else:
        out = inside = np.empty(moved.shape, x.dtype)
    # Transposing more images at once would throw each other's lines out of the cache.
    step = 8 if x.nbytes > 2**18 else images or 1
    for k in range(0, images, step):
        inside[..., k : k + step] = moved[..., k : k + step]
    return out


def _in_groups(a, groups):
    """`a` as one matrix for each group: its first axis, split, by all others."""
    return a.reshape(groups, a.shape[0] // groups, a.size // a.shape[0])


def _windows_of(x, kernel, stride, dilation):
    """The entries of laid-out `x` under the kernel: (channel, *kernel, row, column, image)."""
    channels, height, width, images = x.shape
    rows = (height - dilation[0] * (kernel[0] - 1) - 1) // stride[0] + 1
    columns = (width - dilation[1] * (kernel[1] - 1) - 1) // stride[1] + 1
    c, h, w, n = x.strides
    shape = (channels, *kernel, rows, columns, images)
    strides = (c, h * dilation[0], w * dilation[1], h * stride[0], w * stride[1], n)
    return np.ndarray(shape, x.dtype, x, 0, strides)


def _blocks(windows):
    """The places of the kernel in parts, each some rows or part of one: rows, columns, entries."""
    channels, *kernel, height, width, images = windows.shape
    each = channels * kernel[0] * kernel[1] * images
    # About a megabyte of windows, but not so few that products of matrices become slow.
    most = max(2**18 // max(each, 1), 512 // max(images, 1), 1)
    rows, columns = max(most // width, 1), min(most, width)
    rows, columns = (-(-n // -(-n // m)) for n, m in ((height, rows), (width, columns)))  # evenly
    for top in range(0, height, rows):
        for left in range(0, width, columns):
            bottom, right = min(top + rows, height), min(left + columns, width)
            start = (top * width + left) * images
            stop = start + (bottom - top) * (right - left) * images
            yield slice(top, bottom), slice(left, right), slice(start, stop)


def _matrix(windows, groups, places, dtype):
    """Memory for the windows at so many places: (groups, entries of the kernel, places).

    Rows are a cache line longer: if they began at a multiple of 4096 bytes, as with batches of a
    power of two they may, they would all want to be in the same few lines of the cache.
    """
    channels, height, width = windows.shape[:3]
    rows = channels // groups * height * width
    return np.empty((groups, rows, places + 16), dtype)[..., :places]


def _columns_of(windows, groups, dtype):
    """The blocks of `windows` as matrices of shape (groups, entries of the kernel, places).

    The next one takes the memory of the one before.
    """
    memory = None
    for rows, columns, place in _blocks(windows):
        part = windows[:, :, :, rows, columns]
        wide = place.stop - place.start
        if part.shape[1:3] == (1, 1):  # is a matrix already
            matrix = part.reshape(groups, part.shape[0] // groups, wide)
        else:
            memory = _matrix(windows, groups, wide, dtype) if memory is None else memory
            matrix = memory[..., :wide]
            matrix.reshape(part.shape)[...] = part
        yield matrix, place


def _checked(x, w, b, stride, padding, dilation, groups):
    """The geometry; a ValueError unless it and these shapes go together."""
    if x.ndim != 4 or w.ndim != 4:
        raise ValueError(
            "conv2d takes x of shape (images, channels, height, width) and w of shape\n(outputs, "
            f"channels / groups, height, width); got {x.shape} and {w.shape}"
        )
    if not isinstance(groups, (int, np.integer)) or groups < 1:
        raise ValueError(f"groups is an integer, at least 1; got {groups!r}")
    if x.shape[1] != w.shape[1] * groups or not w.shape[0] or w.shape[0] % groups:
        raise ValueError(
            "conv2d takes x of shape (images, channels, height, width) and w of shape\n(outputs, "
            f"channels / groups, height, width), outputs a multiple of groups; got {x.shape}\nand "
            f"{w.shape} with {groups} groups"
        )
    if b is not None and b.shape != w.shape[:1]:
        raise ValueError(f"conv2d needs a bias of shape {w.shape[:1]}; got {b.shape}")
    stride, padding, dilation = _geometry(w.shape[2:], stride, padding, dilation)
    for axis in (0, 1):
        reach = dilation[axis] * (w.shape[2 + axis] - 1) + 1
        if not 0 < reach <= x.shape[2 + axis] + sum(padding[axis]):
            raise ValueError(
                f"conv2d: kernels of {w.shape[2:]} with dilation {dilation} do not fit into images "
                f"of {x.shape[2:]}\nwith padding {padding}"
            )
    return stride, padding, dilation


def _conv2d(x, w, b=None, stride=1, padding=0, dilation=1, groups=1):
    """Slide the kernels of `w` over the images `x`, and sum the products at every place.

    What is called convolution in networks: the kernel is not turned round. The conventions are
    PyTorch's.

    Parameters
    ----------
    x : array, shape (images, channels, height, width)
    w : array, shape (outputs, channels / groups, kernel height, kernel width)
    b : array, shape (outputs,), or None
        Added to every entry of the output of that number.
    stride : int or (int, int)
        From one place of the kernel to the next, for rows and columns.
    padding : int, (int, int), "same" or "valid"
        Rows and columns of zeros on each side. With "same" the result has the size of `x`; where
        an odd number is needed, the last side has one more. "valid" is 0.
    dilation : int or (int, int)
        From one entry of the kernel to the next.
    groups : int
        Channels and outputs are split into so many groups, each of which sees its own only.

    Returns
    -------
    array, shape (images, outputs, rows, columns)
        Where ``rows = (height + 2 * padding - dilation * (kernel height - 1) - 1) // stride + 1``.
        Laid out in memory with the images last.

    Raises
    ------
    ValueError
        Where shapes or options do not go together.

    Examples
    --------
    >>> import numpy as np
    >>> import autotensor as at
    >>> x = at.tensor(np.arange(9.0).reshape(1, 1, 3, 3))
    >>> w = at.tensor([[[[1.0, -1.0]]]], requires_grad=True)
    >>> y = at.nn.conv2d(x, w)
    >>> y.shape
    (1, 1, 3, 2)
    >>> y.sum().backward()
    >>> w.grad.tolist()
    [[[[21.0, 27.0]]]]
    """
    x, w, b = np.asarray(x), np.asarray(w), None if b is None else np.asarray(b)
    stride, padding, dilation = _checked(x, w, b, stride, padding, dilation, groups)
    windows = _windows_of(laid_out(x, padding), w.shape[2:], stride, dilation)
    dtype = np.result_type(x, w) if b is None else np.result_type(x, w, b)
    out = np.empty((w.shape[0], *windows.shape[3:]), dtype)
    parts = _in_groups(out, groups)
    kernels = _in_groups(w, groups)
    for matrix, place in _columns_of(windows, groups, dtype):
        np.matmul(kernels, matrix, out=parts[..., place])
        if b is not None:
            parts[..., place] += _in_groups(b, groups)
    return out.transpose(3, 0, 1, 2)


def _conv2d_x(y, w, size, stride=1, padding=0, dilation=1, groups=1):
    """Add `w`, times the entry of `y`, at each place of the kernel, to images of the given size."""
    kernel = w.shape[2:]
    stride, padding, dilation = _geometry(kernel, stride, padding, dilation)
    (above, below), (left, right) = padding
    lengths = (above + size[0] + below, left + size[1] + right)
    dtype = np.result_type(y, w)
    out = np.zeros((groups * w.shape[1], *lengths, y.shape[0]), dtype)
    windows = _windows_of(out, kernel, stride, dilation)
    parts = _in_groups(laid_out(y), groups)
    kernels = _in_groups(w, groups).mT
    memory = None
    for rows, columns, place in _blocks(windows):
        part = windows[:, :, :, rows, columns]
        wide = place.stop - place.start
        memory = _matrix(windows, groups, wide, dtype) if memory is None else memory
        matrix = memory[..., :wide]
        np.matmul(kernels, parts[..., place], out=matrix)
        terms = matrix.reshape(part.shape)
        for i in range(kernel[0]):
            for j in range(kernel[1]):
                part[:, i, j] += terms[:, i, j]
    return out[:, above : above + size[0], left : left + size[1]].transpose(3, 0, 1, 2)


def _conv2d_w(y, x, size, stride=1, padding=0, dilation=1, groups=1):
    """Sum the windows of `x`, times the entries of `y`: kernels of the given size."""
    stride, padding, dilation = _geometry(size, stride, padding, dilation)
    windows = _windows_of(laid_out(x, padding), size, stride, dilation)
    dtype = np.result_type(y, x)
    parts = _in_groups(laid_out(y), groups)
    outputs, channels = y.shape[1] // groups, x.shape[1] // groups
    sums = np.zeros((groups, channels * size[0] * size[1], outputs), dtype)
    for matrix, place in _columns_of(windows, groups, dtype):
        sums += matrix @ parts[..., place].mT
    return sums.mT.reshape(y.shape[1], channels, *size)


_SHARED = (pair, _geometry, laid_out, _in_groups, _windows_of, _blocks, _matrix)
_GEOMETRY = "stride=1, padding=0, dilation=1, groups=1"

conv2d: Op = linear(
    _conv2d,
    signature=f"x, w, b=None, {_GEOMETRY}",
    name="conv2d",
    x=lambda g, w, shape, stride, padding, dilation, groups: conv2d_x(
        g, w.conj(), shape[2:], stride, padding, dilation, groups
    ),
    w=lambda g, x, shape, stride, padding, dilation, groups: conv2d_w(
        g, x.conj(), shape[2:], stride, padding, dilation, groups
    ),
    b=lambda g: g.sum((0, 2, 3)),
    jvps={  # without the bias, which is but added
        "x": lambda t, w, stride, padding, dilation, groups: conv2d(
            t, w, None, stride, padding, dilation, groups
        ),
        "w": lambda t, x, stride, padding, dilation, groups: conv2d(
            x, t, None, stride, padding, dilation, groups
        ),
        "b": lambda t: t[:, None, None],
    },
    source=(*_SHARED, _columns_of, _checked, _conv2d),
    cases=[
        {"x": (2, 2, 3, 4), "w": (3, 2, 2, 3), "b": (3,)},
        {"x": (2, 2, 5, 4), "w": (2, 2, 3, 2), "b": (2,), "stride": (2, 1), "padding": (1, 2)},
        {"x": (1, 4, 3, 3), "w": (2, 2, 2, 2), "b": (2,), "groups": 2, "dilation": (2, 1)},
        {"x": (2, 1, 3, 2), "w": (1, 1, 2, 3), "b": None, "padding": "same"},
        {"x": (3, 2, 2, 2), "w": (3, 2, 1, 1), "b": None, "padding": "valid"},
        {"x": (0, 1, 2, 2), "w": (2, 1, 2, 2), "b": (2,)},
    ],
)
conv2d_x: Op = linear(
    _conv2d_x,
    signature=f"y, w, size, {_GEOMETRY}",
    name="conv2d_x",
    y=lambda g, w, stride, padding, dilation, groups: conv2d(
        g, w.conj(), None, stride, padding, dilation, groups
    ),
    w=lambda g, y, shape, stride, padding, dilation, groups: conv2d_w(
        y.conj(), g, shape[2:], stride, padding, dilation, groups
    ),
    source=(*_SHARED, _conv2d_x),
    cases=[
        {"y": (2, 3, 2, 2), "w": (3, 2, 2, 3), "size": (3, 4)},
        {"y": (1, 2, 2, 2), "w": (2, 1, 2, 2), "size": (4, 4), "stride": 2, "groups": 2},
        {"y": (2, 1, 3, 2), "w": (1, 2, 3, 2), "size": (3, 2), "padding": "same"},
        {
            "y": (1, 2, 3, 5),
            "w": (2, 1, 2, 2),
            "size": (4, 3),
            "padding": (1, 2),
            "dilation": (3, 2),
        },
    ],
)
conv2d_w: Op = linear(
    _conv2d_w,
    signature=f"y, x, size, {_GEOMETRY}",
    name="conv2d_w",
    y=lambda g, x, stride, padding, dilation, groups: conv2d(
        x.conj(), g, None, stride, padding, dilation, groups
    ),
    x=lambda g, y, shape, stride, padding, dilation, groups: conv2d_x(
        y.conj(), g, shape[2:], stride, padding, dilation, groups
    ),
    source=(*_SHARED, _columns_of, _conv2d_w),
    cases=[
        {"y": (2, 3, 2, 2), "x": (2, 2, 3, 4), "size": (2, 3)},
        {"y": (1, 2, 2, 2), "x": (1, 2, 4, 4), "size": (2, 2), "stride": 2, "groups": 2},
        {"y": (2, 1, 3, 2), "x": (2, 2, 3, 2), "size": (3, 2), "padding": "same"},
        {
            "y": (1, 2, 3, 5),
            "x": (1, 1, 4, 3),
            "size": (2, 2),
            "padding": (1, 2),
            "dilation": (3, 2),
        },
    ],
)
