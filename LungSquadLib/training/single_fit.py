"""Trainings of one fit on one split of the cases: what they share."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np
import torch

from ..data.splits import Fold
from ..data.store import StoredCase
from ..errors import InputError
from ..models.card import Card, Metric, NetworkSpec
from ..models.inputs import InputSpec
from ..networks import build
from .card import NO_CARE, CardText, class_labels, trained_card, trained_on
from .checkpoint import load_weights
from .experiment import Experiment, Fit, Session, read_fit
from .folds import FoldOptions

OptionsT = TypeVar("OptionsT", bound=FoldOptions)
CaseT = TypeVar("CaseT", bound=StoredCase)


@dataclass(frozen=True)
class Setup(Generic[OptionsT, CaseT]):
    """A run before it starts.

    Attributes:
        cases: that have a label, or all if the network is unconditional.
        classes: conditions of the network; empty: it is unconditional.
    """

    options: OptionsT
    cases: tuple[CaseT, ...]
    classes: tuple[str, ...]
    fold: Fold

    @property
    @abstractmethod
    def network(self) -> NetworkSpec:
        """The network that becomes the model."""

    @property
    @abstractmethod
    def spec(self) -> InputSpec:
        """Its input."""

    @abstractmethod
    def described(self) -> dict[str, Any]:
        """Return all that decides the results."""

    def patients(self, names: Sequence[str]) -> int:
        """Return the number of patients of the named cases."""
        return len({self.cases[number].patient for number in self.indices(names).tolist()})

    def indices(self, names: Sequence[str]) -> np.ndarray:
        """Return the positions (N,) of the named cases in `cases`."""
        index = {case.case: number for number, case in enumerate(self.cases)}
        return np.array([index[name] for name in names], np.int64)

    def initial_network(self) -> Any:
        """Return the network with the weights of the seed; `InputError` if there is none such."""
        torch.manual_seed(self.options.seed)
        try:
            return build(self.network.name, self.network.arguments)
        except ValueError as error:
            raise InputError(f"There is no such network: {error}.") from error


SetupT = TypeVar("SetupT", bound=Setup[Any, Any])


class SingleFit(Experiment[OptionsT], Generic[OptionsT, SetupT]):
    """One fit on the training cases; the card says so."""

    def __init__(self, setup: SetupT, card_text: CardText | None) -> None:
        self.setup, self.card_text = setup, card_text or CardText()
        self.options = setup.options

    def described(self) -> dict[str, Any]:
        return self.setup.described()

    def check(self) -> None:
        self.card({})
        self.setup.initial_network()

    def fits(self) -> list[Fit]:
        return [Fit("final", self.options.seed, 0, self.setup.fold)]

    @abstractmethod
    def card(self, metrics: Mapping[str, Metric]) -> Card:
        """Return the model's card; `ModelError` if its texts or classes do not fit into one."""

    def image_card(
        self,
        default: CardText,
        *,
        task: str,
        data: str,
        intended_use: str,
        metrics: Mapping[str, Metric],
    ) -> Card:
        """Return the card of a model that makes images or masks; see `Card` for its fields.

        `default` has name, title, question and notice where the user writes none.
        """
        setup, text, seed = self.setup, self.card_text, self.options.seed
        data += self.options.kept_for_test
        return trained_card(
            text,
            default,
            task=task,
            classes=class_labels(setup.classes),
            network=setup.network,
            input=setup.spec,
            positive=0,
            training=trained_on(
                setup.cases, setup.fold, data=data, seed=seed, command=text.command
            ),
            metrics=metrics,
            intended_use=intended_use,
            must_not=(NO_CARE, "Must not be shown as the CT of a patient."),
        )

    def trained_network(self, session: Session) -> Any:
        """Return the network of the finished fit."""
        (fit,), network = self.fits(), self.setup.initial_network()
        load_weights(network, read_fit(session.of_fit(fit))[0])
        return network
