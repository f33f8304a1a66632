"""Functions whose result never carries a gradient: piecewise constant, boolean, integer, text."""

import numpy as np

from autotensor.engine.primitive import constant

constant(np.sign, complex=False)
constant(np.around, np.ceil, np.fix, np.floor, np.floor_divide, np.rint, np.round, np.trunc)
constant(np.equal, np.not_equal, np.less, np.less_equal, np.greater, np.greater_equal)
constant(np.logical_and, np.logical_or, np.logical_xor, np.logical_not)
constant(np.bitwise_and, np.bitwise_or, np.bitwise_xor, np.invert)
constant(np.isfinite, np.isinf, np.isnan, np.isclose, np.isin, np.signbit, np.iscomplexobj)
constant(np.isrealobj, np.iscomplex, np.isreal)
constant(np.all, np.any, np.allclose, np.array_equal, np.array_equiv)
constant(np.shares_memory, np.may_share_memory)
constant(np.argmax, np.argmin, np.argsort, np.argwhere, np.count_nonzero, np.flatnonzero)
constant(np.nonzero, np.searchsorted, np.ndim, np.shape, np.size, np.result_type, np.can_cast)
constant(np.zeros_like, np.ones_like, np.empty_like)
constant(np.array2string, np.array_repr, np.array_str)
