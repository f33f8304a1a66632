"""SGD beside the published formulas, written out entry by entry in plain Python."""

import numpy as np
import pytest

import autotensor as at

START = [1.5, -0.7, 0.2]
CURVATURE = [1.0, 3.0, 0.5]


def gradient(w):
    """Of sum(c * w**4 / 4), so that it changes with every step."""
    return [c * x**3 for c, x in zip(CURVATURE, w, strict=True)]


def run(steps=20, **options):
    w = at.tensor(START, requires_grad=True)
    optimizer = at.optim.SGD([w], 0.05, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        (at.tensor(CURVATURE) * w**4 / 4).sum().backward()
        optimizer.step()
    return w.numpy()


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_plain(weight_decay):
    w = list(START)
    for _ in range(20):
        g = gradient(w)
        for i in range(3):
            w[i] -= 0.05 * (g[i] + weight_decay * w[i])
    np.testing.assert_allclose(run(weight_decay=weight_decay), w, rtol=1e-13)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_momentum_is_sutskevers_equations_1_and_2(weight_decay):
    w, velocity = list(START), [0.0] * 3
    for _ in range(20):
        g = gradient(w)
        for i in range(3):
            velocity[i] = 0.9 * velocity[i] - 0.05 * (g[i] + weight_decay * w[i])
            w[i] += velocity[i]
    np.testing.assert_allclose(run(momentum=0.9, weight_decay=weight_decay), w, rtol=1e-12)


@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_nesterov_is_sutskevers_equations_3_and_4_seen_from_the_look_ahead_point(weight_decay):
    theta, velocity = list(START), [0.0] * 3
    for _ in range(20):
        ahead = [t + 0.9 * v for t, v in zip(theta, velocity, strict=True)]
        g = gradient(ahead)
        for i in range(3):
            velocity[i] = 0.9 * velocity[i] - 0.05 * (g[i] + weight_decay * ahead[i])
            theta[i] += velocity[i]
    ahead = [t + 0.9 * v for t, v in zip(theta, velocity, strict=True)]
    got = run(momentum=0.9, nesterov=True, weight_decay=weight_decay)
    np.testing.assert_allclose(got, ahead, rtol=1e-12)


def test_a_new_learning_rate_acts_on_the_velocity_at_once():
    w = at.tensor(1.0, requires_grad=True)
    optimizer = at.optim.SGD([w], 0.5, momentum=0.5)
    w.grad = at.tensor(1.0)
    optimizer.step()  # velocity 1, w = 1 - 0.5
    optimizer.lr = 0.25
    optimizer.step()  # velocity 1.5, w = 0.5 - 0.375
    assert w.item() == 0.125


def test_momentum_may_be_set_later():
    w = at.tensor(0.0, requires_grad=True)
    optimizer = at.optim.SGD([w], 1.0)
    w.grad = at.tensor(1.0)
    optimizer.step()
    optimizer.momentum = 0.5
    optimizer.step()  # velocity starts here: 1
    optimizer.step()  # 1.5
    assert w.item() == -3.5
