"""The run record: its schema, its form in memory, and its HDF5 files, written atomically."""

from ffebm_dsl.running.records.reader import read
from ffebm_dsl.running.records.record import Record, RecordTable
from ffebm_dsl.running.records.record_schema import (
    AMPLIFICATION,
    BAD_STEPS,
    EVAL,
    EVENTS,
    GRADIENTS,
    GROUPS,
    LOSSES,
    PROVENANCE,
    QUANTITIES,
    RELAXATION,
    SEGMENTS,
    STATUSES,
    TEST,
    TRAIN,
    TRANSIENTS,
    Group,
)
from ffebm_dsl.running.records.record_writer import image, utc_now, write

__all__ = [
    "AMPLIFICATION",
    "BAD_STEPS",
    "EVAL",
    "EVENTS",
    "GRADIENTS",
    "GROUPS",
    "LOSSES",
    "PROVENANCE",
    "QUANTITIES",
    "RELAXATION",
    "SEGMENTS",
    "STATUSES",
    "TEST",
    "TRAIN",
    "TRANSIENTS",
    "Group",
    "Record",
    "RecordTable",
    "image",
    "read",
    "utc_now",
    "write",
]
