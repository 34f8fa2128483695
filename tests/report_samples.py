"""Made-up runs and studies for the tests of the report: files as the contracts say, numbers from a formula."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

from tfattr.affinity import AffinityResult, similarity_tree
from tfattr.affinity.images import ImageCosines
from tfattr.affinity.state import DroppedMap

HOSTILE = "<script>alert(1)</script>"
MODELS = ("depth", "normals", "edges", HOSTILE, "quote\"&'s", "classes")
GROUPS = {"depth": "3D", "normals": "3D", "edges": "2D", HOSTILE: "2D", "classes": "semantic"}
METHODS = ("saliency", "grad_input", "elrp")
IMAGES = tuple(f"room_{number:02d}.png" for number in range(12)) + ("<img src=x>.png",)


def cosines(models=MODELS, images=IMAGES, methods=METHODS) -> ImageCosines:
    """Cosines between -0.1 and 0.9 that differ by pair and image; one map of grad_input is unusable."""
    pairs = len(models) * (len(models) - 1) // 2
    found = {}
    for place, method in enumerate(methods):
        grid = np.add.outer(
            0.05 * np.sin(np.arange(len(images)) * 1.7), 0.4 + 0.5 * np.cos(np.arange(pairs) + place)
        )
        found[method] = grid.astype(np.float32)
    if "grad_input" in found:
        rows, columns = np.triu_indices(len(models), 1)
        found["grad_input"][0, (rows == 2) | (columns == 2)] = np.nan
    return ImageCosines(tuple(models), tuple(images), found)


def affinity(of: ImageCosines) -> AffinityResult:
    """Their mean, counted as a run counts it."""
    counts = {}
    for method, values in of.cosines.items():
        square = np.full((len(of.models),) * 2, len(of.images), np.int64)
        square[np.triu_indices(len(of.models), 1)] = np.isfinite(values).sum(axis=0)
        counts[method] = np.minimum(square, square.T)
    return AffinityResult(
        models=of.models,
        affinity={method: of.mean(method) for method in of.methods},
        counts=counts,
        images={method: len(of.images) for method in of.methods},
        grids=dict.fromkeys(of.methods, (64, 64)),
        dropped={
            method: (DroppedMap(of.models[2], of.images[0], "zero"),)
            if np.isnan(of.cosines[method]).any()
            else ()
            for method in of.methods
        },
    )


def manifest(models=MODELS, images=IMAGES, target="sum") -> dict:
    return {
        "versions": {"python": "3.11.7", "tfattr": "0.1.0", "tensorflow": "2.14.1"},
        "models": {
            name: {
                "input": "images:0",
                "output": f"{name}/Relu:0",
                "input_shape": [64, 64, 3],
                "output_shape": [16, 16, 8],
                "preprocessing": {
                    "size": [64, 64],
                    "color": "RGB",
                    "range": "[-1,1]",
                    "mean": [0.0],
                    "hole": None,
                },
                "provenance": {
                    "source": "checkpoint",
                    "path": f"/home/somebody/secret/zoo/{place}/model.ckpt",
                    "weights_sha256": f"{place:064x}",
                    "graph_sha256": f"{place + 100:064x}",
                },
            }
            for place, name in enumerate(models)
        },
        "probe": [{"id": name, "sha256": f"{place:064x}"} for place, name in enumerate(images)],
        "skipped": [{"id": "broken<b>.png", "reason": "truncated & unreadable"}],
        "duplicates": [[images[0], images[1]]],
        "settings": {
            "engine": "innvestigate",
            "target": target,
            "epsilon": 1e-4,
            "options": {},
            "dtype": "float16",
        },
        "source": {"zoo": "rooms", "probe": "rooms", "groups": {m: GROUPS[m] for m in models if m in GROUPS}},
        "format": 2,
    }


def row(
    ranking: str, kind: str, level: float, interval: bool = True, count: int = 19, relevant: int = 5
) -> dict:
    """A ranking that finds ``level`` of the relevant sources at each place, more than chance by a little."""
    ks = np.arange(1, count + 1)
    precision = np.minimum(relevant / count + level * (1 - ks / count) ** 2, relevant / ks)
    recall = precision * ks / relevant
    return {
        "ranking": ranking,
        "kind": kind,
        "P@1": float(precision[0]),
        "P@5": float(precision[4]),
        "R@5": float(recall[4]),
        "P@1_interval": [float(precision[0]) - 0.1, float(precision[0]) + 0.1] if interval else None,
        "P@5_interval": [float(precision[4]) - 0.06, float(precision[4]) + 0.06] if interval else None,
        "p_chance": 10 ** (-12 * level),
        "p_relabelling": 0.2 / (1 + 40 * level),
        "spearman": level,
        "spearman_interval": [level - 0.08, level + 0.08] if interval else None,
        "kendall": level * 0.7,
        "spearman_affinity_17": None,
        "spearman_win_rate_17": None,
        "precision": precision.tolist(),
        "recall": recall.tolist(),
        "hits": [round(18 * float(p)) for p in precision],
    }


def evaluation(verdicts: bool = True) -> dict:
    rows = [
        row("saliency", "maps", 0.34),
        row("grad_input", "maps", 0.27),
        row("elrp", "maps", 0.25),
        row("several methods together", "own", 0.39),
        row("rsa", "baseline", 0.41),
        row("cka <linear>", "baseline", 0.36, interval=False),
        row("random images", "control", 0.02),
    ]
    return {
        "truth": "rooms",
        "targets": 18,
        "candidates": 19,
        "relevant": 5,
        "images": 200,
        "rows": rows,
        "spearman_per_target": {
            "saliency": {"depth": 0.41, "normals": 0.52},
            "grad_input": {"depth": 0.38, "normals": float("nan")},
        },
        "kendall_per_target": {},
        "verdicts": [
            {"item": "P@1, grad_input, taskonomy", "expected": "13/18", "found": "12/18", "reproduced": False,
             "source": "table 1"},
            {"item": "P@5, saliency", "expected": ".40", "found": ".40", "reproduced": True, "source": "figure 4"},
        ] if verdicts else [],
        "missing": {"svcca": "the representations of <two> models are too small"},
    }  # fmt: skip


def claims() -> list:
    return [
        {"number": 1, "title": "Insensitive to the probe set", "statement": "The result hardly depends on the probe set.",
         "sentence": "Affinities on rooms and street correlate .97 [.95, .98] by gradient * input.", "holds": True,
         "numbers": [{"what": "grad_input, rooms against street", "value": 0.97, "interval": [0.95, 0.98], "p": None},
                     {"what": "saliency, rooms against still_life", "value": 0.81, "interval": None, "p": 0.0004}],
         "missing": None},
        {"number": 2, "title": "Better than <b>baselines</b>", "statement": "Attribution maps rank better than the rest.",
         "sentence": "RSA finds more of the relevant sources.", "holds": False, "numbers": [], "missing": None},
        {"number": 3, "title": "Few images are enough", "statement": "A few hundred images are enough.",
         "sentence": "The intervals leave it open.", "holds": None, "numbers": [], "missing": None},
        {"number": 4, "title": "Cheap", "statement": "It takes far less than training.", "sentence": "", "holds": None,
         "numbers": [], "missing": "no measured time of transfer"},
    ]  # fmt: skip


def cost(models=MODELS) -> dict:
    return {
        "machine": "2 cores of an x86-64 server",
        "models": {
            name: {
                "images": 13,
                "load_s": 1.5,
                "maps_s": 12.25 + place,
                "maps_core_s": 20.0,
                "representation_s": 0.4,
            }
            for place, name in enumerate(models)
        },
        "affinity": {"pairs": 15, "images": 13, "s": 2.5, "core_s": 3.0},
        "totals": {"core_hours": 0.05, "core_s_per_model": 30.0, "core_s_per_pair": 12.0},
        "measured_transfer": {
            "what": "380 readouts",
            "core_hours": 21.0,
            "gpu_hours": None,
            "source": "transfer.json",
        },
    }


def picture(path: Path, size=(320, 240), noise: bool = False, seed: int = 0) -> Path:
    """A PNG: a ramp, or noise that does not compress."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if noise:
        pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3)).astype(np.uint8)
    else:
        pixels = np.broadcast_to(
            np.linspace(0, 255, size[0]).astype(np.uint8)[None, :, None], (size[1], size[0], 3)
        )
    Image.fromarray(np.ascontiguousarray(pixels)).save(path)
    return path


def write_run(folder: Path, models=MODELS, target="sum", judged: bool = True, images: bool = True) -> Path:
    """A whole run; without ``judged`` it lacks evaluation, claims and costs, without ``images`` the cosines."""
    folder.mkdir(parents=True)
    of = cosines(models)
    result = affinity(of)
    write_json(folder / "run.json", manifest(models, target=target))
    result.save(folder / "affinity.npz")
    if images:
        of.save(folder / "affinity_images.npz")
    for method, matrix in result.affinity.items():
        tree = similarity_tree(matrix, models, "average")
        (folder / f"tree_{method}.nwk").write_text(tree.to_newick() + "\n", encoding="utf-8")
        for kind in ("affinity", "tree"):
            picture(folder / "figures" / f"{kind}_{method}.png")
    picture(folder / "figures" / "maps.png", (500, 900))
    picture(folder / "figures" / "model_graph_grad_input.png")
    picture(folder / "figures" / "model_graph_elrp.png")
    picture(folder / "figures" / "size_curve.png")
    photos = np.zeros((2, 32, 32, 3), np.uint8)
    np.savez_compressed(folder / "previews.npz", photos=photos, ids=np.array(IMAGES[:2]))
    if judged:
        write_json(folder / "evaluation.json", evaluation())
        write_json(folder / "claims.json", claims())
        write_json(folder / "cost.json", cost(models))
    return folder


def write_study(folder: Path) -> Path:
    """Two runs and one that is named but absent; evaluation and claims of the study itself."""
    write_run(folder / "rooms")
    write_run(folder / "street_energy", MODELS[:5], "energy", judged=False, images=False)
    picture(folder / "figures" / "affinity_sheet.png")
    write_json(folder / "evaluation.json", evaluation(verdicts=False))
    write_json(folder / "claims.json", claims())
    labels = (
        ("rooms", "rooms", "sum"),
        ("street_energy", "street", "energy"),
        ("still_life", "still_life", "sum"),
    )
    runs = [{"label": label, "probe": probe, "target": target} for label, probe, target in labels]
    write_json(folder / "study.json", {"zoo": "rooms", "runs": runs})
    return folder


def write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value), encoding="utf-8")
