"""HTTP below the routes: bytes in, media types, headers, credentials, error documents."""
