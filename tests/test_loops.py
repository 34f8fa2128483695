"""No test passes because it found nothing to check: assertions stand in no loop that may be empty."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parent
PASSES_ON = {"enumerate", "sorted", "list", "tuple", "set", "reversed", "zip"}
ASSERTING = ("np.testing.", "pytest.raises", "pytest.fail", "assert_")


def assertions(part: ast.AST) -> list[ast.AST]:
    return [
        node
        for node in ast.walk(part)
        if isinstance(node, ast.Assert)
        or (isinstance(node, ast.Call) and ast.unparse(node.func).startswith(ASSERTING))
    ]


def names(*parts: ast.AST) -> set[str]:
    return {node.id for part in parts for node in ast.walk(part) if isinstance(node, ast.Name)}


def assigned(nodes: list[ast.AST], taken: set[str]) -> set[str]:
    """Names that are bound to something that is not empty, ``taken`` among them."""
    found = set(taken)
    for node in nodes:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            found |= {alias.asname or alias.name for alias in node.names}
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                pairs = [(target, node.value)]
                if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                    pairs = list(zip(target.elts, node.value.elts))
                found |= {
                    one.id
                    for one, value in pairs
                    if isinstance(one, ast.Name) and not maybe_empty(value, found)
                }
    return found


def maybe_empty(value: ast.expr, known: set[str]) -> bool:
    """False for literals with something in them, names of such, ranges, and ``some(...)``."""
    if isinstance(value, (ast.Tuple, ast.List, ast.Set)):
        return all(isinstance(one, ast.Starred) and maybe_empty(one.value, known) for one in value.elts)
    if isinstance(value, ast.Dict):
        return not value.keys
    if isinstance(value, ast.Constant):
        return not value.value
    if isinstance(value, ast.Name):
        return value.id not in known
    if isinstance(value, ast.BinOp):
        return maybe_empty(value.left, known) and maybe_empty(value.right, known)
    if isinstance(value, ast.Call):
        if isinstance(value.func, ast.Attribute) and value.func.attr in {"items", "values", "keys"}:
            return maybe_empty(value.func.value, known)
        called = ast.unparse(value.func)
        if called in PASSES_ON and value.args:
            return any(maybe_empty(one, known) for one in value.args[: None if called == "zip" else 1])
        return called not in {"range", "some"}
    return True


def unguarded(source: str) -> Iterator[str]:
    """Loops of a test whose body asserts, over something found, of which nothing outside of a loop is asserted."""
    tree = ast.parse(source)
    constants = assigned(tree.body, set())
    for test in ast.walk(tree):
        if not (isinstance(test, ast.FunctionDef) and test.name.startswith("test")):
            continue
        known = assigned(list(ast.walk(test)), constants)
        loops = [node for node in ast.walk(test) if isinstance(node, ast.For)]
        inside = {id(one) for loop in loops for part in loop.body for one in assertions(part)}
        outside = names(*(one for one in assertions(test) if id(one) not in inside))
        for loop in loops:
            body = ast.Module(loop.body, [])
            if not assertions(body) or not maybe_empty(loop.iter, known):
                continue
            filled = {
                ast.unparse(node.func.value)
                for node in ast.walk(body)
                if isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in {"add", "append"}
            }
            counted = {ast.unparse(node.target) for node in ast.walk(body) if isinstance(node, ast.AugAssign)}
            if not ((names(loop.iter) - constants) | filled | counted) & outside:
                yield f"{loop.lineno}: {test.name}: for ... in {ast.unparse(loop.iter)}"
        stated = [node for node in ast.walk(test) if isinstance(node, ast.Assert)]
        for one in stated:
            elsewhere = names(*(other for other in stated if other is not one))
            for over in _all_over(one.test):
                if maybe_empty(over, known) and not (names(over) - constants) & elsewhere:
                    yield f"{one.lineno}: {test.name}: all(... in {ast.unparse(over)})"


def _all_over(test: ast.expr) -> list[ast.expr]:
    """What ``all(... for ... in X)`` goes over; ``not all(...)`` of nothing fails by itself."""
    if isinstance(test, ast.UnaryOp):
        return []
    calls = [
        node for node in ast.walk(test) if isinstance(node, ast.Call) and ast.unparse(node.func) == "all"
    ]
    return [call.args[0].generators[0].iter for call in calls if isinstance(call.args[0], ast.GeneratorExp)]


def test_assertions_stand_in_no_loop_that_may_be_empty():
    files = sorted(TESTS.glob("test_*.py"))
    assert len(files) > 50
    assert [f"{path.name}:{found}" for path in files for found in unguarded(path.read_text("utf-8"))] == []


@pytest.mark.parametrize(
    "body, guarded",
    [
        ("for x in find(): assert x", False),
        ("for x in some(find()): assert x", True),
        ("for x in (1, 2): assert x", True),
        ("for x in (): assert x", False),
        ("for x, y in zip((1, 2), find()): assert x", False),
        ("for x in NAMES: np.testing.assert_array_equal(x, 1)", True),
        ("for x in enumerate(folder.glob('*')): np.testing.assert_array_equal(x, 1)", False),
        ("found = find()\nassert len(found) == 2\nfor x in found: assert x", True),
        ("seen = []\nfor x in find():\n    assert x\n    seen.append(x)\nassert seen", True),
        ("for x in find(): print(x)", True),
        ("assert all(x for x in find())", False),
        ("assert not all(x for x in find())", True),
    ],
)
def test_the_search_itself(body, guarded):
    source = "NAMES = ('a', 'b')\ndef test_it(folder):\n" + textwrap.indent(body, "    ")
    assert (list(unguarded(source)) == []) == guarded
