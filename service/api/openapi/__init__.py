"""The texts and examples of the OpenAPI document, beside the routers that they describe."""
