"""Use a spec from Python: load it, train it with an ordinary loop, inspect its relaxations.

python examples/from_python.py
"""

from __future__ import annotations

from pathlib import Path

import torch
from sklearn.datasets import load_digits

import ffebm_dsl

SPEC = Path(__file__).parent.parent / "specs" / "small" / "digits.ffe"


def main(epochs: int = 5) -> float:
    """Train on the digits of scikit-learn; return the test accuracy."""
    digits = load_digits()
    images = torch.tensor(digits.images, dtype=torch.float32).unsqueeze(1) / 16 - 0.3
    labels = torch.tensor(digits.target)
    train, test = slice(0, 1400), slice(1400, None)

    network = ffebm_dsl.load(SPEC, width=8)  # a torch.nn.Module
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    for epoch in range(epochs):
        network.train()
        for batch in torch.randperm(1400).split(32):
            outcome = network(images[train][batch], labels[train][batch])
            optimizer.zero_grad()
            outcome.loss.backward()  # backpropagates and eq-propagates
            optimizer.step()
        sweeps = [float(r.sweeps.float().mean()) for r in network.phases() if r.phase == "free"]
        print(f"epoch {epoch + 1}: loss {outcome.loss:.3f}, free sweeps {sweeps}")

    network.eval()
    with torch.no_grad():
        hits = network(images[test]).argmax(1) == labels[test]
    accuracy = float(hits.float().mean())
    print(f"test accuracy {accuracy:.1%}")
    return accuracy


if __name__ == "__main__":
    main()
