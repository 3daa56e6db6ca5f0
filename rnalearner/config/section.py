"""The rules that every section of a recipe shares."""

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """One table of a recipe: unknown keys are refused, values never change after parsing."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)
