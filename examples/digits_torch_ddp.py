"""Data-parallel training of a small convolutional network on scikit-learn's digits with DistributedDataParallel.

This is an ordinary torchrun program; `aicci.log` and `aicci.checkpoint` are all that was added to it.
`aicci run --nodes 2 --pull history examples/digits_torch_ddp.py` starts it on two ranks.
"""

import aicci
import torch
import torch.distributed as dist
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.parallel import DistributedDataParallel
from torch.utils.data import DataLoader, DistributedSampler, TensorDataset

SEED, EPOCHS, BATCH_PER_RANK, PEAK_LR = 0, 12, 64, 2e-3

cuda = torch.cuda.is_available()
dist.init_process_group("nccl" if cuda else "gloo")  # address, rank and size come from the environment
device = torch.device("cuda", aicci.local_rank) if cuda else torch.device("cpu")
torch.manual_seed(SEED)

images, labels = (torch.from_numpy(array) for array in load_digits(return_X_y=True))
images = (images / 16.0).float().reshape(-1, 1, 8, 8)
order = torch.randperm(len(images), generator=torch.Generator().manual_seed(SEED))
test_x, test_y = images[order[:360]].to(device), labels[order[:360]].to(device)
train = TensorDataset(images[order[360:]], labels[order[360:]])

sampler = DistributedSampler(train, seed=SEED)  # each rank sees its own share, shuffled anew every epoch
loader = DataLoader(train, batch_size=BATCH_PER_RANK, sampler=sampler, drop_last=True)
network = nn.Sequential(
    nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(),
    nn.Conv2d(32, 64, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2),
    nn.Flatten(), nn.Linear(64 * 4 * 4, 256), nn.ReLU(), nn.Linear(256, 10),
).to(device)  # fmt: skip
model = DistributedDataParallel(network)  # averages the gradient over the ranks while it is computed
optimizer = torch.optim.AdamW(model.parameters(), lr=PEAK_LR)
schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, EPOCHS * len(loader))

first_epoch, history = 0, []
kept = aicci.checkpoint.latest()
if kept is not None:  # after a fault the run goes on from here
    first_epoch, history = kept["epoch"], kept["history"]
    network.load_state_dict(kept["network"])
    optimizer.load_state_dict(kept["optimizer"])
    schedule.load_state_dict(kept["schedule"])

for epoch in range(first_epoch, EPOCHS):
    sampler.set_epoch(epoch)
    for batch, (x, y) in enumerate(loader):
        loss = nn.functional.cross_entropy(model(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
        aicci.log(step=epoch * len(loader) + batch, loss=loss.item(), lr=schedule.get_last_lr()[0])

    with torch.no_grad(), aicci.span("eval"):
        accuracy = (network(test_x).argmax(dim=1) == test_y).float().mean().item()
    aicci.log(step=(epoch + 1) * len(loader) - 1, accuracy=accuracy)
    history.append({"epoch": epoch, "loss": loss.item(), "accuracy": accuracy})
    aicci.checkpoint.save(
        {
            "epoch": epoch + 1,
            "history": history,
            "network": network.state_dict(),
            "optimizer": optimizer.state_dict(),
            "schedule": schedule.state_dict(),
        },
        step=(epoch + 1) * len(loader),
        shared=True,  # equal on all ranks: one file
    )
    if aicci.rank == 0:
        print(f"epoch {epoch + 1:2d}/{EPOCHS}  loss {loss.item():.4f}  accuracy on unseen digits {accuracy:.3f}")

dist.destroy_process_group()
