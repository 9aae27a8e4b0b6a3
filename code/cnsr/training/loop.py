"""The training loop: one batch, one step of Adam, and what happens between steps."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import nn

from cnsr.config import Config
from cnsr.datasets.batch import Batch
from cnsr.errors import CheckpointError, StorageError, TrainingError
from cnsr.models.model import ModelOutput, SceneModel
from cnsr.training.adam import Adam
from cnsr.training.adam_state import by_place, moments_to_go_on_with
from cnsr.training.averaging import WeightAverage
from cnsr.training.checkpoints import Checkpoint, checkpoint_path, load_weights, save_checkpoint
from cnsr.training.distributed import ALONE, Ranks, with_shared_gradients
from cnsr.training.evaluation import evaluate
from cnsr.training.journal import Journal
from cnsr.training.pictures import comparison_pictures
from cnsr.training.progress import Progress
from cnsr.training.signals import StopRequest
from cnsr.training.step_records import LossRecord, StepClock

PICTURE_INTERVAL = 20
"""Pictures are logged at the first test, at every so manieth, and at the end of the run.

With every test, a million iterations would leave 40,000 of them."""


@dataclass(frozen=True)
class Outcome:
    """How a run ended.

    Attributes:
        iteration: how many iterations are done.
        checkpoint: the file that holds them.
        signal: number of the signal that ended the run early, or ``None``.
    """

    iteration: int
    checkpoint: Path
    signal: int | None = None


class Trainer:
    """Trains a model, and keeps all that a run needs to go on later as if it had never stopped.

    Random numbers come from torch's global generators; the caller seeds them before making the model, in all processes
    alike where there are several.
    """

    def __init__(self, config: Config, model: SceneModel, seed: int, folder: Path, ranks: Ranks = ALONE) -> None:
        """Prepare training.

        Args:
            config: all settings.
            model: the networks, on the device to train on.
            seed: of the run, to be kept in checkpoints.
            folder: where checkpoints go.
            ranks: the processes that train `model` together.
        """
        self.config = config
        self.model = model
        self.iteration = 0
        self.device = next(model.parameters()).device
        self._seed = seed
        self._folder = folder
        self._ranks = ranks
        self._network: nn.Module | None = model if ranks.count == 1 else None  # what makes the steps; several wrap it
        gpu = self.device.type == "cuda"
        self._optimizer = Adam(model, config.learning_rate, at_once=gpu or ranks.count > 1)
        self._average = WeightAverage(model, config.ema) if config.ema > 0 and ranks.first else None
        self._record = LossRecord(ranks)
        self._clock = StepClock(self.device)
        # Of several processes, DistributedDataParallel would look into memory that belongs to the graphs.
        self._graphs = config.compile and gpu and ranks.count == 1
        if config.compile:
            model.compile_networks(self._graphs)

    def restore(self, checkpoint: Checkpoint, source: Path | str) -> None:
        """Go on from `checkpoint`, read from `source`.

        Raises:
            CheckpointError: the weights do not fit the model, or the rest is not what a training run leaves.
        """
        load_weights(self.model, checkpoint, source)
        self.iteration = checkpoint.iteration
        try:
            self._restore_rest(checkpoint, source)
        except (KeyError, IndexError, TypeError, ValueError, AttributeError, RuntimeError) as error:
            raise CheckpointError(
                f"{source}: its weights fit, but not the state of training beside them ({type(error).__name__}: "
                f"{' '.join(str(error).split())}); a file with iteration and model_state alone starts with fresh "
                "moments of Adam"
            ) from error

    def _restore_rest(self, checkpoint: Checkpoint, source: Path | str) -> None:
        """Take over everything but weights and iteration."""
        self._restore_optimizer(checkpoint, source)
        if self._average is not None:
            self._average.restore(checkpoint.ema_state or dict(self.model.named_parameters()))
        if checkpoint.pending is not None:
            self._record.restore(checkpoint.pending)
        for kind, state in (checkpoint.random_states or {}).items():
            if kind == "cpu":
                torch.set_rng_state(state)
            elif kind == self.device.type:
                torch.cuda.set_rng_state(state, self.device)

    def run(
        self,
        batches: Iterator[Batch],
        test_batches: Sequence[Batch],
        journal: Journal | None,
        progress: Progress,
        stop: StopRequest,
    ) -> Outcome:
        """Train until ``config.iterations``, or until `stop` is asked for; either way a checkpoint is left.

        Args:
            batches: never ends; starts with the batch of the next iteration, this process's share of it.
            test_batches: held out, to test with; may be empty.
            journal: where numbers and pictures go; ``None`` in processes that leave tests and reports to the first.
            progress: what the user sees.
            stop: asked after every iteration. Of several processes, all stop after the iteration at which they have
                heard that one of them is to.

        Raises:
            TrainingError: the loss is NaN or infinite (the batch is named), or nothing can be trained, in all processes
                alike. The checkpoints so far are kept.
            StorageError: a checkpoint or log could not be written.
        """
        config = self.config
        saved = self.iteration if checkpoint_path(self._folder, config.job_name, self.iteration).exists() else -1
        if self.iteration == 0 and journal is not None:
            settings = config.model_dump(mode="json") | {"seed": self._seed}
            journal.text(0, "config", f"```json\n{json.dumps(settings, indent=4)}\n```")
        self.model.train()
        self._clock.restart()
        while self.iteration < config.iterations and self._signal(stop) is None:
            batch = self._next(batches)
            self._step(batch, stop.signal)
            progress.step(self._record.latest)
            if self.iteration % config.test_interval == 0:
                try:
                    self._report(test_batches, journal, progress)
                except StorageError:
                    with suppress(StorageError):  # the checkpoints may lie on another disk than what is full
                        self.save(batch.name)
                    raise
            if self.iteration % config.checkpoint_interval == 0:
                self.save(batch.name)
                saved = self.iteration
        if saved != self.iteration:
            self.save("the last one")
        path = checkpoint_path(self._folder, config.job_name, self.iteration)
        return Outcome(self.iteration, path, self._signal(stop))

    def save(self, batch_name: str = "") -> None:
        """Write a checkpoint, in the first of several processes.

        Raises:
            TrainingError: a weight is NaN or infinite, after a step with the batch `batch_name`.
            StorageError: it could not be written.
        """
        self._record.settle(wait=True)
        self._check_weights(batch_name)
        if not self._ranks.first:
            return
        random_states = {"cpu": torch.get_rng_state()}
        if self.device.type == "cuda":
            random_states["cuda"] = torch.cuda.get_rng_state(self.device)
        checkpoint = Checkpoint(
            iteration=self.iteration,
            model_state=dict(self.model.state_dict()),
            optimizer_state=self._optimizer.state_dict(),
            ema_state=self._average.state() if self._average is not None else None,
            random_states=random_states,
            pending=self._record.state(),
            seed=self._seed,
            config=self.config.model_dump(mode="json"),
        )
        save_checkpoint(checkpoint_path(self._folder, self.config.job_name, self.iteration), checkpoint)

    def _signal(self, stop: StopRequest) -> int | None:
        """Return the signal that asks for an end, as far as all processes know of it."""
        return stop.signal if self._ranks.count == 1 else self._record.signal

    def _next(self, batches: Iterator[Batch]) -> Batch:
        self._clock.data_asked()
        batch = next(batches)
        self._clock.data_came()
        return batch.to(self.device, non_blocking=True)

    def _step(self, batch: Batch, stop_signal: int | None = None) -> None:
        """Make one step of Adam. Networks whose weights have no gradient (detached ones) stay as they are."""
        if self.iteration == 0:
            self.model.initialize_outputs(batch)
        if self._network is None:
            self._network = self._shared_network(batch)
        if self._graphs:
            torch.compiler.cudagraph_mark_step_begin()  # type: ignore[no-untyped-call]
        output = self._forward(self._network, batch)
        self._optimizer.descend(output.loss)
        self.iteration += 1
        if self._average is not None:
            self._average.update(self.iteration)
        self._clock.step_done()
        self._record.add(self.iteration, batch.name, output.loss, output.terms, stop_signal)
        self._record.settle()

    def _forward(self, network: nn.Module, batch: Batch) -> ModelOutput:
        precise = self.config.precision == "fp32"
        with nullcontext() if precise else torch.autocast(self.device.type, torch.bfloat16):
            output: ModelOutput = network(batch, self.iteration)
        if not output.loss.requires_grad:
            raise TrainingError("nothing to train: every network is detached, or has its loss discarded")
        return output

    def _shared_network(self, batch: Batch) -> nn.Module:
        """Return the model, its gradients shared with the other processes. A step is tried that changes nothing."""
        devices = [self.device] if self.device.type == "cuda" else []
        with torch.random.fork_rng(devices), _uncompiled():
            return with_shared_gradients(self.model, self._forward(self.model, batch).loss)

    def _report(self, test_batches: Sequence[Batch], journal: Journal | None, progress: Progress) -> None:
        """Log the numbers since the last report, and a test."""
        self._record.settle(wait=True)
        speed = self._clock.take()
        numbers = {f"train/{name}": value for name, value in self._record.take_means().items()}
        if journal is None:
            self._clock.restart()
            return
        if speed is not None:
            numbers["speed/iterations_per_second"], numbers["speed/waiting_for_data"] = speed
            progress.waiting(speed[1])
        if test_batches:
            averaged = self._average.applied() if self._average is not None else nullcontext()
            with averaged, _uncompiled():
                result = evaluate(self.model, self.config, test_batches, self.iteration)
            numbers |= {f"test/{name}": value for name, value in result.means.items()}
            number = self.iteration // self.config.test_interval
            if number == 1 or number % PICTURE_INTERVAL == 0 or self.iteration == self.config.iterations:
                pictures = comparison_pictures(self.config, result.first, result.predictions)
                journal.pictures(self.iteration, {f"test/{name}": picture for name, picture in pictures.items()})
        journal.numbers(self.iteration, numbers)
        self._clock.restart()

    def _check_weights(self, batch_name: str) -> None:
        """A step with infinite gradients leaves weights that no run should go on from."""
        finite = torch.stack([parameter.detach().isfinite().all() for parameter in self.model.parameters()])
        if not finite.all():
            names = [name for name, _ in self.model.named_parameters()]
            first = names[int(finite.int().argmin())]
            raise TrainingError(
                f"{first} is NaN or infinite after iteration {self.iteration}, with batch {batch_name}; "
                "a smaller learning_rate may help"
            )

    def _restore_optimizer(self, checkpoint: Checkpoint, source: Path | str) -> None:
        """Take over the moments of Adam, but not its options: those are the config's and this device's."""
        moments = moments_to_go_on_with(checkpoint, self.model, source)
        names = [name for name, _ in self.model.named_parameters()]
        self._optimizer.load_moments(by_place(moments, names))


def _uncompiled() -> AbstractContextManager[None]:
    """Let compiled networks run as they are written.

    Compiling them for a single step, or for a few of another kind, would take longer than these; and what compiled
    networks give out on a GPU does not last.
    """
    return torch.compiler.set_stance("force_eager")  # type: ignore[no-any-return]
