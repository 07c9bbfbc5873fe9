"""Thin routers: parse, call the pipeline, render."""
