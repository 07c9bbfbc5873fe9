"""The face route's offline half: the face bundle made from the publisher's file, and our own action-unit
heads.

Needs numpy, onnx and pydantic alone, so that the online installation can prepare its own face bundle.
"""
