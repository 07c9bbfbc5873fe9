"""Judges the emotion of recordings with the client (``pip install ./client``).

Usage: python python_client.py ADDRESS RECORDING…
"""

import os
import sys

from emoserve_client import Emoserve, Problem, ServiceUnreachable

if len(sys.argv) < 3:
    sys.exit("Usage: python python_client.py ADDRESS RECORDING…")
address, *recordings = sys.argv[1:]
with Emoserve(address, api_key=os.environ.get("EMOSERVE_KEY")) as emoserve:
    for recording in recordings:
        try:
            answer = emoserve.audio_emotion(recording, timeline=True)
        except Problem as problem:  # the service refused; each code keeps its meaning
            print(f"{recording}: {problem.code}: {problem.detail} (request {problem.request_id})")
            continue
        except ServiceUnreachable as error:
            sys.exit(f"The service gave no answer: {error}")
        except OSError as error:
            sys.exit(f"The file {recording} cannot be read: {error.strerror}.")
        print(f"{recording}: {answer.emotion}, arousal {answer.arousal}, valence {answer.valence}, {answer.flags}")
        for start_s, end_s, arousal in zip(
            answer.timeline.start_s, answer.timeline.end_s, answer.timeline.arousal, strict=True
        ):
            print(f"  {start_s:.1f} s to {end_s:.1f} s: {'unknown' if arousal is None else f'{arousal:+.2f}'}")
