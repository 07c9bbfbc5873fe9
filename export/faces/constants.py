"""Constants of the face route, from the publisher's graph definitions unless another source is named.

They go into the bundle's card, from where the service reads them.
"""

from export.bundle.card import Setting

DETECTOR_SIZE_PX = 128
DETECTOR_STRIDES = (8, 16)
DETECTOR_ANCHORS_PER_CELL = (2, 6)  # 16 × 16 × 2 + 8 × 8 × 6 = 896
DETECTOR_KEYPOINTS = 6  # right eye, left eye (of the subject), nose tip, mouth, right ear, left ear
DETECTOR_SCORE_CLIP = 100.0  # logits are clipped to ± this before the sigmoid

MESH_478_SIZE_PX = 256
MESH_468_SIZE_PX = 192

EYE_OUTER_CORNERS = (33, 263)

# The 146 mesh points that the blendshape network takes, by the publisher's list: 136 of the surface, then the
# irises.
BLENDSHAPE_POINTS = (
    0, 1, 4, 5, 6, 7, 8, 10, 13, 14, 17, 21, 33, 37, 39, 40, 46, 52, 53, 54, 55, 58, 61, 63, 65, 66, 67, 70,
    78, 80, 81, 82, 84, 87, 88, 91, 93, 95, 103, 105, 107, 109, 127, 132, 133, 136, 144, 145, 146, 148, 149,
    150, 152, 153, 154, 155, 157, 158, 159, 160, 161, 162, 163, 168, 172, 173, 176, 178, 181, 185, 191, 195,
    197, 234, 246, 249, 251, 263, 267, 269, 270, 276, 282, 283, 284, 285, 288, 291, 293, 295, 296, 297, 300,
    308, 310, 311, 312, 314, 317, 318, 321, 323, 324, 332, 334, 336, 338, 356, 361, 362, 365, 373, 374, 375,
    377, 378, 379, 380, 381, 382, 384, 385, 386, 387, 388, 389, 390, 397, 398, 400, 402, 405, 409, 415, 454,
    466, 468, 469, 470, 471, 472, 473, 474, 475, 476, 477,
)  # fmt: skip

# The 52 outputs of the blendshape network, in its order.
BLENDSHAPES = (
    "_neutral", "browDownLeft", "browDownRight", "browInnerUp", "browOuterUpLeft", "browOuterUpRight",
    "cheekPuff", "cheekSquintLeft", "cheekSquintRight", "eyeBlinkLeft", "eyeBlinkRight", "eyeLookDownLeft",
    "eyeLookDownRight", "eyeLookInLeft", "eyeLookInRight", "eyeLookOutLeft", "eyeLookOutRight",
    "eyeLookUpLeft", "eyeLookUpRight", "eyeSquintLeft", "eyeSquintRight", "eyeWideLeft", "eyeWideRight",
    "jawForward", "jawLeft", "jawOpen", "jawRight", "mouthClose", "mouthDimpleLeft", "mouthDimpleRight",
    "mouthFrownLeft", "mouthFrownRight", "mouthFunnel", "mouthLeft", "mouthLowerDownLeft",
    "mouthLowerDownRight", "mouthPressLeft", "mouthPressRight", "mouthPucker", "mouthRight", "mouthRollLower",
    "mouthRollUpper", "mouthShrugLower", "mouthShrugUpper", "mouthSmileLeft", "mouthSmileRight",
    "mouthStretchLeft", "mouthStretchRight", "mouthUpperUpLeft", "mouthUpperUpRight", "noseSneerLeft",
    "noseSneerRight",
)  # fmt: skip

# What the service's pipeline needs beside the graphs. The detector's anchors are applied inside its graph;
# their layout is stated for readers of the card.
PIPELINE_SETTINGS: dict[str, Setting] = {
    "detector_size_px": DETECTOR_SIZE_PX,  # the whole frame, letterboxed into a square with a black border
    "detector_anchor_strides_px": list(DETECTOR_STRIDES),
    "detector_anchors_per_cell": list(DETECTOR_ANCHORS_PER_CELL),
    "detector_min_score": 0.5,
    "detector_overlap": 0.5,  # boxes with a greater intersection over union are merged by score
    "roi_scale": 1.5,
    "roi_detected_square": False,  # width and height of the detector's box are scaled apart
    "roi_detected_axis": [0, 1],  # keypoints of the detector that become horizontal
    "roi_tracked_square": True,  # the longer side of the mesh's bounding box is taken for both
    "roi_tracked_axis": list(EYE_OUTER_CORNERS),  # mesh points that become horizontal
    "crop_half_pixel": False,  # corners map to corners; half a pixel costs up to 1.8 % IOD (measured)
    "min_presence": 0.5,
}
