"""The web page at ``/``: HTML, style and ES modules, one concept a file, nothing from outside."""
