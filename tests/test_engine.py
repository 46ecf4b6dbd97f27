"""The training loop: what it learns, that nothing of a killed run is lost, and that processes share the work."""
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import endless_training
import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_network import TinyNetwork, batches, loss, validate

from pixverve_lib.schemes import checkpoints, engine

TESTS = Path(__file__).parent
SETTINGS = endless_training.SETTINGS
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS), "CUDA_VISIBLE_DEVICES": ""}


@pytest.fixture(scope="module", autouse=True)
def started(tmp_path_factory):
    """What runs in other processes starts first: they import for seconds."""
    folder = tmp_path_factory.mktemp("processes")
    torchrun = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    commands = {"killed": [TESTS / "endless_training.py", folder / "killed"],
                "both": [*torchrun, TESTS / "distributed_training.py", folder]}
    processes = {name: subprocess.Popen([sys.executable, *command], env=ENVIRONMENT, stderr=subprocess.PIPE)
                 for name, command in commands.items()}
    yield folder, processes
    for process in processes.values():
        process.kill()


@pytest.fixture(autouse=True)
def one_thread_of_a_cpu(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def train(folder, settings=SETTINGS, network=None, source=batches, **more):
    network = network or TinyNetwork()
    outcome = engine.train(network, loss, source, settings, folder, **more)
    return network, outcome


def validated(folder, **changes):
    return train(folder, replace(SETTINGS, **changes), validate=validate)


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def test_training_lowers_the_validation_loss_and_writes_down_every_step(tmp_path):
    _, outcome = validated(tmp_path / "run", steps=60, every=20)
    means = outcome.validation.groupby("step")["loss"].mean()
    assert list(means.index) == [0, 20, 40, 60] and means[60] < means[20] < means[0]
    assert outcome.metrics["step"].tolist() == list(range(1, 61)) and outcome.metrics["seconds"].gt(0).all()
    assert pd.read_csv(tmp_path / "run" / "metrics.csv").equals(outcome.metrics)
    events = EventAccumulator(str(tmp_path / "run" / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("loss")] == list(range(1, 61))


def test_a_run_killed_with_signal_9_goes_on_to_exactly_the_weights_of_an_uninterrupted_one(started, tmp_path):
    folder, killed = started[0] / "killed", started[1]["killed"]
    metrics = folder / "metrics.csv"
    while killed.poll() is None and (not metrics.exists() or len(metrics.read_text().splitlines()) < 8):
        time.sleep(0.02)
    killed.send_signal(signal.SIGKILL)
    assert killed.wait() == -signal.SIGKILL, killed.stderr.read().decode()
    assert checkpoints.about(folder / "last.safetensors")["step"] == 5
    resumed, outcome = validated(folder)
    straight, expected = validated(tmp_path / "straight")
    assert same(resumed.state_dict(), straight.state_dict())
    assert outcome.metrics["loss"].equals(expected.metrics["loss"]) and outcome.validation.equals(expected.validation)
    files = [load_file(each / "last.safetensors") for each in (folder, tmp_path / "straight")]
    assert same(*files) and any(name.startswith("exp_avg_sq/") for name in files[0])


def test_two_processes_do_what_one_does_that_accumulates_two_batches_with_ddp_as_in_shards(started, tmp_path):
    import distributed_training
    folder, torchrun = started[0], started[1]["both"]
    assert torchrun.wait(120) == 0, torchrun.stderr.read().decode()
    one, _ = train(tmp_path / "one", distributed_training.settings(accumulate=2))
    for name in ("ddp", "zero2", "shards"):
        whole = load_file(folder / name / "last.safetensors")
        for key, tensor in load_file(tmp_path / "one" / "last.safetensors").items():
            assert torch.allclose(whole[key], tensor, atol=1e-6), (name, key)
        network, _ = train(folder / name, distributed_training.settings(accumulate=2))  # finished: it only loads
        assert all(torch.allclose(a, b, atol=1e-6) for a, b in zip(network.parameters(), one.parameters(), strict=True))
    for rank in (0, 1):
        assert "step 2" in (folder / f"error-{rank}.txt").read_text()
        assert "3-0, 3-1" in (folder / f"error-{rank}.txt").read_text()


def test_a_finished_run_is_not_trained_again(tmp_path):
    first, _ = train(tmp_path / "run")
    second, outcome = train(tmp_path / "run", source=None)
    assert same(first.state_dict(), second.state_dict()) and len(outcome.metrics) == SETTINGS.steps


def test_a_loss_that_is_no_number_stops_with_the_step_and_the_pictures_and_keeps_the_checkpoint(tmp_path):
    def spoilt(number):
        batch = batches(number)
        return batch._replace(latents=batch.latents / 0) if number == 15 else batch
    with pytest.raises(engine.NotFinite, match=r"step 8: loss nan.* 14-0, .*15-3; .*keeps the last checkpoint"):
        train(tmp_path / "run", source=spoilt)
    assert checkpoints.about(tmp_path / "run" / "last.safetensors")["step"] == 5


def test_the_disk_holds_the_last_the_best_and_the_asked_for_and_the_best_is_the_lowest(tmp_path):
    values = iter([5.0, 3.0, 1.0, 2.0, 4.0])  # the first before any step
    train(tmp_path / "run", replace(SETTINGS, keep=(7,)), validate=lambda network: {0.5: next(values)})
    files = {path.name for path in (tmp_path / "run").glob("*.safetensors")}
    assert files == {"last.safetensors", "best.safetensors", "step-00000007.safetensors"}
    assert checkpoints.about(tmp_path / "run" / "best.safetensors")["step"] == 7


def test_a_checkpoint_of_another_shape_of_other_settings_or_damaged_is_refused_in_one_line(tmp_path):
    train(tmp_path / "run")
    shapes = r"another network: blocks.0.inside.bias is \(16,\) there and \(8,\) here"
    with pytest.raises(checkpoints.BadCheckpoint, match=shapes):
        train(tmp_path / "run", network=TinyNetwork(width=8))
    with pytest.raises(checkpoints.BadCheckpoint, match=r"rate 0.01 \(now 0.1\): train in another folder"):
        train(tmp_path / "run", replace(SETTINGS, rate=0.1))
    with pytest.raises(checkpoints.BadCheckpoint, match="data None .now other"):
        train(tmp_path / "run", identity={"data": "other"})
    last = tmp_path / "run" / "last.safetensors"
    last.write_bytes(last.read_bytes()[:-9])
    with pytest.raises(checkpoints.BadCheckpoint, match="last.safetensors is damaged"):
        train(tmp_path / "run")


def test_an_average_follows_the_weights_and_is_what_a_run_gives(tmp_path):
    plain, _ = train(tmp_path / "plain", replace(SETTINGS, average=0.0))
    averaged, _ = train(tmp_path / "averaged")
    saved = load_file(tmp_path / "averaged" / "last.safetensors")
    assert torch.equal(saved["weights/leave.bias"], plain.leave.bias)
    assert torch.equal(saved["average/leave.bias"], averaged.leave.bias) and not torch.equal(averaged.leave.bias,
                                                                                             plain.leave.bias)


def test_only_what_requires_gradients_is_trained_and_saved(tmp_path):
    network, fresh = TinyNetwork(), TinyNetwork()
    network.enter.requires_grad_(False)
    train(tmp_path / "run", network=network)
    assert torch.equal(network.enter.weight, fresh.enter.weight) and not torch.equal(network.text.weight,
                                                                                     fresh.text.weight)
    assert not any("enter" in name for name in load_file(tmp_path / "run" / "last.safetensors"))


def test_bfloat16_on_a_cpu_trains_close_to_float32_and_an_unknown_precision_is_refused(tmp_path):
    (_, half), (_, whole) = (train(tmp_path / p, replace(SETTINGS, precision=p)) for p in ("bfloat16", "float32"))
    assert half.metrics["loss"].to_numpy() == pytest.approx(whole.metrics["loss"].to_numpy(), rel=0.02)
    assert not half.metrics["loss"].equals(whole.metrics["loss"])
    with pytest.raises(ValueError, match="'fp8' is unknown; use one of: auto, float32, bfloat16"):
        train(tmp_path / "run", replace(SETTINGS, precision="fp8"))


def test_an_unknown_way_to_shard_is_refused_before_anything_starts(tmp_path):
    for shard in ("half", True):
        with pytest.raises(ValueError, match=f"shard {shard!r} is unknown; use one of: '', 'zero2', 'full'"):
            train(tmp_path / "run", replace(SETTINGS, shard=shard))
    assert not (tmp_path / "run").exists()
