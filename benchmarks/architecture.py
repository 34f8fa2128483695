"""Size and shape of the package: lines, files, packages, import arrows between packages, and circles among them.

    python benchmarks/architecture.py [--root .] [--arrows]

Arrows count distinct (package, imported package) pairs of ``tfattr``; top-level modules count as packages. Imports
inside functions are arrows too; those under ``if TYPE_CHECKING`` are not. A circle is a set of packages that reach
each other (strongly connected).
"""

from __future__ import annotations

import argparse
import ast
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components


def imported(tree: ast.AST) -> Iterator[str]:
    """Dotted names of ``tfattr`` that a module imports at run time."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "tfattr":
            yield from (f"{node.module}.{name.name}" for name in node.names)
        elif isinstance(node, ast.Import):
            yield from (name.name for name in node.names if name.name.split(".")[0] == "tfattr")
        else:
            yield from imported(node)


def arrows(root: Path, depth: int = 1) -> set[tuple[str, str]]:
    """Pairs (importer, imported) of packages, named by ``depth`` parts below ``tfattr``."""
    names = {
        ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for path in root.glob("tfattr/**/*.py")
    }
    found = set()
    for path in root.glob("tfattr/**/*.py"):
        module = ".".join(path.relative_to(root).with_suffix("").parts).removesuffix(".__init__")
        for name in imported(ast.parse(path.read_text("utf-8"))):
            while name not in names and "." in name:
                name = name.rpartition(".")[0]
            ends = [".".join(part.split(".")[1 : 1 + depth]) or "tfattr" for part in (module, name)]
            if ends[0] != ends[1] and "tfattr" not in ends:
                found.add((ends[0], ends[1]))
    return found


def circles(found: set[tuple[str, str]]) -> list[list[str]]:
    """Sets of packages that reach each other along arrows."""
    names = sorted({name for pair in found for name in pair})
    if not names:
        return []
    at = {name: number for number, name in enumerate(names)}
    graph = np.zeros((len(names), len(names)))
    for importer, other in found:
        graph[at[importer], at[other]] = 1
    _, labels = connected_components(csr_array(graph), connection="strong")
    groups = [[name for name in names if labels[at[name]] == label] for label in sorted(set(labels))]
    return [group for group in groups if len(group) > 1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, default=Path(__file__).resolve().parents[1])
    parser.add_argument("--arrows", action="store_true", help="List every arrow between packages.")
    given = parser.parse_args()
    files = {path: len(path.read_text("utf-8").splitlines()) for path in given.root.glob("tfattr/**/*.py")}
    packages: dict[str, list[int]] = {}
    for path, lines in files.items():
        parts = path.relative_to(given.root).parts
        packages.setdefault(parts[1] if len(parts) > 2 else "(top)", []).append(lines)
    for name in sorted(packages, key=lambda name: -sum(packages[name])):
        print(
            f"{name:14s} {sum(packages[name]):6d} lines {len(packages[name]):4d} files, longest {max(packages[name])}"
        )
    between, modules = arrows(given.root), arrows(given.root, depth=9)
    print(
        f"{'in all':14s} {sum(files.values()):6d} lines {len(files):4d} files, {len(packages) - 1} packages"
    )
    print(f"arrows: {len(between)} between packages, {len(modules)} between modules")
    print(f"circles of packages: {circles(between) or 'none'}")
    print(f"circles of modules: {circles(modules) or 'none'}")
    if given.arrows:
        for importer, other in sorted(between):
            print(f"  {importer} -> {other}")


if __name__ == "__main__":
    main()
