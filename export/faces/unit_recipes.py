"""Measures, blendshapes and region of the mesh that each action unit is read from, by anatomy (FACS, E3).

A unit adds up a few measures in equal shares, each in its own deviations; blendshapes join where the face bundle has
them. A share of a ridge regression over the mesh of the unit's half of the face corrects them where synthetic faces
say that it helps and a real one does not contradict. The choice between a few alternatives of each unit was made with
one real video beside OpenFace's table; no weight was fitted to it.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipe:
    """How a unit is read.

    Attributes:
        measures: names of measures, with the sign that the unit's movement gives them.
        shapes: blendshapes that rise with the unit; both sides where there are two.
        mesh_share: share of the regression over the mesh, 0…1; the measures and shapes have the rest.
        resting_percentile: of a recording's values, what counts as rest: a brow rests in the middle of what it does, a
            mouth that talks at its lower end.
    """

    measures: tuple[str, ...]
    shapes: tuple[str, ...] = ()
    mesh_share: float = 0.0
    resting_percentile: float = 25.0


RECIPES: dict[str, Recipe] = {
    "AU01": Recipe(("+brow_inner", "+brow_slope"), ("browInnerUp",), resting_percentile=50.0),
    "AU02": Recipe(("+brow_middle", "+brow_outer"), ("browOuterUp",), resting_percentile=50.0),
    "AU04": Recipe(("-brow_middle", "-brow_inner"), mesh_share=0.5, resting_percentile=50.0),
    "AU05": Recipe(("+upper_lid",), ("eyeWide",), 0.5),
    "AU06": Recipe(("-cheek", "+lower_lid"), mesh_share=0.5),
    "AU07": Recipe(("+lower_lid",), ("eyeSquint",), 0.5),
    "AU09": Recipe(("-nose_wing", "-upper_lip", "-brow_inner"), mesh_share=0.5),
    "AU10": Recipe(("-upper_lip",), ("mouthUpperUp",), 0.5),
    "AU12": Recipe(("+corners_raised", "-corners", "+corners_back"), ("mouthSmile",), 0.5),
    "AU14": Recipe(("+corners_back",), ("mouthDimple",), 0.5, resting_percentile=50.0),
    "AU15": Recipe(("-corners_raised",), ("mouthFrown",), 0.5),
    "AU17": Recipe(("-lip_gap", "-lower_lip_ratio", "+upper_lip"), ("mouthClose",), resting_percentile=10.0),
    "AU20": Recipe(("+mouth_width", "-corners_raised"), ("mouthStretch",), 0.5),
    "AU23": Recipe((), ("mouthPress",), 0.25, resting_percentile=50.0),
    "AU25": Recipe(("+lips",), resting_percentile=40.0),
    "AU26": Recipe(("+lower_lip_ratio",), mesh_share=0.5),
    "AU45": Recipe(("-lid_ratio", "-upper_lid"), ("eyeBlink",), 0.5),
}
"""The recipe of each of the 17 units."""
