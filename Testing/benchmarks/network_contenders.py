"""The networks, forward and in training, by torch and by two runtimes, on one thread."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from LungSquadLib.data.store import Preprocessing
from LungSquadLib.models.inputs import InputSpec
from LungSquadLib.networks import build
from LungSquadLib.networks.folding import folded
from LungSquadLib.networks.trunk_and_head import TrunkAndHead
from LungSquadLib.training.allocator import keep_freed_memory
from LungSquadLib.training.augment import Augmentation
from LungSquadLib.training.classifier.options import Recipe
from LungSquadLib.training.classifier.task import Classifier, layer_groups
from LungSquadLib.training.distributed import DistributedContext
from LungSquadLib.training.samples import Crops

from .children import Timer
from .network import CHANNELS_LAST, FOLDED, INFERENCE, LOOP

EAGER, PLAIN = "torch, eager", "torch, plain"
TRAINING_BATCH = 4
_PEAK_SIDE, _PEAK_TRIES = 2048, 3


@dataclass(frozen=True)
class Contender:
    """What is timed; the answer it gives; the floating-point operations it computes."""

    act: Callable[[], object]
    answer: Callable[[], np.ndarray]
    flop: int


def measure(job: dict[str, Any]) -> dict[str, Any]:
    """Rounds of one task; in each round the machine's peak, then every contender once.

    Returns:
        For each contender its seconds, what it computes in GFLOP, and how far its answer
        is from the first contender's; the peaks in GFLOP/s; the nominal GFLOP of the task.
    """
    torch.set_num_threads(1)
    torch.manual_seed(0)
    work = {"inference": _inference, "training": _training, "generation": _generation}
    contenders, nominal = work[job["work"]](job["network"])
    answers = {name: one.answer() for name, one in contenders.items()}
    truth = next(iter(answers.values()))
    rows: dict[str, Any] = {
        name: {
            "cpu_s": [],
            "wall_s": [],
            "executed_gflop": one.flop / 1e9,
            "apart": float(np.abs(answers[name] - truth).max()),
        }
        for name, one in contenders.items()
    }
    for one in contenders.values():  # what is made on first use
        one.act()
    peaks = []
    for _ in range(job["rounds"]):
        peaks.append(_peak_gflops())
        for name, one in contenders.items():
            with Timer() as timer:
                one.act()
            rows[name]["cpu_s"].append(timer.cpu)
            rows[name]["wall_s"].append(timer.wall)
    return {"rows": rows, "peak_gflops": peaks, "nominal_gflop": nominal / 1e9}


def _classifier(name: str) -> tuple[TrunkAndHead, int]:
    """A network whose batch norms do something, as if trained, and the operations of a crop."""
    network: TrunkAndHead = build(name, {})
    with torch.no_grad():
        for layer in network.modules():
            if isinstance(layer, nn.modules.batchnorm._BatchNorm):
                layer.running_mean.normal_(0, 0.1)
                layer.running_var.uniform_(0.5, 1.5)
                layer.weight.uniform_(0.5, 1.5)
                layer.bias.normal_(0, 0.1)
    return network.eval(), _flop(lambda: network(_crops(network, 1)))


def _crops(network: TrunkAndHead, count: int) -> torch.Tensor:
    return torch.rand(count, 1, *(network.input_size,) * 3)


def _inference(name: str) -> tuple[dict[str, Contender], int]:
    """The forward pass of one crop."""
    network, nominal = _classifier(name)
    x = _crops(network, 1)
    contenders = {}
    for own, of, one in ((EAGER, "", network), (FOLDED, " of the folded network", folded(network))):
        flop, graph = _flop(partial(one, x)), _onnx(one, x)
        for name, act in (
            (own, _forward(one, x)),
            (f"ONNX Runtime{of}", _onnx_runtime(graph, x)),
            (f"OpenVINO{of}", _openvino(graph, x)),
        ):
            contenders[name] = Contender(act, act, flop)
    return contenders, nominal


def _generation(name: str) -> tuple[dict[str, Contender], int]:
    """One image."""
    network = build(name, {"resolution": 256, "channels": 2}).eval()
    z = torch.randn(1, network.latent)
    contenders = {}
    for own, one in ((EAGER, network), (INFERENCE, network.for_inference())):
        act = _image(one, z)
        contenders[own] = Contender(act, act, _flop(partial(one, z)))
    return contenders, contenders[EAGER].flop


def _image(network: nn.Module, z: torch.Tensor) -> Callable[[], np.ndarray]:
    def act() -> np.ndarray:
        with torch.inference_mode():
            return network(z).numpy()

    return act


def _forward(network: nn.Module, x: torch.Tensor) -> Callable[[], np.ndarray]:
    def act() -> np.ndarray:
        with torch.inference_mode():
            return network(x).softmax(1).numpy()

    return act


def _onnx(network: nn.Module, x: torch.Tensor) -> bytes:
    class Probabilities(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.network = network

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.network(x).softmax(1)

    logging.disable(logging.WARNING)
    with warnings.catch_warnings(), io.BytesIO() as file:
        warnings.simplefilter("ignore")
        program = torch.onnx.export(Probabilities().eval(), (x,), dynamo=True, verbose=False)
        program.save(file)
        return file.getvalue()


def _onnx_runtime(graph: bytes, x: torch.Tensor) -> Callable[[], np.ndarray]:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    session = onnxruntime.InferenceSession(graph, options, providers=["CPUExecutionProvider"])
    feed = {session.get_inputs()[0].name: x.numpy()}
    return lambda: session.run(None, feed)[0]


def _openvino(graph: bytes, x: torch.Tensor) -> Callable[[], np.ndarray]:
    import openvino

    core = openvino.Core()
    # By itself it takes bfloat16 where the processor has it: other answers, and slower without AMX.
    settings = {
        "INFERENCE_NUM_THREADS": 1,
        "NUM_STREAMS": 1,
        "PERFORMANCE_HINT": "LATENCY",
        "INFERENCE_PRECISION_HINT": "f32",
    }
    request = core.compile_model(core.read_model(graph), "CPU", settings).create_infer_request()
    return lambda: request.infer([x.numpy()])[0]


def _training(name: str) -> tuple[dict[str, Contender], int]:
    """One step of training: by hand in two layouts of memory, and as the training loop takes it."""
    network, forward = _classifier(name)
    keep_freed_memory()  # for all of them, since malloc is theirs together
    x = _crops(network, TRAINING_BATCH)
    contenders = {}
    for title, layout in (
        (PLAIN, torch.contiguous_format),
        (CHANNELS_LAST, torch.channels_last_3d),
        (LOOP, torch.channels_last_3d),
    ):
        own = build(name, {})
        own.load_state_dict(network.state_dict())
        own.to(memory_format=layout).train()
        laid = x.contiguous(memory_format=layout)
        step = _loop_step(own) if title == LOOP else _step(own, laid)
        contenders[title] = Contender(step, partial(_without_dropout, own, laid), _flop(step))
        own.load_state_dict(network.state_dict())
    return contenders, 3 * TRAINING_BATCH * forward


def _step(network: TrunkAndHead, x: torch.Tensor) -> Callable[[], object]:
    """Forward, backward, optimizer."""
    labels = torch.arange(len(x)) % network.classes
    optimizer = torch.optim.AdamW(network.parameters(), 2e-3, weight_decay=1e-3)

    def act() -> None:
        loss = nn.functional.cross_entropy(network(x), labels)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()

    return act


def _loop_step(network: TrunkAndHead) -> Callable[[], object]:
    """The loop's own, with all that belongs to it: crops out of memory, augmented."""
    recipe, side = Recipe(batch=TRAINING_BATCH), network.input_size + 2 * Preprocessing().margin
    random, cases = np.random.default_rng(0), np.arange(TRAINING_BATCH)
    hu = random.integers(-1000, 400, (TRAINING_BATCH, side, side, side), np.int16)
    spec = InputSpec(network.input_size, 1.0, -1000.0, 400.0, True)
    task = Classifier(
        network,
        network.forward_with_features,
        layer_groups(network, recipe, freeze="none", pretrained=()),
        samples=Crops(list(map(str, cases)), hu.__getitem__, spec, Augmentation(), 0),
        labels=cases % network.classes,
        training=cases,
        validation=cases,
        classes=network.classes,
        recipe=recipe,
        context=DistributedContext(),
    )
    return partial(task.step, 0, 0)


def _without_dropout(network: TrunkAndHead, x: torch.Tensor) -> np.ndarray:
    """Probabilities in training mode but for the dropouts, whose draws depend on the layout."""
    for layer in network.modules():
        layer.train(not isinstance(layer, nn.Dropout))
    with torch.no_grad():
        probabilities = network(x).softmax(1).numpy()
    network.train()
    return probabilities


def _flop(act: Callable[[], object]) -> int:
    with FlopCounterMode(display=False) as counter:
        act()
    return int(counter.get_total_flops())


def _peak_gflops() -> float:
    """The best of a few float32 matrix products, in GFLOP a CPU second."""
    a, b = torch.rand(_PEAK_SIDE, _PEAK_SIDE), torch.rand(_PEAK_SIDE, _PEAK_SIDE)
    best = 0.0
    for _ in range(_PEAK_TRIES):
        with Timer() as timer:
            torch.mm(a, b)
        best = max(best, 2 * _PEAK_SIDE**3 / timer.cpu / 1e9)
    return best
