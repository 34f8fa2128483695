"""``tfattr doctor``: the golden maps are numpy's, all is well here, and each fault is one sentence with what to do."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import numpy_net
import pytest

from tfattr import doctor
from tfattr.cli.main import main


def faults(part):
    return [found.text for found in part if found.fault]


def test_the_shipped_maps_are_those_of_numpy():
    net = numpy_net.make_net()
    with np.load(doctor._GOLDEN) as golden:
        assert set(golden.files) == {*net, *numpy_net.maps(net)}
        for name, array in {**net, **numpy_net.maps(net)}.items():
            np.testing.assert_allclose(golden[name], array, rtol=1e-6, atol=1e-6 * np.abs(array).max())
            assert np.ptp(array) > 0


def test_numpy_agrees_with_finite_differences():
    """The independent route itself."""
    net = numpy_net.make_net()
    random, step = np.random.default_rng(1), 1e-6
    direction = random.normal(size=net["x"].shape)
    net["x"] = net["x"].astype(np.float64)
    slope = numpy_net.maps(net)["grad_input"] / net["x"]
    ends = [numpy_net.maps({**net, "x": net["x"] + sign * step * direction})["y"].sum() for sign in (1, -1)]
    assert (slope * direction).sum() == pytest.approx((ends[0] - ends[1]) / (2 * step), rel=1e-5)


def test_all_is_well_here(capsys):
    main(["doctor"])
    said = capsys.readouterr().out
    assert "FAULT" not in said
    for word in (
        "tensorflow 2.",
        "device: CPU",
        "float32",
        "free memory",
        "free disk",
        "LRP engines",
        "self-check",
    ):
        assert word in said


@pytest.mark.slow
def test_two_devices_in_a_process_of_their_own():
    """The check runs on every device that TensorFlow has: here on two that share the processor."""
    code = (
        "import tensorflow as tf; (cpu,) = tf.config.list_physical_devices('CPU')\n"
        "two = [tf.config.LogicalDeviceConfiguration()] * 2\n"
        "tf.config.set_logical_device_configuration(cpu, two)\n"
        "from tfattr.doctor import self_check\n"
        "print([(found.fault, found.text) for found in self_check()])"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert "self-check on CPU:0" in told
    assert "self-check on CPU:1" in told
    assert "True" not in told


def test_a_device_that_computes_something_else(monkeypatch):
    right = doctor.maps_on

    def wrong(device, trunk, x, methods):
        found = right(device, trunk, x, methods)
        return {**found, "saliency": found["saliency"] * 1.0001, "elrp_native": found["elrp_native"] * np.nan}

    monkeypatch.setattr(doctor, "maps_on", wrong)
    first, second = faults(doctor.self_check())
    assert first.startswith("CPU:0: saliency of the test network is off by 1.0e-04 of its peak")
    assert second.startswith("CPU:0: elrp_native of the test network is off by nan")
    assert "keep to the CPU" in first


def test_a_card_without_its_libraries(monkeypatch):
    monkeypatch.setattr(doctor, "nvidia_cards", lambda: "NVIDIA H100, 80000 MiB")
    (told,) = faults(doctor.devices())
    assert "NVIDIA H100" in told
    assert "pip install 'tfattr[gpu]'" in told


def test_a_device_of_less_than_float32(monkeypatch):
    monkeypatch.setattr(doctor, "is_float32", lambda _: False)
    (told,) = faults(doctor.devices())
    assert "NVIDIA_TF32_OVERRIDE=0" in told


def test_little_memory_and_disk(monkeypatch, tmp_path):
    monkeypatch.setattr(doctor, "free_memory", lambda: 1 << 29)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(1, 1, 1 << 29))
    told = faults(doctor.free_space(tmp_path))
    assert "memory is free" in told[0]
    assert f"is free in {tmp_path}" in told[1]
    monkeypatch.setattr(doctor, "free_memory", lambda: None)
    assert len(faults(doctor.free_space(tmp_path))) == len(told) - 1


def test_without_innvestigate_nothing_is_wrong(monkeypatch):
    monkeypatch.setattr(doctor.installed, "has_innvestigate", lambda: False)
    (found,) = doctor.engines()
    assert not found.fault
    assert "pip install" in found.text


def test_what_cannot_be_imported_ends_the_examination(monkeypatch, capsys):
    def broken():
        raise ImportError("libcudart.so.12: cannot open shared object file")
        yield

    monkeypatch.setattr(doctor, "package_versions", broken)
    with pytest.raises(SystemExit) as left:
        main(["doctor"])
    assert left.value.code == 1
    said = capsys.readouterr()
    assert said.out.count("\n") == 1
    assert "FAULT  " in said.out
    assert "libcudart.so.12" in said.out
    assert said.err == "tfattr: 1 fault; each line above says what to do.\n"


def test_the_shipped_file_is_in_the_package():
    text = (Path(__file__).parents[1] / "setup.py").read_text()
    assert doctor._GOLDEN.name in text
    assert doctor._GOLDEN.stat().st_size < 100_000
