"""What wraps every request, written against plain ASGI."""
