"""Dependencies that routes name in their signatures."""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Path, Request

from app.service import Service


def service_of(request: Request) -> Service:
    """The service of this application."""
    found: Service = request.app.state.service
    return found


AnyService = Annotated[Service, Depends(service_of)]
ResultId = Annotated[str, Path(alias="id", description="The id that the upload returned.")]
