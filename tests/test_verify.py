"""``tfattr verify``: our side, the recipe really run on TF-Slim's graph, the comparison."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image
from zoo import expected, fake

from tfattr.cli.main import main
from tfattr.zoo.mobilenet_v1 import build
from tfattr.zoo.originals import entries, entry
from tfattr.zoo.verifying import compare, recipe

NAME = "mobilenet_v1_025"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> str:
    return fake.write(
        tmp_path_factory.mktemp("weights") / "net.ckpt", fake.values(expected.mobilenet_v1(0.25))
    )


def run(*arguments: object) -> int:
    try:
        main([str(argument) for argument in arguments])
    except SystemExit as left:
        return int(left.code or 0)
    return 0


@pytest.mark.slow
def test_the_recipe_makes_what_verify_compares(checkpoint: str, tmp_path: Path, monkeypatch, capsys) -> None:
    asked = ("verify", NAME, "--against", tmp_path, "--checkpoint", checkpoint)
    assert run(*asked) == 0
    assert "is not there yet" in capsys.readouterr().out
    ours = dict(np.load(tmp_path / f"{NAME}.npz"))
    assert ours["fed"].shape == ours["grad_input"].shape == (1, 128, 128, 3)
    assert ours["representation"].shape == (1, 1, 1, 256)
    photo = np.asarray(Image.open(tmp_path / "picture.png"))
    np.testing.assert_array_equal(ours["fed"], entry(NAME).preprocessing("native")([photo]))

    code = (tmp_path / f"{NAME}_recipe.py").read_text()
    monkeypatch.chdir(tmp_path)
    with tf.Graph().as_default(), tf.compat.v1.Session() as sess:
        x = tf.compat.v1.placeholder(tf.float32, [1, 128, 128, 3])
        y, _ = build(x, depth_multiplier=0.25)
        assert y.name == entry(NAME).target
        tf.compat.v1.train.Saver().restore(sess, checkpoint)
        exec(compile(code, "recipe", "exec"), {"sess": sess, "x": x, "y": y})
    assert run(*asked) == 0
    said = capsys.readouterr().out
    assert said.count(" same  ") == 3
    assert "the same as the original graph" in said

    made = dict(np.load(tmp_path / f"{NAME}_original.npz"))
    made["representation"] = made["representation"] + 1e-3
    np.savez(tmp_path / f"{NAME}_original.npz", **made)
    assert run(*asked) == 1
    out, err = capsys.readouterr()
    assert out.count("DIFFERENT") == 1
    assert "representation of the original graph differ" in err
    np.savez(tmp_path / f"{NAME}_original.npz", fed=made["fed"])
    assert run(*asked) == 1
    assert "no array 'representation'" in capsys.readouterr().err
    (tmp_path / f"{NAME}_original.npz").write_bytes(b"text")
    assert run(*asked) == 1
    assert "make it by the recipe" in capsys.readouterr().err


@pytest.mark.parametrize("item", entries(), ids=lambda item: item.id)
def test_each_original_has_a_recipe_of_ten_lines(item) -> None:
    text = recipe(item)
    assert len(text.splitlines()) == 10
    compile(text, "recipe", "exec")
    assert item.target in text
    assert f"tfattr verify {item.id}" in text


def test_compare_is_strict() -> None:
    random = np.random.default_rng(0)
    ours = {key: random.normal(size=(4, 5)) for key in ("fed", "representation", "grad_input")}
    assert all(row.same and row.difference == 0 for row in compare(ours, ours))
    peak = np.abs(ours["fed"]).max()
    for key, change, same in (
        ("fed", 0.9e-6 * peak, True),
        ("fed", 1.2e-6 * peak, False),
        ("grad_input", 1e-3, True),
        ("grad_input", 0.1, False),
    ):
        other = {**ours, key: ours[key] + change * (np.arange(20).reshape(4, 5) == 3)}
        assert {row.key: row.same for row in compare(ours, other)}[key] is same, (key, change)
    assert not compare(ours, {**ours, "fed": ours["fed"][:2]})[0].same
    assert not compare(ours, {**ours, "fed": ours["fed"] * np.nan})[0].same


def test_without_against_the_files_are_held_to_the_lock(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.setenv("TFATTR_HOME", str(tmp_path))
    assert run("verify", NAME) == 1
    assert "nothing fetched to verify" in capsys.readouterr().err
