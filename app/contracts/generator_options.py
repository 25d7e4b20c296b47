"""The details given when a generator is added, over HTTP or on the command line."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

OFFICIAL: Final = "official"
MAX_EDITS_TEXT: Final = 65_536
"""Characters of all edits together."""
MAX_LICENCE: Final = 500

EditName = Annotated[str, Field(min_length=1, max_length=64)]
Edits = Literal["official"] | list[EditName] | dict[EditName, Any]
"""One name for each label of the network, in its order; or the ``edits`` of the architecture's configuration; or
``official``, the edits of the published checkpoint."""
_EDITS: Final[TypeAdapter[Edits]] = TypeAdapter(Edits)


class GivenDetails(BaseModel):
    """The details of a checkpoint that were given when it was added."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    architecture: str | None = Field(None, max_length=64, description="The architecture it must have.")
    image_size: int | None = Field(
        None, ge=8, le=4096, description="The width and height of the images it works on, in pixels."
    )
    edits: Edits | None = Field(
        None,
        description="The names of its edits in the order of its labels; or an object, as in the architecture's "
        "configuration; or `official` for the published checkpoint.",
    )


def parsed_edits(texts: Sequence[str]) -> Edits | None:
    """Parse edits: names separated by commas or given one at a time, JSON, or ``official``.

    Raises:
        ValueError: they cannot be read; the message says how to write them.
    """
    given = [text.strip() for text in texts if text.strip()]
    if not given:
        return None
    if sum(map(len, given)) > MAX_EDITS_TEXT:
        raise ValueError("there are too many edits")
    if given == [OFFICIAL]:
        return OFFICIAL
    try:
        found = json.loads(given[0]) if len(given) == 1 and given[0][0] in "{[" else _names(given)
        edits = _EDITS.validate_python(found)
    except (ValueError, RecursionError) as error:
        said = "they are not JSON" if not isinstance(error, ValidationError) else "they cannot be read"
        raise ValueError(
            f'{said}; write names, such as blond,male, or JSON, such as {{"blond": [1, 0], ...}}'
        ) from None
    if not edits:
        return None
    if len(set(edits)) < len(edits):
        raise ValueError("an edit is named twice")
    return edits


def _names(texts: Sequence[str]) -> list[str]:
    return [name.strip() for text in texts for name in text.split(",")]
