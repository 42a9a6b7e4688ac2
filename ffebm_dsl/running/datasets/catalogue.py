"""The data sets that are distributed as files of their own, by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from ffebm_dsl.language.registry import DATA
from ffebm_dsl.language.registry.data_files import DataFiles

CATALOGUE: Mapping[str, DataFiles] = MappingProxyType(
    {name: construct.files for name, construct in DATA.items() if construct.files is not None}
)
