"""Renders scenes with mitsuba: pictures and the exact geometry of every pixel."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np

from studies.rooms.camera import Camera
from studies.rooms.categories import CATEGORY_ID, OBJECT_ID, OBJECTS
from studies.rooms.colour import linear_to_srgb
from studies.rooms.filtering import smooth_light
from studies.rooms.materials import Material
from studies.rooms.meshes import Mesh, join
from studies.rooms.scene import Scene
from tfattr.errors import MissingExtraError

#: Dominant object: pixels of an instance, weighted towards the centre and by how much of a picture its
#: category usually takes (a lamp in the middle is what the picture shows, although the wall unit is larger).
SALIENCE = {
    "bed": 0.6,
    "table": 0.75,
    "chair": 1.4,
    "sofa": 0.8,
    "cabinet": 0.6,
    "shelf": 0.7,
    "lamp": 3.0,
    "plant": 2.0,
    "bath": 1.2,
    "screen": 1.6,
    "appliance": 1.0,
    "picture": 1.5,
}


def mitsuba():
    """The mitsuba module with variant scalar_rgb; raises MissingExtraError when it is not installed."""
    try:
        import mitsuba as mi
    except ImportError as error:
        raise MissingExtraError(
            "Rendering rooms needs mitsuba, which is not installed; install it with: pip install tfattr[rooms]"
        ) from error
    if mi.variant() != "scalar_rgb":
        mi.set_variant("scalar_rgb")
        mi.set_log_level(mi.LogLevel.Error)
    return mi


@dataclass
class Loaded:
    """A scene inside mitsuba: per shape its name, mesh, material and the piece (instance) of every triangle."""

    scene: object
    names: dict[str, int]
    meshes: list[Mesh]
    materials: list[Material]
    owner: list[np.ndarray]
    categories: np.ndarray


def load(scene: Scene) -> Loaded:
    """Builds the mitsuba scene: one mesh a material."""
    mi = mitsuba()
    groups: dict[int, tuple] = {}
    for instance, piece in enumerate(scene.pieces, start=1):
        for mesh, material in piece.parts:
            groups.setdefault(id(material), (material, [], []))
            groups[id(material)][1].append(mesh)
            groups[id(material)][2].append(np.full(len(mesh.faces), instance))
    content = {"type": "scene"}
    names, meshes, materials, owner = {}, [], [], []
    for number, (material, parts, instances) in enumerate(groups.values()):
        name = f"shape{number:04d}"
        names[name] = number
        meshes.append(join(parts))
        materials.append(material)
        owner.append(np.concatenate(instances))
        content[name] = _mesh(mi, name, meshes[-1], material)
    for number, lamp in enumerate(scene.lights):
        content[f"point{number}"] = {
            "type": "point",
            "position": list(lamp.position),
            "intensity": {"type": "rgb", "value": list(lamp.intensity)},
        }
    if scene.sky is not None:
        content["sky"] = {"type": "constant", "radiance": {"type": "rgb", "value": list(scene.sky)}}
    if scene.sun is not None:
        direction, strength = scene.sun
        irradiance = {"type": "rgb", "value": list(strength)}
        content["sun"] = {"type": "directional", "direction": list(direction), "irradiance": irradiance}
    categories = np.array([0] + [CATEGORY_ID[p.category] for p in scene.pieces], np.uint8)
    return Loaded(mi.load_dict(content), names, meshes, materials, owner, categories)


@functools.lru_cache(maxsize=512)
def _surface(material: Material):
    # a building's materials serve many rooms: each is handed to mitsuba once
    mi = mitsuba()
    if material.texture.shape[0] == 1:
        texture = {"type": "rgb", "value": [float(v) for v in material.texture[0, 0]]}
    else:
        bitmap = mi.Bitmap(np.ascontiguousarray(material.texture, np.float32))
        texture = {"type": "bitmap", "bitmap": bitmap, "raw": True}
    if material.gloss:
        inner = {"type": "roughplastic", "diffuse_reflectance": texture, "alpha": 0.2}
    else:
        inner = {"type": "diffuse", "reflectance": texture}
    return mi.load_dict({"type": "twosided", "inner": inner})


def _mesh(mi, name, mesh, material):
    props = mi.Properties()
    props["surface"] = _surface(material)
    if material.radiance is not None:
        props["light"] = mi.load_dict(
            {"type": "area", "radiance": {"type": "rgb", "value": list(material.radiance)}}
        )
    out = mi.Mesh(
        name,
        len(mesh.vertices),
        len(mesh.faces),
        props=props,
        has_vertex_normals=True,
        has_vertex_texcoords=True,
    )
    fields = mi.traverse(out)
    fields["vertex_positions"] = np.ravel(mesh.vertices).astype(np.float32)
    fields["vertex_normals"] = np.ravel(mesh.normals).astype(np.float32)
    fields["vertex_texcoords"] = np.ravel(mesh.uv / material.period).astype(np.float32)
    fields["faces"] = np.ravel(mesh.faces).astype(np.uint32)
    fields.update()
    return out


def _sensor(mi, camera: Camera, size: int):
    right, down, forward = camera.rotation
    # mitsuba's camera looks along +z with x to the left and y up
    matrix = np.eye(4)
    matrix[:3, 0], matrix[:3, 1], matrix[:3, 2], matrix[:3, 3] = -right, -down, forward, camera.position
    return mi.load_dict(
        {
            "type": "perspective",
            "fov": camera.fov,
            "near_clip": 0.02,
            "far_clip": 1000.0,
            "to_world": mi.ScalarTransform4f(matrix),
            "sampler": {"type": "independent"},
            "film": {
                "type": "hdrfilm",
                "width": size,
                "height": size,
                "rfilter": {"type": "box"},
                "pixel_format": "rgb",
                "component_format": "float32",
            },
        }
    )


def _first_hits(loaded: Loaded, camera: Camera, size: int, sub: int) -> tuple[np.ndarray, ...]:
    # one ray through the middle of each of sub x sub parts of every pixel: z-depth (0 = nothing), shape,
    # triangle and barycentric coordinates of the first hit, each [size,size,sub,sub,...]
    mi = mitsuba()
    K = camera.intrinsics(size)
    inside = (np.arange(sub) + 0.5) / sub - 0.5
    v, u, dv, du = np.meshgrid(np.arange(size), np.arange(size), inside, inside, indexing="ij")
    rays = np.stack([(u + du - K[0, 2]) / K[0, 0], (v + dv - K[1, 2]) / K[1, 1], np.ones_like(du)], -1)
    directions = (rays @ camera.rotation).reshape(-1, 3)
    # directions have unit z in the camera, so a hit's ray parameter is its z-depth
    origin, vector, ray = mi.Point3f(camera.position), mi.Vector3f, mi.Ray3f
    find, names = loaded.scene.ray_intersect_preliminary, loaded.names
    hits = np.zeros((len(directions), 5))
    for k, direction in enumerate(directions.tolist()):
        hit = find(ray(origin, vector(direction)), True)
        if hit.is_valid():
            b1, b2 = hit.prim_uv
            hits[k] = hit.t, names[hit.shape.id()], hit.prim_index, b1, b2
    hits = hits.reshape(size, size, sub, sub, 5)
    return hits[..., 0], hits[..., 1].astype(int), hits[..., 2].astype(int), hits[..., 3:], rays


def _interpolated(mesh: Mesh, values: np.ndarray, triangle: np.ndarray, bary: np.ndarray) -> np.ndarray:
    corners = values[mesh.faces[triangle]]
    b1, b2 = bary[..., :1], bary[..., 1:]
    return corners[..., 0, :] * (1 - b1 - b2) + corners[..., 1, :] * b1 + corners[..., 2, :] * b2


def geometry(loaded: Loaded, camera: Camera, size: int) -> dict[str, np.ndarray]:
    """Depth, normal, category and instance at every pixel's centre, from one ray each.

    Returns ``depth`` float16 (z, metres), ``normal`` float16 (camera frame, towards the camera), ``instance``
    uint16 (piece number from 1) and ``category`` uint8. Where nothing is hit depth is 1000 m, the normal faces
    the camera, category and instance are 0.
    """
    depth, shape, triangle, bary, rays = (x[:, :, 0, 0] for x in _first_hits(loaded, camera, size, 1))
    hit = depth > 0
    instance = np.zeros((size, size), np.uint16)
    normal = np.tile([0.0, 0.0, -1.0], (size, size, 1))
    for s in np.unique(shape[hit]):
        here = hit & (shape == s)
        instance[here] = loaded.owner[s][triangle[here]]
        mesh = loaded.meshes[s]
        world = _interpolated(mesh, mesh.normals, triangle[here], bary[here])
        normal[here] = world @ camera.rotation.T
    normal = normal / np.maximum(np.linalg.norm(normal, axis=-1, keepdims=True), 1e-9)
    normal = np.where((normal * rays).sum(-1, keepdims=True) > 0, -normal, normal)
    return {
        "depth": np.where(hit, depth, 1000.0).astype(np.float16),
        "normal": normal.astype(np.float16),
        "instance": instance,
        "category": loaded.categories[instance],
    }


def albedo(loaded: Loaded, camera: Camera, size: int, sub: int = 3) -> np.ndarray:
    """Diffuse reflectance of every pixel, the mean of sub x sub rays, linear RGB [size,size,3]."""
    depth, shape, triangle, bary, _ = _first_hits(loaded, camera, size, sub)
    hit = depth > 0
    out = np.ones((*depth.shape, 3))
    for s in np.unique(shape[hit]):
        here = hit & (shape == s)
        mesh, material = loaded.meshes[s], loaded.materials[s]
        side = len(material.texture)
        if side == 1:
            out[here] = material.texture[0, 0]
            continue
        uv = _interpolated(mesh, mesh.uv / material.period, triangle[here], bary[here])
        column, row = (np.floor(uv * side).astype(int) % side).T
        out[here] = material.texture[row, column]
    return out.mean((2, 3))


def picture(
    loaded: Loaded,
    camera: Camera,
    maps: dict[str, np.ndarray],
    seed: int,
    spp: int,
    rng: np.random.Generator,
) -> np.ndarray:
    """The photograph that goes with ``maps`` (from :func:`geometry`), uint8 RGB [H,W,3].

    Path tracing with ``spp`` rays a pixel, sampling noise filtered, automatic exposure with an error of a
    third of a stop, sRGB.
    """
    mi = mitsuba()
    size = len(maps["depth"])
    path = mi.load_dict({"type": "path", "max_depth": 4})
    noisy = mi.render(loaded.scene, sensor=_sensor(mi, camera, size), integrator=path, spp=spp, seed=seed)
    reflectance = albedo(loaded, camera, size)
    linear = smooth_light(np.array(noisy, np.float64), reflectance, maps["normal"], maps["instance"])
    luminance = linear.mean(-1)
    exposure = 0.22 / max(float(np.median(luminance)), 1e-4)
    exposure *= min(1.0, 1.6 / (exposure * np.percentile(luminance, 85))) * 2 ** rng.normal(0, 0.3)
    return np.round(255 * linear_to_srgb(linear * exposure)).astype(np.uint8)


def dominant(category: np.ndarray, instance: np.ndarray) -> tuple[int, float]:
    """Index in OBJECTS of the dominant object of [H,W] maps and its share of the pixels (0, 0.0 when none)."""
    h, w = instance.shape
    y, x = np.mgrid[:h, :w]
    near = np.exp(-(((y - h / 2 + 0.5) / (0.35 * h)) ** 2 + ((x - w / 2 + 0.5) / (0.35 * w)) ** 2))
    best, share, top = 0, 0.0, 0.0
    for i in np.unique(instance):
        here = instance == i
        name_id = int(category[here][0])
        name = _NAMES.get(name_id)
        if name is None:
            continue
        score = float(near[here].sum()) * SALIENCE[name]
        if score > top:
            best, share, top = OBJECT_ID[name], float(here.mean()), score
    return best, share


_NAMES = {CATEGORY_ID[name]: name for name in OBJECTS}
