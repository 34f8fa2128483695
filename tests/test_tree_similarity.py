"""The similarity tree against scipy and a hand-computed case; Newick parsed back; rankings."""

from __future__ import annotations

import re

import numpy as np
import pytest
from found import some
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.cluster import hierarchy
from scipy.spatial.distance import pdist

from tfattr.affinity import LINKAGES, rank, similarity_tree
from tfattr.errors import SettingsError

HAND = np.array([[1.0, 0.9, 0.5, 0.4], [0.9, 1.0, 0.6, 0.5], [0.5, 0.6, 1.0, 0.8], [0.4, 0.5, 0.8, 1.0]])
LABELS = ["a", "b", "c", "d"]


def test_hand_computed_single_linkage():
    # ab: .1^2+.1^2+.1^2+.1^2 = .04; cd: .1^2+.1^2+.2^2+.2^2 = .10; closest across, bc: .4^2+.4^2+.4^2+.3^2 = .57
    tree = similarity_tree(HAND, LABELS)
    np.testing.assert_allclose(tree.linkage[:, 2], np.sqrt([0.04, 0.10, 0.57]), rtol=1e-12)
    assert [set(pair) for pair in tree.linkage[:, :2].astype(int)] == [{0, 1}, {2, 3}, {4, 5}]
    assert tree.order in ([0, 1, 2, 3], [3, 2, 1, 0])  # b and c are the closest neighbours across
    joined = np.sqrt(0.57)
    want = [
        [0, 0.2, joined, joined],
        [0.2, 0, joined, joined],
        [joined, joined, 0, np.sqrt(0.1)],
        [joined, joined, np.sqrt(0.1), 0],
    ]
    np.testing.assert_allclose(tree.cophenetic(), want, rtol=1e-12)
    assert sorted(map(sorted, tree.clusters(2))) == [["a", "b"], ["c", "d"]]
    assert [sorted(group) for group in tree.clusters(1)] == [LABELS]
    assert len(tree.clusters(4)) == 4


@pytest.mark.parametrize("linkage", LINKAGES)
@pytest.mark.parametrize("shape", [(2, 2), (9, 9), (18, 20)])
def test_against_scipy(linkage, shape):
    A = np.random.default_rng(1).uniform(-1, 1, shape)
    labels = [f"m{row}" for row in range(shape[0])]
    tree = similarity_tree(A, labels, linkage)
    want = hierarchy.optimal_leaf_ordering(hierarchy.linkage(A, linkage, "euclidean"), pdist(A))
    np.testing.assert_array_equal(tree.linkage, want)
    drawn = hierarchy.dendrogram(want, labels=labels, no_plot=True)
    assert tree.leaves == drawn["ivl"]
    assert [labels[row] for row in tree.order] == tree.leaves


def parse_newick(text):
    """A small reader of its own: nested (children, name, length)."""
    tokens = re.findall(r"'(?:[^']|'')*'|[(),;:]|[^(),;:']+", text)
    at = 0

    def node():
        nonlocal at
        children, name, length = [], "", 0.0
        if tokens[at] == "(":
            while tokens[at] in "(,":
                at += 1
                children.append(node())
            assert tokens[at] == ")"
            at += 1
        if tokens[at] not in "(),;:":
            name = tokens[at]
            name = name[1:-1].replace("''", "'") if name[0] == "'" else name
            at += 1
        if tokens[at] == ":":
            length = float(tokens[at + 1])
            at += 2
        return children, name, length

    tree = node()
    assert tokens[at:] == [";"]
    return tree


def leaves_below(tree):
    children, name, _ = tree
    return [name] if not children else [leaf for child in children for leaf in leaves_below(child)]


def paths(tree, depth=0.0):
    children, name, length = tree
    if not children:
        return {name: depth + length}
    return {leaf: way for child in children for leaf, way in paths(child, depth + length).items()}


def joints(tree):
    """Height of each joint above its leaves, with the leaves of its two sides."""
    children, _, _ = tree
    if not children:
        return []
    (ways,) = [paths((children, "", 0.0))]
    here = (max(ways.values()), [leaves_below(child) for child in children])
    return [here, *(joint for child in children for joint in joints(child))]


def test_newick_says_the_same_tree():
    labels = ["plain", "under_score", "it's", "two words", "a,b", "(x)", "x:y;", "résumé", "3.5-net+"]
    A = np.random.default_rng(2).uniform(0, 1, (9, 9))
    tree = similarity_tree(A, labels, "average")
    parsed = parse_newick(tree.to_newick())
    assert leaves_below(parsed) == tree.leaves
    np.testing.assert_allclose(list(paths(parsed).values()), tree.linkage[-1, 2], rtol=1e-8)  # ultrametric
    cophenetic = tree.cophenetic()
    for height, sides in joints(parsed):
        for left in some(sides[0]):
            for right in some(sides[1]):
                found = cophenetic[labels.index(left), labels.index(right)]
                assert found == pytest.approx(height, rel=1e-8)


def test_newick_by_hand():
    text = similarity_tree(np.array([[0.0, 0.0], [3.0, 4.0]]), ["x", "y"]).to_newick()
    assert text in ("(x:5,y:5);", "(y:5,x:5);")


@pytest.mark.slow
def test_a_large_tree_does_not_recurse():
    A = np.cumsum(np.arange(3000.0))[:, None]  # a caterpillar: each joins the last
    tree = similarity_tree(A, [f"m{row}" for row in range(3000)])
    assert tree.to_newick().count("(") == 2999


def test_trees_that_cannot_be():
    broken = HAND.copy()
    broken[1, 2] = broken[2, 1] = np.nan
    with pytest.raises(SettingsError, match="undefined values in the rows of b, c"):
        similarity_tree(broken, LABELS)
    with pytest.raises(SettingsError, match="'nearest', expected one of single"):
        similarity_tree(HAND, LABELS, "nearest")
    with pytest.raises(SettingsError, match=r"shape \(4, 4\), expected 3 rows"):
        similarity_tree(HAND, LABELS[:3])
    with pytest.raises(SettingsError, match="at least two"):
        similarity_tree(HAND[:1], ["a"])
    with pytest.raises(SettingsError, match="used twice"):
        similarity_tree(HAND, ["a", "b", "b", "d"])
    with pytest.raises(SettingsError, match="at least 1"):
        similarity_tree(HAND, LABELS).clusters(0)


# --- ranking ---


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from([0.0, 0.5, 1.0, float("nan")]), min_size=5, max_size=5), st.integers(0, 4))
def test_rank(values, target):
    models = ["e", "d", "c", "b", "a"]
    A = np.zeros((5, 5))
    A[target] = values
    ranked = rank(A, models[target], models)
    others = [name for name in models if name != models[target]]
    known = [(-A[target, models.index(name)], models.index(name), name) for name in others]
    defined = sorted(entry for entry in known if entry[0] == entry[0])
    undefined = [name for negative, _, name in known if negative != negative]
    assert [name for name, _ in ranked] == [name for *_, name in defined] + undefined
    for name, value in ranked:
        np.testing.assert_equal(value, A[target, models.index(name)])


def test_self_is_left_out_even_where_another_model_ties_with_it():
    A = np.array([[1.0, 1.0, 0.2], [1.0, 1.0, 0.3], [0.2, 0.3, 1.0]])
    assert rank(A, "y", ["x", "y", "z"]) == [("x", 1.0), ("z", 0.3)]  # argsort(-row)[1:] would give y, z


def test_rank_of_an_unknown_target():
    with pytest.raises(SettingsError, match="no model is named 'rgb2dept'; did you mean rgb2depth"):
        rank(np.eye(2), "rgb2dept", ["rgb2depth", "rgb2mist"])
    with pytest.raises(SettingsError, match="did you mean a, b"):
        rank(np.eye(2), "zzz", ["a", "b"])
    with pytest.raises(SettingsError, match="expected square with 3"):
        rank(np.eye(2), "a", ["a", "b", "c"])
    with pytest.raises(SettingsError, match="row 5"):
        rank(np.eye(2), 5)


def test_rank_by_row_number():
    A = np.array([[1.0, 0.2, 0.7], [0.2, 1.0, np.nan], [0.7, np.nan, 1.0]])
    assert rank(A, 0) == [(2, 0.7), (1, 0.2)]
    assert [row for row, _ in rank(A, 1)] == [0, 2]
