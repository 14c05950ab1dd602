"""Training steps of a whole network in float64; under torchrun, shared by its processes.

In float64, for a max-pooling takes whichever of two equal numbers rounding makes the larger, and
passes all of the gradient there: in float32 that shows.

    torchrun --no-python --nproc-per-node 2 python -m Testing.two_processes STORE OUT.safetensors
"""

import sys
from pathlib import Path

import torch

from LungSquadLib.networks import build
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.checkpoint import write_checkpoint
from LungSquadLib.training.classifier.data import set_up
from LungSquadLib.training.classifier.options import ClassifierOptions, Recipe
from LungSquadLib.training.classifier.task import Classifier, layer_groups
from LungSquadLib.training.distributed import distributed_context
from LungSquadLib.training.samples import Crops

SPEC = {"width": 0.04, "classes": 2, "input_size": 32, "hidden": [6], "dropout": 0.3}


def main(store, out):
    setup = set_up(store, ClassifierOptions("histology", size=32, folds=1, seeds=1))
    cases = setup.cases
    torch.manual_seed(0)
    network = build("transfer", SPEC).double()
    recipe = Recipe(epochs=2, batch=7, learning_rate=0.01, trunk_dropout=0.1)
    crops = Crops(
        [case.crop for case in cases],
        lambda n: setup.store.hu(cases[n]),
        setup.spec,
        Augmentation(shift_mm=3),
        0,
    )
    labels = setup.labels(cases)
    everybody = torch.arange(len(cases)).numpy()
    with distributed_context(torch.device("cpu")) as processes:
        task = Classifier(
            network,
            lambda x: network.forward_with_features(x.double()),
            layer_groups(network, recipe, freeze="none", pretrained=()),
            samples=crops,
            labels=labels,
            training=everybody[:18],  # shares of 3 and of 4
            validation=everybody[18:],
            classes=2,
            recipe=recipe,
            context=processes,
        )
        for step in range(task.steps(0)):
            task.step(0, step)
        loss = task.validate()["validation loss"]
        if processes.is_main_process:
            write_checkpoint(Path(out), task.weights(), {"loss": loss})


if __name__ == "__main__":
    main(*sys.argv[1:])
