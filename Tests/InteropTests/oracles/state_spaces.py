"""State spaces and long convolutions, as the recurrences and sums that define them: no Fourier transform, no table of
powers. [L, D] to [L, D]; `c`, the first dimension of several tensors, is 1 of causal models and 2 of others."""
import numpy as np

from parts import activation, linear, norm, places, sigmoid


def block(w, x, example, mixer):
    """A mechanism, its activation and a gate in one residual branch."""
    model = example.model
    pre = model["norm"] == "pre"
    y = mixer(w.under("mixer"), norm(w, "norm", x, model) if pre else x, example)
    active = activation(model["activation"], y)
    gate = linear(w, "gate", active)
    kind = model.get("gate", "full")
    if kind == "full":
        value, gate = np.split(gate, 2, axis=-1)
    else:
        value = {"half1": active, "half2": y}[kind]
    x = x + value * sigmoid(gate)
    return x if pre else norm(w, "norm", x, model)


def complex_numbers(parts):
    return parts[..., 0] + 1j * parts[..., 1]


def states(a, fed):
    """h_t = a h_{t-1} + what is fed at t, from nothing; of all t."""
    now, found = np.zeros(fed.shape[1:], complex), []
    for one in fed:
        now = a * now + one
        found.append(now)
    return np.array(found)


def states_backward(a, fed):
    """The same from the last position to the first."""
    return states(a, fed[::-1])[::-1]


def s4d(w, x, example):
    """A state of every channel by itself; later positions are read before the present one is fed."""
    width = x.shape[1]
    damped = np.exp(w["log_a_real"])
    modes = -damped + 1j * (w["a_imag"] if example.keys["init"] != "real" else np.zeros(damped.shape))
    modes = np.array([modes[channel % len(modes)] for channel in range(width)])
    step = np.exp(w["log_dt"])[:, None] / example.keys["rescale"]
    a = np.exp(step * modes)
    fed = x[:, :, None] * (a - 1) / modes  # the integral of e^{A t} over a step
    c = complex_numbers(w["c"])
    read = (c[0] * states(a, fed)).sum(-1)
    if not example.causal:
        later = states_backward(a, fed)[1:]
        read[:-1] += (c[1] * later).sum(-1)
    return 2 * read.real + w["d"] * x


def read_both_ways(w, x, example, a, fed):
    """C h of a state that all channels share; both directions see the present."""
    c = complex_numbers(w["c"])
    read = states(a, fed) @ c[0].T
    return read if example.causal else read + states_backward(a, fed) @ c[1].T


def s5(w, x, example):
    real = w["lambda_re"]
    modes = (np.minimum(real, -1e-4) if example.keys["clip_eigs"] else real) + 1j * w["lambda_im"]
    a = np.exp(modes * np.exp(w["log_step"]) / example.keys["rescale"])
    fed = x @ complex_numbers(w["b"]).T * (a - 1) / modes
    return 2 * read_both_ways(w, x, example, a, fed).real + w["d"] * x


def lru(w, x, example):
    a = np.exp(-np.exp(w["nu_log"]) + 1j * np.exp(w["theta_log"]))
    fed = x @ complex_numbers(w["b"]).T * np.exp(w["gamma_log"])
    return read_both_ways(w, x, example, a, fed).real + w["d"] * x


def convolved(x, kernels):
    """y_t = sum of K[t - s] x_s up to t, and of the other kernel's [s - t - 1] x_s behind it."""
    t, s = places(len(x))
    lag = t - s
    y = np.einsum("dts,sd->td", np.where(lag >= 0, kernels[0][:, abs(lag)], 0), x)
    if len(kernels) == 2:
        y += np.einsum("dts,sd->td", np.where(lag < 0, kernels[1][:, abs(lag) - 1], 0), x)
    return y


def long_conv(w, x, example):
    kernel = w["kernel"]
    shrunk = np.sign(kernel) * np.maximum(np.abs(kernel) - example.keys["lam"], 0)
    return convolved(x, shrunk) + w["d"] * x


def stretched(values, times):
    """Numbers at the middles of cells [..., d], by straight lines at the middles of d * times smaller cells."""
    size = values.shape[-1]
    at = (np.arange(size * times) + 0.5) / times - 0.5
    rows = [np.interp(at, np.arange(size), row) for row in values.reshape(-1, size)]
    return np.array(rows).reshape(*values.shape[:-1], -1)


def sgconv(w, x, example):
    scales = w["scales"]
    # As the buffer of norms has it: the last scale counts as it is, every one before it `decay` times more.
    parts = [stretched(scale, 2 ** max(0, i - 1)) * example.keys["decay"] ** (len(scales) - 1 - i)
             for i, scale in enumerate(scales)]
    return convolved(x, np.concatenate(parts, -1) / w["kernel_norm"]) + w["d"] * x
