import math
import signal
import time

import pytest
import torch

from cnsr.errors import TrainingError
from cnsr.training.distributed import Ranks
from cnsr.training.step_records import LossRecord, StepClock


def test_terms_are_averaged_from_one_reading_to_the_next():
    record = LossRecord()
    assert record.latest is None
    for step, loss in enumerate((1.0, 2.0, 6.0)):
        record.add(step, "b", torch.tensor(loss), {"generator0_l1": torch.tensor(2 * loss)})
    record.settle(wait=True)
    assert record.latest == 6.0
    assert record.take_means() == {"loss": 3.0, "generator0_l1": 6.0}
    assert record.take_means() == {}


def test_a_term_that_comes_only_sometimes_is_averaged_over_those_times():
    record = LossRecord()
    record.add(1, "b", torch.tensor(1.0), {})
    record.add(2, "b", torch.tensor(1.0), {"rare": torch.tensor(4.0)})
    record.settle()
    assert record.take_means() == {"loss": 1.0, "rare": 4.0}


def test_a_restored_record_goes_on_as_if_unbroken():
    record, other = LossRecord(), LossRecord()
    record.add(1, "b", torch.tensor(0.1), {})
    record.settle()
    other.restore(record.state())
    for each in (record, other):
        each.add(2, "b", torch.tensor(0.2), {})
        each.settle()
    assert record.take_means() == other.take_means()


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_loss_that_is_no_number_names_batch_iteration_and_term(value):
    record = LossRecord()
    record.add(11, "good.exr", torch.tensor(1.0), {})
    record.add(12, "bad.exr", torch.tensor(value), {"fine": torch.tensor(0.0), "generator0_l1": torch.tensor(value)})
    record.add(13, "later.exr", torch.tensor(value), {})
    with pytest.raises(TrainingError) as caught:
        record.settle()
    assert str(caught.value) == f"the loss is {value} at iteration 12 (in generator0_l1), with batch bad.exr"


class Mirrored(Ranks):
    """Two processes, the other of which has what `other` makes of this one's values."""

    def __init__(self, other=lambda values: values):
        super().__init__(0, 2)
        object.__setattr__(self, "other", other)

    def add_up(self, values):
        return values + self.other(values)


def test_several_processes_log_the_means_over_all_of_them():
    record = LossRecord(Mirrored(lambda values: torch.cat((values[:2] * 3, values[2:]))))
    record.add(1, "b", torch.tensor(1.0), {"generator0_l1": torch.tensor(0.5)})
    record.settle()
    assert record.latest == 2.0
    assert record.signal is None
    assert record.take_means() == {"loss": 2.0, "generator0_l1": 1.0}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stop_signal_to_any_process_reaches_all(number):
    came = torch.tensor([0.0, number == signal.SIGINT, number == signal.SIGTERM, 0.0])
    elsewhere = LossRecord(Mirrored(lambda values: values + came))
    elsewhere.add(1, "b", torch.tensor(1.0), {})
    here = LossRecord(Mirrored())
    here.add(1, "b", torch.tensor(1.0), {}, stop_signal=number)
    for record in (elsewhere, here):
        record.settle()
        assert record.signal == number


def test_processes_with_different_batches_do_not_go_on():
    other = LossRecord(Mirrored())
    other.add(7, "data/train/b1.exr", torch.tensor(1.0), {})
    values = other._underway[0].values / 2
    record = LossRecord(Mirrored(lambda _: values))
    record.add(7, "elsewhere/b1.exr", torch.tensor(1.0), {})  # the same file of another machine
    record.settle()
    record.add(8, "elsewhere/b2.exr", torch.tensor(1.0), {})
    with pytest.raises(TrainingError, match=r"different batches at iteration 8 \(the first one elsewhere/b2\.exr\)"):
        record.settle()


def test_the_clock_counts_waiting_for_data_and_forgets_what_lies_before_a_restart():
    clock = StepClock(torch.device("cpu"))
    assert clock.take() is None
    for _ in range(2):
        clock.data_asked()
        time.sleep(0.02)
        clock.data_came()
        clock.step_done()
    rate, share = clock.take()
    assert 0 < rate <= 50
    assert 0 < share <= 1
    clock.restart()
    clock.data_asked()
    clock.data_came()
    time.sleep(0.02)
    clock.step_done()
    assert clock.take()[1] < share


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_on_a_gpu_values_arrive_later_and_idle_time_is_measured():
    device = torch.device("cuda")
    record, clock = LossRecord(), StepClock(device)
    for step in range(3):
        clock.data_asked()
        time.sleep(0.05 if step else 0)
        clock.data_came()
        record.add(step, "b", torch.full((), float(step), device=device), {})
        clock.step_done()
    record.settle(wait=True)
    assert record.take_means() == {"loss": 1.0}
    assert 0.5 < clock.take()[1] <= 1
