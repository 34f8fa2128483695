"""Whether a model must be looked at again: told by its table, the names, sizes and times of its files."""

from __future__ import annotations

import dataclasses
import os

import pytest

from tfattr.runs.controls import randomised_zoo
from tfattr.runs.directory import fingerprint
from tfattr.runs.reproducing import cached_trunks
from tfattr.trunk.preprocessing import Preprocessing
from tfattr.zoo.spec import ModelSpec


@pytest.fixture
def spec(tmp_path):
    for suffix in ("index", "data-00000-of-00001"):
        (tmp_path / f"model[1].ckpt.{suffix}").write_bytes(b"1234")
    return ModelSpec(
        "net", "checkpoint", str(tmp_path / "model[1].ckpt"), Preprocessing((8, 8)), builder="resnet_v1_50"
    )


def test_the_same_as_long_as_nothing_changes(spec):
    assert fingerprint(spec) == fingerprint(dataclasses.replace(spec))
    assert len(fingerprint(spec)) == 64


@pytest.mark.parametrize(
    "change",
    [
        {"name": "other"},
        {"preprocessing": Preprocessing((8, 9))},
        {"options": {"num_classes": 3}},
        {"cut": {"output": "x:0"}},
    ],
)
def test_another_table(spec, change):
    assert fingerprint(dataclasses.replace(spec, **change)) != fingerprint(spec)


@pytest.mark.parametrize("kind", ["content", "time", "more", "fewer"])
def test_other_files(spec, tmp_path, kind):
    before, file = fingerprint(spec), tmp_path / "model[1].ckpt.index"
    if kind == "content":
        told = file.stat()
        file.write_bytes(b"12345")
        os.utime(file, ns=(told.st_atime_ns, told.st_mtime_ns))
    elif kind == "time":
        os.utime(file, ns=(0, file.stat().st_mtime_ns + 1))
    elif kind == "more":
        (tmp_path / "model[1].ckpt.meta").write_bytes(b"")
    else:
        file.unlink()
    assert fingerprint(spec) != before


def test_a_folder_of_files(spec, tmp_path):
    saved = dataclasses.replace(spec, source="saved_model", builder=None, path=str(tmp_path))
    before = fingerprint(saved)
    (tmp_path / "variables").mkdir()
    assert fingerprint(saved) == before
    (tmp_path / "variables" / "variables.index").write_bytes(b"1")
    assert fingerprint(saved) != before


def test_where_files_do_not_tell(spec, tmp_path):
    assert fingerprint(dataclasses.replace(spec, path="https://tfhub.dev/net", source="hub")) is None
    assert fingerprint(dataclasses.replace(spec, builder="my_package.nets:build")) is None
    assert fingerprint(dataclasses.replace(spec, path=str(tmp_path / "nowhere" / "x.ckpt"))) is None
    assert fingerprint(dataclasses.replace(spec, path=str(tmp_path / "absent"))) is None


@dataclasses.dataclass(frozen=True)
class Told:
    """A loader that keeps what it was called with."""

    seen: list

    def __call__(self, spec):
        self.seen.append(spec)
        raise KeyError(spec.name)


def test_a_wrapped_spec_is_a_spec_like_any_other(spec, tmp_path):
    """Trust and folding reach the loader below a cache and a shuffle, whichever was said first."""
    seen = []
    spec = dataclasses.replace(spec, loader=Told(seen))
    with cached_trunks([spec], tmp_path / "trunks") as (cached,):
        (shuffled,) = randomised_zoo([cached], seed=3)
        for made in (cached, shuffled):
            assert (made.name, made.path, made.trust) == (spec.name, spec.path, False)
            with pytest.raises(KeyError):
                made.trusted().folded().load()
    assert seen == [spec.trusted().folded()] * 2


def test_a_cache_leaves_the_fingerprint_and_a_shuffle_does_not(spec, tmp_path):
    with cached_trunks([spec], tmp_path / "trunks") as (cached,):
        assert fingerprint(cached) == fingerprint(spec)
        found = {fingerprint(one) for seed in (0, 1) for one in (spec, *randomised_zoo([cached], seed))}
    assert len(found) == 3
