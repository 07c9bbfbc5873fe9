"""Media formats: containers, WAV headers, samples, pictures and their times."""
