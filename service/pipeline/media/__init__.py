"""What a file holds: containers, wave headers, samples, pictures and their times."""
