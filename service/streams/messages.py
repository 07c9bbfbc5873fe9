"""Text messages of a client: parsed, and refused with the member at fault."""

from __future__ import annotations

from collections.abc import Mapping

import orjson
from pydantic import ValidationError

from service.http.problem_response import pointer_to
from service.problems import MessageInvalid, Unprocessable
from service.schemas.streams import ClientMessage


def read_message(text: str, kinds: Mapping[str, type[ClientMessage]]) -> ClientMessage:
    """Read one message.

    Args:
        text: JSON.
        kinds: what may come now, by ``type``.

    Raises:
        MessageInvalid: no JSON object, or of another kind.
        Unprocessable: a member that cannot be used; the pointer names it.
    """
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        raise MessageInvalid("A text message is not JSON.") from None
    if not isinstance(document, dict):
        raise MessageInvalid("A text message is not a JSON object.")
    name = document.get("type")
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        raise MessageInvalid(f"The type must be one of: {', '.join(kinds)}.", pointer="/type")
    try:
        return kind.model_validate(document)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        pointer = pointer_to(*first["loc"])
        raise Unprocessable(f"{pointer}: {first['msg']}", pointer=pointer) from None
