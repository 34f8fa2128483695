"""Labels of the twenty tasks: pure functions from rendered arrays to targets.

Every function takes a mapping of arrays for N images (the fields of a shard, see
:mod:`studies.rooms.dataset`) and returns one array for the N images:

- ``rgb`` uint8 [N,H,W,3], sRGB;
- ``depth`` [N,H,W]: z-depth in metres; ``normal`` [N,H,W,3]: unit surface normal, camera frame, facing the
  camera; ``category`` uint8 [N,H,W];
- ``K`` float32 [N,3,3]: intrinsics in pixels (pixel (row, column) has its centre at (row, column));
- ``rotation`` [N,3,3]: world to camera; ``position`` [N,3]: the camera in the world, metres;
- ``room`` [N,3,2]: min and max of the room's box in the world; ``room_type``, ``dominant`` uint8 [N].

Camera frame: x right, y down, z forward. World: z up, walls along x and y.
"Taskonomy" below is Zamir et al., CVPR 2018, main text and supplementary task dictionary.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from scipy import ndimage

from studies.rooms.colour import to_grey, to_lab, to_unit
from studies.rooms.geometry import (
    camera_angles,
    manhattan_axes,
    pixel_rays,
    plane_features,
    plane_residual,
    principal_curvatures,
)

Arrays = Mapping[str, np.ndarray]

#: Depth that maps to 1 in rgb2depth and rgb2mist, metres.
FAR = 12.0
#: Curvature that maps to tanh(1), 1/metre.
CURVATURE_SCALE = 8.0
#: Pixel offsets (row, column) of the affinity channels of segment2d and segment25d.
AFFINITY_OFFSETS = tuple((r * dy, r * dx) for r in (3, 8) for dy, dx in ((0, 1), (1, 0), (1, 1), (1, -1)))
AFFINITY_CHANNELS = len(AFFINITY_OFFSETS)
#: Offset of the nine room_layout numbers (about the mean of the training rooms) and their scale: 0.3 radian
#: for an angle, 0.3 for the logarithm of a distance in metres.
LAYOUT_OFFSET = np.array([0.0, 0.28, 1.1, 1.15, 0.85, 0.3, 0.0, -0.28, 0.0], np.float32)
LAYOUT_SCALE = np.full(9, 0.3, np.float32)


def autoencoder(a: Arrays) -> np.ndarray:
    """The picture itself, [N,H,W,3] in [-1,1]; also the target of denoise and inpainting_whole.

    Taskonomy: autoencoding, denoising and inpainting regress the clean whole image.
    """
    return to_unit(a["rgb"]) * np.float32(2) - np.float32(1)


def colorization(a: Arrays) -> np.ndarray:
    """Lab a and b divided by 50 and clipped to [-1,1], [N,H,W,2].

    Taskonomy (after Zhang et al. 2016) classifies ab into 313 bins; here the pair is regressed.
    """
    return np.clip(to_lab(a["rgb"])[..., 1:] / np.float32(50), -1, 1)


def edge2d(a: Arrays) -> np.ndarray:
    """Gradient magnitude of the smoothed grey picture, [N,H,W,1] in [0,1].

    Taskonomy: the Canny detector without non-maximum suppression, so that the target is a smooth map. Here
    Gaussian derivatives of sigma 1 pixel, tanh(6 |grad|).
    """
    grey = to_grey(a["rgb"])
    gy = ndimage.gaussian_filter(grey, (0, 1, 1), order=(0, 1, 0), mode="nearest")
    gx = ndimage.gaussian_filter(grey, (0, 1, 1), order=(0, 0, 1), mode="nearest")
    return np.tanh(6 * np.hypot(gx, gy))[..., None].astype(np.float32)


def keypoint2d(a: Arrays) -> np.ndarray:
    """Blob response of the grey picture, [N,H,W,1] in [0,1].

    Taskonomy: the SURF response without non-maximum suppression. SURF's response is the determinant of the
    Hessian with weight 0.9 on the mixed term (Bay et al. 2006); here scale-normalised Gaussian derivatives at
    sigma 1.5 and 2.5 pixels, the larger of the two, tanh(10 sqrt(max(det, 0))).
    """
    grey = to_grey(a["rgb"])
    best = np.zeros_like(grey)
    for sigma in (1.5, 2.5):
        width = (0, sigma, sigma)
        yy = ndimage.gaussian_filter(grey, width, order=(0, 2, 0), mode="nearest", truncate=6)
        xx = ndimage.gaussian_filter(grey, width, order=(0, 0, 2), mode="nearest", truncate=6)
        xy = ndimage.gaussian_filter(grey, width, order=(0, 1, 1), mode="nearest")
        best = np.maximum(best, sigma**4 * (xx * yy - (0.9 * xy) ** 2))
    return np.tanh(10 * np.sqrt(best))[..., None].astype(np.float32)


def _log_depth(metres: np.ndarray) -> np.ndarray:
    x = np.log1p(np.asarray(metres, np.float32)) / np.float32(np.log1p(FAR))
    return np.clip(x, 0, 1)[..., None]


def rgb2depth(a: Arrays) -> np.ndarray:
    """z-depth, log(1+z)/log(1+FAR) clipped to [0,1], [N,H,W,1].

    Taskonomy: depth_zbuffer (the task bank's rgb2depth), log-scaled.
    """
    return _log_depth(a["depth"])


def rgb2mist(a: Arrays) -> np.ndarray:
    """Euclidean distance from the camera, log(1+d)/log(1+FAR) clipped to [0,1], [N,H,W,1].

    Taskonomy: depth_euclidean (the task bank's rgb2mist, after Blender's mist pass), log-scaled.
    """
    return _log_depth(distance(a))


def distance(a: Arrays) -> np.ndarray:
    """Euclidean distance from the camera in metres, float32 [N,H,W]."""
    depth = np.asarray(a["depth"], np.float32)
    return depth * np.linalg.norm(pixel_rays(a["K"], depth.shape[1:]), axis=-1)


def rgb2sfnorm(a: Arrays) -> np.ndarray:
    """Surface normal in the camera frame, [N,H,W,3] in [-1,1]. Taskonomy: surface normals."""
    return np.asarray(a["normal"], np.float32)


def reshade(a: Arrays) -> np.ndarray:
    """White Lambertian shading by one point light at the camera, [N,H,W,1] in [0,1].

    Taskonomy: reshading, "the shading function due to having a single point light at the camera origin,
    multiplied by a constant albedo". Cosine of the normal and the viewing ray over 1 + (d/4)^2, a light that
    falls off with the distance d in metres.
    """
    rays = pixel_rays(a["K"], a["depth"].shape[1:])
    rays = rays / np.linalg.norm(rays, axis=-1, keepdims=True)
    cosine = np.clip(-(np.asarray(a["normal"], np.float32) * rays).sum(-1), 0, 1)
    return (cosine / (1 + (distance(a) / 4) ** 2))[..., None].astype(np.float32)


def curvature(a: Arrays) -> np.ndarray:
    """Two principal curvatures, larger first, tanh(k / CURVATURE_SCALE), [N,H,W,2] in [-1,1].

    Taskonomy: principal curvatures of the surface at each pixel. Positive is convex (a ball of radius r has
    k1 = k2 = 1/r). From the shape operator between normals and positions smoothed by 1 pixel
    (:func:`studies.rooms.geometry.principal_curvatures`); creases count, occlusions do not.
    """
    k = principal_curvatures(a["depth"], a["normal"], a["K"], sigma=1.0)
    return np.tanh(k / CURVATURE_SCALE).astype(np.float32)


def edge3d(a: Arrays) -> np.ndarray:
    """Occlusion edges, [N,H,W,1] in [0,1].

    Taskonomy: 3D (occlusion) edges, "edges in the depth image ... do not depend on texture". A neighbour's
    depth is compared with what the pixel's own tangent plane predicts there (so slanted planes give none);
    the largest relative jump of the four neighbours, less 0.03 (creases), as 1 - exp(-jump / 0.1), smoothed
    by 0.7 pixel.
    """
    jump = plane_residual(a["depth"], a["normal"], a["K"])
    return _smooth(1 - np.exp(-np.maximum(jump - 0.03, 0) / 0.1), 0.7)[..., None].astype(np.float32)


def keypoint3d(a: Arrays) -> np.ndarray:
    """Interest on the range image, [N,H,W,1] in [0,1].

    Taskonomy: the NARF response (Steder et al. 2011) of the range image: high where the surface changes in
    more than one direction, at borders or creases. Here the smaller eigenvalue of the structure tensor
    (sigma 2) of features that are constant on a plane (normal and log plane offset), tanh(4 sqrt).
    """
    f = plane_features(a["depth"], a["normal"], a["K"])
    gy = ndimage.gaussian_filter(f, (0, 1, 1, 0), order=(0, 1, 0, 0), mode="nearest")
    gx = ndimage.gaussian_filter(f, (0, 1, 1, 0), order=(0, 0, 1, 0), mode="nearest")
    yy, xx, xy = (_smooth(t.sum(-1), 2.0) for t in (gy * gy, gx * gx, gx * gy))
    smaller = 0.5 * (xx + yy) - np.sqrt(0.25 * (xx - yy) ** 2 + xy**2)
    return np.tanh(4 * np.sqrt(np.maximum(smaller, 0)))[..., None].astype(np.float32)


def _smooth(x: np.ndarray, sigma: float) -> np.ndarray:
    return ndimage.gaussian_filter(np.asarray(x, np.float32), (0, sigma, sigma), mode="nearest")


def _feature_edges(features: np.ndarray) -> np.ndarray:
    # strength of change of a multi-channel picture: norm of the Gaussian gradient over all channels
    gy = ndimage.gaussian_filter(features, (0, 1, 1, 0), order=(0, 1, 0, 0), mode="nearest")
    gx = ndimage.gaussian_filter(features, (0, 1, 1, 0), order=(0, 0, 1, 0), mode="nearest")
    return np.sqrt((gy**2 + gx**2).sum(-1))


def contour_affinity(edges: np.ndarray, sigma: float) -> np.ndarray:
    """Intervening-contour affinities of each pixel with the pixels at AFFINITY_OFFSETS, [N,H,W,8] in [0,1].

    exp(-(max of ``edges`` on the straight line between the two / sigma)^2): 1 within a segment, 0 across a
    boundary: the affinity that normalised cuts partition (Shi and Malik 2000; Leung and Malik 1998). Outside
    the picture the border value is repeated.
    """
    n, h, w = edges.shape
    margin = max(max(abs(dy), abs(dx)) for dy, dx in AFFINITY_OFFSETS)
    padded = np.pad(edges, ((0, 0), (margin, margin), (margin, margin)), mode="edge")
    out = np.empty((n, h, w, AFFINITY_CHANNELS), np.float32)
    for channel, (dy, dx) in enumerate(AFFINITY_OFFSETS):
        steps = max(abs(dy), abs(dx))
        worst = np.zeros_like(edges)
        for s in range(steps + 1):
            y, x = margin + dy * s // steps, margin + dx * s // steps
            worst = np.maximum(worst, padded[:, y : y + h, x : x + w])
        out[..., channel] = np.exp(-((worst / sigma) ** 2))
    return out


def segment2d(a: Arrays) -> np.ndarray:
    """Unsupervised colour segmentation as affinities, [N,H,W,8] in [0,1].

    Taskonomy: 2D segmentation, normalised cuts of the RGB image, learnt through an embedding. The cut itself
    is ambiguous up to a permutation; its affinities are not: :func:`contour_affinity` on the gradient of Lab.
    """
    lab = to_lab(a["rgb"]) / np.float32(100)
    return contour_affinity(_feature_edges(lab), 0.06)


def segment25d(a: Arrays) -> np.ndarray:
    """Unsupervised segmentation of colour, depth and normals as affinities, [N,H,W,8] in [0,1].

    Taskonomy: 2.5D segmentation, the same algorithm on RGB, depth and surface normals. As
    :func:`segment2d` with planar features (normal, log plane offset) added and colour at a third.
    """
    lab = to_lab(a["rgb"]) / np.float32(100)
    planes = plane_features(a["depth"], a["normal"], a["K"])
    return contour_affinity(_feature_edges(np.concatenate([lab / 3, planes / 2], axis=-1)), 0.06)


def vanishing_point(a: Arrays) -> np.ndarray:
    """Directions of the three Manhattan vanishing points, unit vectors in the camera frame, [N,9].

    Taskonomy: vanishing points as points on the unit sphere. Order and sign are fixed by the view: forward
    (the horizontal axis nearest the viewing direction), right, up.
    """
    return manhattan_axes(a["rotation"]).reshape(-1, 9).astype(np.float32)


def room_layout(a: Arrays) -> np.ndarray:
    """The room's box as the camera sees it, [N,9]: centre, extents, angles, each (value - offset) / scale.

    Taskonomy: room layout, the bounding box of the room in the camera's coordinates as 9 numbers. A single
    picture does not show the wall behind the camera, so the box is given by its front wall: centre = azimuth
    (right) and elevation (up) of the wall's middle against the viewing direction and log of its distance;
    extents = its angular width and height and log of the camera's height over the floor; yaw, pitch, roll of
    the camera against the box (axes of :func:`vanishing_point`). Radians and log metres; offset and scale
    are LAYOUT_OFFSET and LAYOUT_SCALE.
    """
    rotation = np.asarray(a["rotation"], np.float32)
    axes = manhattan_axes(rotation)
    # rows: forward, right, up in the world; right, up, forward here
    world = np.round(np.einsum("nij,njk->nik", axes, rotation))[:, [1, 2, 0]]
    corners = np.asarray(a["room"], np.float32) - np.asarray(a["position"], np.float32)[..., None]
    low, high = np.sort(np.einsum("nij,njk->nik", world, corners), axis=2).transpose(2, 0, 1)
    front = high[:, 2]
    first, last = np.arctan2(low[:, :2], front[:, None]), np.arctan2(high[:, :2], front[:, None])
    angles = camera_angles(rotation)
    centre = (first + last) / 2 - angles[:, :2]
    extents = last - first
    far = np.log(np.maximum(front, 0.1))
    height = np.log(np.maximum(-low[:, 1], 0.1))
    raw = np.column_stack([centre, far, extents, height, angles])
    return ((raw - LAYOUT_OFFSET) / LAYOUT_SCALE).astype(np.float32)


def segmentsemantic(a: Arrays) -> np.ndarray:
    """Category of every pixel, int32 [N,H,W]. Taskonomy: semantic segmentation."""
    return np.asarray(a["category"], np.int32)


def class_1000(a: Arrays) -> np.ndarray:
    """Category of the dominant object, int32 [N], an index of OBJECTS. Taskonomy: object classification."""
    return np.asarray(a["dominant"], np.int32)


def class_places(a: Arrays) -> np.ndarray:
    """Room type, int32 [N], an index of ROOM_TYPES. Taskonomy: scene classification."""
    return np.asarray(a["room_type"], np.int32)
