"""Judges a long recording as a job and shows its progress (``pip install ./client``).

Usage: python python_job.py ADDRESS RECORDING
"""

import os
import sys

from emoserve_client import Emoserve, JobState, Problem, ServiceUnreachable

if len(sys.argv) != 3:
    sys.exit("Usage: python python_job.py ADDRESS RECORDING")
address, recording = sys.argv[1:]
with Emoserve(address, api_key=os.environ.get("EMOSERVE_KEY")) as emoserve:
    try:
        job = emoserve.submit_audio_emotion(recording, timeline=True)
        for event in emoserve.job_events(job.id):
            print(f"{event.progress:.0%}", flush=True)
        job = emoserve.job(job.id)
        if job.state is not JobState.SUCCEEDED:
            sys.exit(f"{job.state.value}: {job.problem and job.problem['code']}")
        print(emoserve.audio_emotion_result(job.id).emotion)
        emoserve.cancel(job.id)  # deletes the result
    except Problem as problem:
        sys.exit(f"{problem.code}: {problem.detail}")
    except ServiceUnreachable as error:
        sys.exit(f"The service gave no answer: {error}")
    except OSError as error:
        sys.exit(f"The file {recording} cannot be read: {error.strerror}.")
