"""Adam and AdamW beside the published algorithms, written out entry by entry in plain Python."""

import math

import numpy as np
import pytest

import autotensor as at

START = [1.5, -0.7, 0.2]
CURVATURE = [1.0, 3.0, 0.5]


def gradient(w):
    """Of sum(c * w**4 / 4), so that it changes with every step."""
    return [c * x**3 for c, x in zip(CURVATURE, w, strict=True)]


def run(kind, steps=20, **options):
    w = at.tensor(START, requires_grad=True)
    optimizer = kind([w], 0.05, **options)
    for _ in range(steps):
        optimizer.zero_grad()
        (at.tensor(CURVATURE) * w**4 / 4).sum().backward()
        optimizer.step()
    return w.numpy()


@pytest.mark.parametrize("betas", [(0.9, 0.999), (0.5, 0.25), (0.0, 0.9)])
@pytest.mark.parametrize("eps", [1e-8, 0.1])
@pytest.mark.parametrize("weight_decay", [0.0, 0.3])
def test_adam_is_algorithm_1_of_kingma_and_ba(betas, eps, weight_decay):
    theta, m, v = list(START), [0.0] * 3, [0.0] * 3
    for t in range(1, 21):
        g = gradient(theta)
        for i in range(3):
            gi = g[i] + weight_decay * theta[i]
            m[i] = betas[0] * m[i] + (1 - betas[0]) * gi
            v[i] = betas[1] * v[i] + (1 - betas[1]) * gi**2
            m_hat = m[i] / (1 - betas[0] ** t)
            v_hat = v[i] / (1 - betas[1] ** t)
            theta[i] -= 0.05 * m_hat / (math.sqrt(v_hat) + eps)
    got = run(at.optim.Adam, betas=betas, eps=eps, weight_decay=weight_decay)
    np.testing.assert_allclose(got, theta, rtol=1e-12)


@pytest.mark.parametrize("options", [{}, {"weight_decay": 0.3, "betas": (0.5, 0.25), "eps": 0.1}])
def test_adamw_is_algorithm_2_of_loshchilov_and_hutter(options):
    decay = options.get("weight_decay", 0.01)
    beta1, beta2 = options.get("betas", (0.9, 0.999))
    eps = options.get("eps", 1e-8)
    theta, m, v = list(START), [0.0] * 3, [0.0] * 3
    for t in range(1, 21):
        g = gradient(theta)
        for i in range(3):
            m[i] = beta1 * m[i] + (1 - beta1) * g[i]
            v[i] = beta2 * v[i] + (1 - beta2) * g[i] ** 2
            m_hat = m[i] / (1 - beta1**t)
            v_hat = v[i] / (1 - beta2**t)
            # the schedule multiplier of the paper is the learning rate, its alpha is 1
            theta[i] -= 0.05 * (m_hat / (math.sqrt(v_hat) + eps) + decay * theta[i])
    np.testing.assert_allclose(run(at.optim.AdamW, **options), theta, rtol=1e-12)


def test_adam_and_adamw_agree_without_decay():
    adam, adamw = run(at.optim.Adam), run(at.optim.AdamW, weight_decay=0.0)
    np.testing.assert_array_equal(adam, adamw)


def test_an_entry_whose_gradient_is_zero_stays():
    w = at.tensor([1.0, 2.0], requires_grad=True)
    optimizer = at.optim.Adam([w])
    w.grad = at.tensor([0.0, 1.0])
    optimizer.step()
    assert w.numpy()[0] == 1.0
    assert w.numpy()[1] != 2.0


def test_steps_count_from_the_first_gradient_of_each_parameter():
    early, late = (at.tensor(1.0, requires_grad=True) for _ in range(2))
    optimizer = at.optim.Adam([early, late], lr=0.125)
    early.grad = at.tensor(3.0)
    for _ in range(5):
        optimizer.step()
    late.grad = at.tensor(3.0)
    optimizer.step()
    # a first step has the length of the learning rate: no correction left over from other steps
    np.testing.assert_allclose(late.item(), 0.875, rtol=1e-8)


def test_a_complex_parameter_moves_against_its_gradient_by_the_learning_rate():
    w = at.tensor([3 + 4j], requires_grad=True)
    optimizer = at.optim.Adam([w], lr=0.5)
    w.grad = at.tensor([6 + 8j])
    optimizer.step()
    np.testing.assert_allclose(w.numpy(), [(3 + 4j) * (1 - 0.5 / 5)], rtol=1e-8)
