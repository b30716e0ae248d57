"""Data-parallel softmax regression on scikit-learn's digits with nothing but numpy and `aicci.allreduce`.

It shows what data-parallel training is: equal parameters on every rank, a share of each batch, one averaged gradient.
`aicci run --nodes 2 --pull history examples/plain_numpy.py` starts it on two ranks.
"""

import aicci
import numpy as np
from sklearn.datasets import load_digits

SEED, EPOCHS, BATCH, LR = 0, 40, 120, 0.5

images, labels = load_digits(return_X_y=True)
order = np.random.default_rng(SEED).permutation(len(images))
images, targets = images[order] / 16.0, np.eye(10)[labels[order]]
test_x, test_y, train_x, train_y = images[:357], targets[:357], images[357:], targets[357:]
steps_per_epoch = len(train_x) // BATCH

state = aicci.checkpoint.latest() or {"step": 0, "weight": np.zeros((64, 10)), "bias": np.zeros(10), "history": []}
weight, bias, history = state["weight"], state["bias"], state["history"]


def predict(x):
    scores = x @ weight + bias
    scores = np.exp(scores - scores.max(axis=1, keepdims=True))
    return scores / scores.sum(axis=1, keepdims=True)


for step in range(state["step"], EPOCHS * steps_per_epoch):
    epoch, batch = divmod(step, steps_per_epoch)
    shuffled = np.random.default_rng((SEED, epoch)).permutation(len(train_x))
    mine = np.split(shuffled[batch * BATCH : (batch + 1) * BATCH], aicci.world_size)[aicci.rank]
    x, y = train_x[mine], train_y[mine]

    probability = predict(x)
    error = (probability - y) / BATCH
    own_loss = -np.log((probability * y).sum(axis=1)).sum() / BATCH
    own = np.concatenate([(x.T @ error).ravel(), error.sum(axis=0), [own_loss]])
    total = aicci.allreduce(own)  # the sum over the ranks: the mean over the whole batch
    weight, bias, loss = weight - LR * total[:640].reshape(64, 10), bias - LR * total[640:650], float(total[650])
    aicci.log(step=step, loss=loss)

    if batch == steps_per_epoch - 1:
        with aicci.span("eval"):
            accuracy = float((predict(test_x).argmax(axis=1) == test_y.argmax(axis=1)).mean())
        aicci.log(step=step, accuracy=accuracy)
        history.append({"step": step, "loss": loss, "accuracy": accuracy})
        aicci.checkpoint.save({"step": step + 1, "weight": weight, "bias": bias, "history": history}, shared=True)
        if aicci.rank == 0:
            print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {loss:.4f}  accuracy on unseen digits {accuracy:.3f}")
