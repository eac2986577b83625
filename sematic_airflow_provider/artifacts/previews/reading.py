"""Checks a stored preview against its form. Needs pydantic, which images of steps may not have: only who shows previews imports this."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, TypeAdapter

from sematic_airflow_provider.artifacts.previews.form import Preview

AnyPreview = Annotated[Preview, Field(discriminator="kind")]

READER: TypeAdapter[Preview] = TypeAdapter(AnyPreview)
