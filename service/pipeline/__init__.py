"""The data flow, from the bytes of an upload to arrays of answers."""
