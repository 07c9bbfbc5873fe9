"""The recurrent denoiser."""
