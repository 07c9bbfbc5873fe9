"""The data flow, in the order of reading.

intake, decode, sandbox, admit, batch, session, postprocess (speech, faces, action_units, affect), run.

Packages hold what these are made of: media (what a file holds), decoding (processes that read it), device (whose turn
it is), waveform, face, columns and video (ways of data through graphs), live (media still arriving), long (of hours).
"""
