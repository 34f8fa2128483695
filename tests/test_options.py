"""What can be set of a run is said once: every command that computes, and every Python door, takes all of it."""

from __future__ import annotations

import dataclasses
import inspect
import json
import re
from pathlib import Path

import pytest
from found import some
from small_zoo import write_photos, write_zoo

import tfattr
from tfattr.attribution.methods import method_settings
from tfattr.attribution.settings import PART_OPTIONS
from tfattr.cli.main import cli, main
from tfattr.errors import SettingsError
from tfattr.records import RunManifest
from tfattr.runs.settings import RunSettings

FIELDS = {field.name: field for field in dataclasses.fields(RunSettings)}
COMPUTE = ("run", "attribute", "add", "reproduce", "demo", "rank")


def flag(name: str) -> str:
    return "--" + (FIELDS[name].metadata["option"].flag or name.replace("_", "-"))


@pytest.mark.parametrize("command", COMPUTE)
def test_every_command_that_computes_has_every_setting(command: str) -> None:
    options = {name: option for option in cli.commands[command].params for name in option.opts}
    for name in some(FIELDS):
        assert flag(name) in options, name
        assert options[flag(name)].help


def test_every_option_of_a_method_is_a_setting() -> None:
    of_methods = {name for settings in method_settings().values() for name in settings} | set(PART_OPTIONS)
    assert of_methods
    asked = {"integrated_gradients": {"steps": 5}, "smoothgrad": {"samples": 3, "noise": 0.1, "seed": 4}}
    found = set()
    for method, given in asked.items():
        assert dict(RunSettings(methods=(method,), **given).attribution.options) == given
        found |= set(given)
    parts = RunSettings(target="channels:3", parts_grid=4, mixture_seed=2).attribution
    assert dict(parts.options) == {"grid": 4, "mixture_seed": 2}
    assert found | set(parts.options) == of_methods


def test_help_and_notebooks_see_the_settings_of_the_front_door() -> None:
    parameters = inspect.signature(tfattr.run).parameters
    assert list(parameters)[:3] == ["zoo", "probe", "out"]
    assert set(FIELDS) <= set(parameters)
    assert parameters["dtype"].default == "float16"


@pytest.mark.parametrize(
    "wrong, said",
    [
        ({"stepz": 3}, "no setting 'stepz'; did you mean 'steps'"),
        ({"dtype": "float64"}, "dtype is 'float64'; expected one of float16, float32"),
        ({"steps": 0}, "steps is 0; expected a number of at least 1"),
        ({"target": "most"}, "Target 'most' is not known"),
    ],
)
def test_a_bad_setting_is_one_sentence(wrong: dict, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        RunSettings().changed(**wrong)


def test_method_options_of_the_command_line_reach_the_run(tmp_path) -> None:
    write_zoo(tmp_path, {"one": 1})
    write_photos(tmp_path / "photos", 2)
    main(
        f"attribute {tmp_path}/zoo.toml --probe {tmp_path}/photos --out {tmp_path}/out --methods "
        "integrated_gradients,smoothgrad --steps 3 --samples 2 --noise 0.05 --seed 7 --quiet".split()
    )
    kept = json.loads((tmp_path / "out/run.json").read_text())["settings"]
    assert kept["options"] == {"steps": 3, "samples": 2, "noise": 0.05, "seed": 7}
    assert RunSettings.of_run(RunManifest.load(tmp_path / "out")).noise == 0.05


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    folder = tmp_path_factory.mktemp("add")
    zoo = write_zoo(folder, {"one": 1, "two": 2, "three": 3})
    photos = write_photos(folder / "photos", 4)
    run = tfattr.run(
        tfattr.open_zoo(zoo).only(["one", "two"]),
        photos,
        folder / "run",
        methods=["grad_input"],
        progress=False,
    )
    return folder, run


@pytest.mark.parametrize(
    "given, said",
    [
        ("--target energy", 'target is "sum" on disk, "energy" asked for'),
        ("--methods saliency", "own methods"),
        ("--limit 2", "own limit"),
        ("--lrp-engine deepexplain", "own engine"),
        ("--dtype float32", "dtype is"),
    ],
)
def test_a_model_joins_under_the_runs_own_settings_only(made, given, said, capsys) -> None:
    folder, run = made
    for command in ("add {run} {zoo}:three", "rank {run} --query {zoo}:three"):
        words = command.format(run=run.path, zoo=folder / "zoo.toml").split()
        with pytest.raises(SystemExit):
            main([*words, *given.split(), "--quiet"])
        assert said in capsys.readouterr().err
    assert tuple(tfattr.open_run(run.path).models) == ("one", "two")


def test_settings_of_a_new_model_need_one(made, capsys) -> None:
    _, run = made
    with pytest.raises(SystemExit):
        main(["rank", str(run.path), "one", "--batch-size", "2"])
    assert "batch_size: for the maps of a new model, with --query MODEL" in capsys.readouterr().err


def test_a_model_joins_from_the_command_line(made, capsys) -> None:
    folder, run = made
    main(
        f"add {run.path} {folder}/zoo.toml:three --fold-batch-norm --batch-size 2 --linkage average --quiet".split()
    )
    assert "3 models, 4 probe images" in capsys.readouterr().out
    again = tfattr.open_run(run.path)
    assert tuple(again.models) == ("one", "two", "three")
    assert again.manifest.source["linkage"] == "average"
    assert sorted(again.tree(linkage="average").labels) == ["one", "three", "two"]


def test_commands_that_messages_name_are_there() -> None:
    """What a message, a docstring or a help text tells a user to type (`tfattr ...`) the command line takes."""
    named = [
        (path.name, *found)
        for path in Path(tfattr.__file__).parent.rglob("*.py")
        for found in re.findall(r"`tfattr ([a-z]+)([^`]*)`", path.read_text("utf-8"))
    ]
    assert len(named) > 10
    for where, command, rest in named:
        assert command in cli.commands, where
        taken = {
            name for option in cli.commands[command].params for name in (*option.opts, *option.secondary_opts)
        }
        assert set(re.findall(r"--[a-z][a-z-]+", rest)) <= taken | {"--help"}, (where, command, rest)
