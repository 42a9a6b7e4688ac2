"""Kills and full disks at chosen system calls of a run; `make soak` tries all of them."""

from __future__ import annotations

import pytest

from tests.faults.harness import (
    Point,
    Workers,
    can_trace,
    points,
    try_point,
    unsafe_renames,
    whole_run,
)

pytestmark = pytest.mark.skipif(bool(can_trace()), reason=can_trace() or "strace may trace")

Whole = tuple[list[Point], str, str]


@pytest.fixture(scope="module")
def whole(server: Workers) -> Whole:
    return whole_run(server)


def test_every_file_is_synced_before_its_rename_and_its_folder_after(
    whole: Whole, workers: Workers
) -> None:
    found, _, log = whole
    assert unsafe_renames(log, workers.folder) == []
    names = [point.call for point in found]
    assert names.count("rename") == 11 and names.count("fsync") == 21, names


# A record half written, a checkpoint's rename, the removal of an old one.
CHOSEN = [("write", 4), ("rename", 6), ("unlink", 9)]


@pytest.mark.parametrize(("call", "number"), CHOSEN)
def test_a_kill_loses_nothing(whole: Whole, workers: Workers, call: str, number: int) -> None:
    point = Point(call, number)
    assert point in whole[0]
    assert try_point(workers, point, "kill", whole[1]).faults == ()


@pytest.mark.parametrize(
    ("call", "number", "kind"),
    [("fsync", 12, "full once"), ("write", 6, "full for good")],
)
def test_a_full_disk_ends_with_74_and_loses_nothing(
    whole: Whole, workers: Workers, call: str, number: int, kind: str
) -> None:
    verdict = try_point(workers, Point(call, number), kind, whole[1])
    assert verdict.faults == () and verdict.code == 74


class TestTheHarnessFindsFaults:
    """Writers that lose data, each by a fault of its own."""

    def test_overwriting_in_place(self, whole: Whole, workers: Workers) -> None:
        found, bits, _ = whole_run(workers, "in_place")
        assert bits == whole[1]
        writes = [point for point in found if point.call == "write"]
        verdict = try_point(workers, writes[3], "kill", bits, "in_place")
        assert any("run.h5" in fault for fault in verdict.faults)

    def test_renaming_without_a_sync(self, workers: Workers) -> None:
        _, _, log = whole_run(workers, "unsynced")
        faults = unsafe_renames(log, workers.folder)
        assert any("is renamed before it is synced" in fault for fault in faults)
        assert any("is not synced before rename" in fault for fault in faults)

    def test_the_checkpoint_before_its_record(self, workers: Workers) -> None:
        found, bits, _ = whole_run(workers, "late_record")
        renames = [point for point in found if point.call == "rename"]
        verdict = try_point(workers, renames[7], "kill", bits, "late_record")
        assert "the record ends before the newest checkpoint" in verdict.faults

    def test_another_final_state(self, whole: Whole, workers: Workers) -> None:
        verdict = try_point(workers, whole[0][20], "kill", "other bits")
        assert "the final state differs from that of the undisturbed run" in verdict.faults

    def test_another_exit_code(self, whole: Whole, workers: Workers) -> None:
        """A call that never comes is no fault of the disk, and the run ends well."""
        verdict = try_point(workers, Point("write", 999), "full once", whole[1])
        assert any("ended with 0" in fault for fault in verdict.faults)


LOG = """7 write(3</a>, "x", 1) = 1
7 fsync(3</a>) = 0
7 --- SIGCONT ---
7 write(3</a>, 1) = ?
"""


def test_the_calls_of_a_log_are_counted_by_name() -> None:
    assert points(LOG) == [Point("write", 1), Point("fsync", 1), Point("write", 2)]
