"""Data-parallel training of a small network on scikit-learn's digits with JAX, on as many ranks as the run has.

Every rank computes on its own share of each batch; the gradient that all of them apply is the mean over the batch.
`aicci run --nodes 2 --pull history examples/digits_jax.py` starts it on two ranks.
"""

import math

import aicci
import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from sklearn.datasets import load_digits

SEED, EPOCHS, BATCH, WIDTH, PEAK_LR, MOMENTUM = 0, 20, 128, 1024, 0.02, 0.9

aicci.init_jax()  # jax.distributed.initialize with this run's address, size and rank
mesh = jax.make_mesh((jax.device_count(),), ("data",))
on_every_rank = NamedSharding(mesh, PartitionSpec())
split_over_ranks = NamedSharding(mesh, PartitionSpec("data"))

images, labels = load_digits(return_X_y=True)
images = (images / 16.0).astype(np.float32)
order = np.random.default_rng(SEED).permutation(len(images))
test, train = order[:360], order[360:]
steps_per_epoch = len(train) // BATCH


def initial_params():
    """Three dense layers; the same on every rank, because the seed is."""
    sizes = [(64, WIDTH), (WIDTH, WIDTH), (WIDTH, 10)]
    keys = jax.random.split(jax.random.key(SEED), len(sizes))
    layers = [jax.random.normal(k, (m, n)) * np.sqrt(2 / m) for k, (m, n) in zip(keys, sizes, strict=True)]
    return [(np.asarray(w), np.zeros(w.shape[1], np.float32)) for w in layers]


def logits_of(params, x):
    for weight, bias in params[:-1]:
        x = jax.nn.relu(x @ weight + bias)
    weight, bias = params[-1]
    return x @ weight + bias


def loss_of(params, x, y):
    """Cross-entropy, the mean over the batch; `x` and `y` are split over the ranks, so JAX averages over them."""
    log_probability = jax.nn.log_softmax(logits_of(params, x))
    return -jnp.mean(jnp.take_along_axis(log_probability, y[:, None], axis=1))


@jax.jit
def train_step(params, velocity, x, y, lr):
    loss, gradient = jax.value_and_grad(loss_of)(params, x, y)
    velocity = jax.tree.map(lambda v, g: MOMENTUM * v + g, velocity, gradient)
    return jax.tree.map(lambda p, v: p - lr * v, params, velocity), velocity, loss


@jax.jit
def accuracy_of(params, x, y):
    return jnp.mean(jnp.argmax(logits_of(params, x), axis=1) == y)


def this_ranks_share(indices):
    """A batch that is split over the ranks: each reads only its own rows."""
    mine = np.split(indices, aicci.world_size)[aicci.rank]
    return [jax.make_array_from_process_local_data(split_over_ranks, part[mine]) for part in (images, labels)]


params = initial_params()
state = {"step": 0, "params": params, "velocity": jax.tree.map(np.zeros_like, params), "history": []}
state = aicci.checkpoint.latest() or state  # after a fault the run goes on from here
history = state["history"]
params, velocity = jax.device_put((state["params"], state["velocity"]), on_every_rank)
test_x, test_y = jax.device_put((images[test], labels[test]), on_every_rank)

for step in range(state["step"], EPOCHS * steps_per_epoch):
    epoch, batch = divmod(step, steps_per_epoch)
    shuffled = np.random.default_rng((SEED, epoch)).permutation(train)
    x, y = this_ranks_share(shuffled[batch * BATCH : (batch + 1) * BATCH])
    lr = PEAK_LR * 0.5 * (1 + math.cos(math.pi * step / (EPOCHS * steps_per_epoch)))
    params, velocity, loss = train_step(params, velocity, x, y, lr)
    aicci.log(step=step, loss=float(loss), lr=lr)

    if batch == steps_per_epoch - 1:
        with aicci.span("eval"):
            accuracy = float(accuracy_of(params, test_x, test_y))
        aicci.log(step=step, accuracy=accuracy)
        history.append({"step": step, "loss": float(loss), "accuracy": accuracy})
        kept = jax.tree.map(np.asarray, {"params": params, "velocity": velocity})  # equal on all ranks: one file
        aicci.checkpoint.save({"step": step + 1, "history": history, **kept}, shared=True)
        if aicci.rank == 0:
            print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {float(loss):.4f}  accuracy on unseen digits {accuracy:.3f}")
