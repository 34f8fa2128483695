"""TF32 off around the package's own computations, the process's setting put back."""

from __future__ import annotations

import threading

import pytest
import tensorflow as tf

from tfattr.precision import describe_device, float32_only

enabled = tf.config.experimental.tensor_float_32_execution_enabled


@pytest.fixture(params=[True, False], autouse=True)
def before(request):
    kept = enabled()
    tf.config.experimental.enable_tensor_float_32_execution(request.param)
    yield request.param
    tf.config.experimental.enable_tensor_float_32_execution(kept)


def test_scope_is_restored_also_on_error_and_when_nested(before):
    def fails() -> None:
        with float32_only():
            assert not enabled()
            with float32_only():
                assert not enabled()
            assert not enabled()
            raise RuntimeError

    with pytest.raises(RuntimeError):
        fails()
    assert enabled() == before


def test_tf32_leaves_the_setting(before):
    with float32_only(tf32=True):
        assert enabled() == before
        with float32_only():
            assert enabled() == before
        with float32_only(tf32=False):
            assert not enabled()
    with float32_only():
        assert not enabled()


def test_scopes_of_several_threads_end_in_any_order(before):
    opened, leave = threading.Event(), threading.Event()

    def other() -> None:
        with float32_only():
            opened.set()
            leave.wait(10)

    thread = threading.Thread(target=other)
    with float32_only():
        thread.start()
        assert opened.wait(10)
    assert not enabled()
    leave.set()
    thread.join(10)
    assert enabled() == before


def test_a_processor_is_described():
    if tf.config.list_logical_devices("GPU"):
        pytest.skip("there is a GPU")
    assert describe_device(tf32=True) == {
        "precision": "float32",
        "device": "cpu",
        "compute_capability": None,
        "cuda": None,
        "cudnn": None,
    }


def test_a_card_is_described(monkeypatch):
    monkeypatch.setattr(tf.config, "list_logical_devices", lambda kind: ["card"])
    monkeypatch.setattr(tf.config, "get_visible_devices", lambda kind: ["card"])
    details = {"compute_capability": (9, 0), "device_name": "H100"}
    monkeypatch.setattr(tf.config.experimental, "get_device_details", lambda card: details)
    monkeypatch.setattr(
        tf.sysconfig, "get_build_info", lambda: {"cuda_version": "12.5.1", "cudnn_version": "9"}
    )
    assert describe_device(tf32=True)["precision"] == "tf32"
    found = describe_device()
    assert (found["precision"], found["device"], found["compute_capability"]) == ("float32", "H100", "9.0")
    assert (found["cuda"], found["cudnn"]) == ("12.5.1", "9")
    details["compute_capability"] = (7, 5)
    assert describe_device(tf32=True)["precision"] == "float32"


def test_a_scope_that_allows_tf32_allows_it_to_those_within():
    enabled = tf.config.experimental.tensor_float_32_execution_enabled
    before = enabled()
    with float32_only(tf32=True):
        with float32_only():
            assert enabled() == before
        assert enabled() == before
    with float32_only():
        assert not enabled()
    assert enabled() == before
