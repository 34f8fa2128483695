"""What the documentation shows runs as it stands."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
from found import some

ROOT = Path(__file__).resolve().parents[1]


PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.md"))]


def blocks(language: str) -> list[str]:
    return [
        block
        for page in PAGES
        for block in re.findall(rf"```{language}\n(.*?)```", page.read_text("utf-8"), flags=re.S)
    ]


def test_python_api_of_the_readme(rooms_photos, tmp_path, monkeypatch):
    import shutil

    import numpy as np
    import tensorflow as tf

    (example,) = (block for block in blocks("python") if "frozen.pb" in block)
    kernel = np.random.default_rng(0).normal(size=(5, 5, 3, 4)).astype(np.float32)
    with tf.Graph().as_default() as graph:
        fed = tf.compat.v1.placeholder(tf.float32, [None, 224, 224, 3], name="input")
        tf.reduce_mean(tf.nn.relu(tf.nn.conv2d(fed, kernel, 4, "SAME")), [1, 2], name="pool")
    (tmp_path / "frozen.pb").write_bytes(graph.as_graph_def().SerializeToString())
    (tmp_path / "photos").mkdir()
    for photo in rooms_photos[:2]:
        shutil.copy(photo, tmp_path / "photos")
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    assert names["maps"].shape == (2, 224, 224, 3)
    assert set(names["both"]) == {"saliency", "elrp"}


def test_zoo_of_the_readme_parses(tmp_path):
    from tfattr.zoo.file import read_zoo

    (example,) = (block for block in blocks("toml") if "espcn_x2" in block)
    (tmp_path / "zoo.toml").write_text(example)
    first, second, third = read_zoo(tmp_path / "zoo.toml")
    assert first.preprocessing.color == "Y"
    assert second.options == {"depth_multiplier": 0.25}
    assert second.preprocessing.range == "[-1,1]"
    assert third.preprocessing.std == (0.229, 0.224, 0.225)


@pytest.mark.parametrize("dtype", ["float16", "float32"])
def test_records_of_the_readme_are_read_without_this_package(tmp_path, monkeypatch, dtype):
    import numpy as np

    from tfattr.records import ShardLayout, ShardWriter, map_directory

    (example,) = (block for block in blocks("python") if "TFRecordDataset" in block)
    assert "import tfattr" not in example
    assert "from tfattr" not in example
    maps = np.random.default_rng(0).normal(size=(3, 8, 6, 1)).astype(np.float32)
    layout, ids = ShardLayout(3, 2), ["a", "b", "c"]
    home = map_directory(tmp_path / "out/mine", "espcn_x2", "grad_input")
    for shard in range(layout.count):
        with ShardWriter(home, layout, shard, ids, dtype=dtype) as writer:
            span = layout.span(shard)
            writer.add(maps[span.start : span.stop])
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(compile(example, "README.md", "exec"), names)
    tolerance = {"float16": 2e-3, "float32": 0}[dtype]
    np.testing.assert_allclose(names["map"], maps[-1], rtol=0, atol=tolerance * np.abs(maps[-1]).max())


def test_files_and_commands_that_the_readme_names_exist():
    text = "\n".join(page.read_text("utf-8") for page in PAGES)
    links = [
        (page, link) for page in PAGES for link in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8"))
    ]
    assert len(links) > 20
    for page, link in links:
        assert (page.parent / link).exists(), f"{page.name}: {link}"
    makefile = (ROOT / "Makefile").read_text()
    told = "\n".join([text, (ROOT / "CONTRIBUTING.md").read_text("utf-8")])
    documented = set(re.findall(r"(?:`|^ {4})make ([a-z-]+)", told, flags=re.M))
    documented |= set(re.findall(r"make ([a-z-]+)", makefile.splitlines()[0]))
    (phony,) = re.findall(r"^\.PHONY: (.*)$", makefile, flags=re.M)
    assert {"demo", "test-fast"} <= documented <= set(phony.split())
    for target in some(phony.split()):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
    from tfattr.cli.main import cli

    for command in some(set(re.findall(r"^ +tfattr ([a-z]+)|`tfattr ([a-z]+)", text, flags=re.M))):
        name = next(part for part in command if part)
        assert name in cli.commands, name


PROGRAM = re.compile(
    r"tfattr ([a-z-]+)|(benchmarks/\w+\.py|studies[/.][\w/.]+)|^\s*(pip|docker|pytest|git)\b"
)


def named_options(line: str) -> list[tuple[str, str]]:
    """(program, option) of every option in the code of a line of Markdown.

    An option that stands alone (`--grid`) goes with the first program that its line names, or with `tfattr run`.
    """
    codes = [line] if line.startswith("    ") else re.findall(r"`([^`]+)`", line)
    codes = [code.split(" # ")[0] for code in codes]
    matches = [PROGRAM.search(code) for code in codes]
    programs = [
        "" if match is None else f"tfattr {match[1]}" if match[1] else match[2] or match[3]
        for match in matches
    ]
    usual = next(filter(None, programs), "tfattr run")
    return [
        (program or usual, option)
        for code, program in zip(codes, programs)
        for option in re.findall(r"(?<![\w-])--[a-z][a-z0-9-]*", code)
    ]


def test_every_option_of_the_documents_is_in_the_help_of_its_command():
    import click

    from tfattr.cli.main import cli

    checked = set()
    for page in PAGES:
        fenced = False
        for number, line in enumerate(page.read_text("utf-8").splitlines(), 1):
            fenced ^= line.lstrip().startswith("```")
            for program, option in named_options(f"    {line}" if fenced else line):
                where = f"{page.name}:{number}: {program} {option}"
                if program.startswith("tfattr "):
                    command = cli.commands[program.split()[1]]
                    text = command.get_help(click.Context(command, info_name=command.name))
                elif program.startswith("benchmarks/"):
                    text = (ROOT / program).read_text("utf-8")
                else:
                    continue
                assert re.search(rf"{option}(?![a-z-])", text), where
                checked.add((program, option))
    assert len(checked) > 20
    assert ("tfattr reproduce", "--no-controls") in checked
    assert {program for program, _ in checked} >= {
        "tfattr run",
        "tfattr evaluate",
        "tfattr fetch",
        "tfattr verify",
    }


def test_options_are_found_with_their_command():
    line = "| x `--draws` of `tfattr evaluate RUN`, `python benchmarks/kill.py --signal TERM`, `pip install --no-deps x` |"
    assert named_options(line) == [
        ("tfattr evaluate", "--draws"),
        ("benchmarks/kill.py", "--signal"),
        ("pip", "--no-deps"),
    ]
    assert named_options("    tfattr run zoo.toml --probe photos/  # not --this") == [
        ("tfattr run", "--probe")
    ]
    assert named_options("say `--grid`") == [("tfattr run", "--grid")]


def test_every_public_name_is_on_the_api_page():
    import tfattr

    text = (ROOT / "docs/api.md").read_text("utf-8")
    names = [name for name in tfattr.__all__ if name != "__version__"]
    assert len(names) > 10
    for name in names:
        where = f"{getattr(tfattr, name).__module__}.{name}"
        assert f"::: {where}\n" in text or f"::: {where.rsplit('.', 1)[0]}\n" in text, where


def test_the_inner_loop_touches_every_package():
    """`make test-fast` leaves no package of tfattr out: some test of it that is not marked slow imports it."""
    packages = {path.parent.name for path in (ROOT / "tfattr").glob("*/__init__.py")}
    assert len(packages) > 10
    touched = set()
    for page in (ROOT / "tests").glob("test_*.py"):
        tree = ast.parse(page.read_text("utf-8"))
        tests = [one for one in tree.body if isinstance(one, ast.FunctionDef) and one.name.startswith("test")]
        quick = [one for one in tests if "slow" not in " ".join(map(ast.unparse, one.decorator_list))]
        whole_file = any(
            isinstance(one, ast.Assign) and ast.unparse(one) == "pytestmark = pytest.mark.slow"
            for one in tree.body
        )
        if quick and not whole_file:
            touched |= set(re.findall(r"tfattr\.(\w+)", page.read_text("utf-8")))
    assert packages <= touched
