"""Fetching, from a local server that misbehaves on request."""

from __future__ import annotations

import errno
import gzip
import io
import shutil
import ssl
import subprocess
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest

from ffebm_dsl.language.diagnostics import InputError, StorageError
from ffebm_dsl.language.registry import DATA
from ffebm_dsl.language.registry.data_constructs import DataFiles, Form
from ffebm_dsl.running.datasets.checksums import SUMS
from ffebm_dsl.running.datasets.fetch import download, fetch, unpack
from ffebm_dsl.running.datasets.places import CATALOGUE
from ffebm_dsl.running.storage import FileLock

from .sets import SMALL_CIFAR100, write_cifar100_binary, write_cifar100_python, write_idx
from .web import Page, Web, item, serving

CONTENT = bytes(range(256)) * 2000


@pytest.fixture
def web() -> Iterator[Web]:
    with serving() as running:
        yield running


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 and its key, made now."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl is not here to make a certificate")
    path = tmp_path_factory.mktemp("tls") / "both.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]
    command += ["-nodes", "-days", "1", "-subj", "/CN=127.0.0.1", "-addext"]
    command += ["subjectAltName=IP:127.0.0.1", "-keyout", str(path), "-out", f"{path}.cert"]
    subprocess.run(command, check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.cert").read_bytes())
    return path


def part(target: Path) -> Path:
    return target.with_name(f".{target.name}.part")


class TestDownload:
    def test_a_whole_file(
        self, tmp_path: Path, web: Web, capfd: pytest.CaptureFixture[str]
    ) -> None:
        target = tmp_path / "folder" / "file.gz"
        target.parent.mkdir()
        download(item(web, CONTENT), target)
        assert target.read_bytes() == CONTENT and [*target.parent.iterdir()] == [target]
        said = capfd.readouterr()
        assert "512,000 bytes from http://127.0.0.1" in said.err and not said.out

    def test_another_checksum(self, tmp_path: Path, web: Web) -> None:
        wanted = item(web, CONTENT)
        web.pages["/file.gz"] = Page(CONTENT[::-1])
        with pytest.raises(InputError, match="gave another file than expected, which was removed"):
            download(wanted, tmp_path / "file.gz")
        assert not [*tmp_path.iterdir()]

    def test_a_connection_that_ends_early_is_gone_on_with(self, tmp_path: Path, web: Web) -> None:
        target = tmp_path / "file.gz"
        wanted = item(web, CONTENT)
        web.pages["/file.gz"] = Page(CONTENT, cut=300_000)
        with pytest.raises(InputError, match="Connection broken") as caught:
            download(wanted, target)
        assert "run the same command again" in caught.value.help
        done = part(target).stat().st_size
        assert 0 < done <= 300_000 and not target.exists()
        web.pages["/file.gz"] = Page(CONTENT)
        download(wanted, target)
        assert target.read_bytes() == CONTENT and not part(target).exists()
        assert web.requests == [("/file.gz", ""), ("/file.gz", f"bytes={done}-")]

    def test_a_server_without_parts_starts_anew(self, tmp_path: Path, web: Web) -> None:
        target = tmp_path / "file.gz"
        part(target).write_bytes(b"other bytes than those of the file")
        web.pages["/file.gz"] = Page(CONTENT, ranges=False)
        download(item(web, CONTENT), target)
        assert target.read_bytes() == CONTENT

    def test_another_page_does_not_cost_what_is_there(self, tmp_path: Path, web: Web) -> None:
        target = tmp_path / "file.gz"
        part(target).write_bytes(CONTENT[:1000])
        wanted = item(web, CONTENT)
        web.pages["/file.gz"] = Page(b"<html>log in to this network</html>", ranges=False)
        with pytest.raises(InputError, match="announces 35 bytes"):
            download(wanted, target)
        assert part(target).read_bytes() == CONTENT[:1000]

    def test_a_server_that_goes_on_elsewhere(self, tmp_path: Path, web: Web) -> None:
        target = tmp_path / "file.gz"
        part(target).write_bytes(CONTENT[:1000])
        web.pages["/file.gz"] = Page(CONTENT, shift=1)
        with pytest.raises(InputError, match="announces 510999 bytes, not 511000"):
            download(item(web, CONTENT), target)
        assert part(target).read_bytes() == CONTENT[:1000]

    def test_an_unfinished_file_that_is_long_enough(self, tmp_path: Path, web: Web) -> None:
        target = tmp_path / "file.gz"
        part(target).write_bytes(CONTENT)
        download(item(web, CONTENT), target)
        assert target.read_bytes() == CONTENT and not web.requests

    def test_more_than_the_file(self, tmp_path: Path, web: Web) -> None:
        target = tmp_path / "file.gz"
        wanted = item(web, CONTENT)
        web.pages["/file.gz"] = Page(CONTENT * 2, announce=0)
        with pytest.raises(InputError, match="gave another file than expected"):
            download(wanted, target)
        web.pages["/file.gz"] = Page(CONTENT)
        download(wanted, target)
        assert target.read_bytes() == CONTENT

    @pytest.mark.parametrize(
        ("page", "message"),
        [
            (Page(CONTENT, announce=1 << 40), "announces 1099511627776 bytes, not 512000"),
            (Page(CONTENT[:-1]), "announces 511999 bytes"),
            (Page(CONTENT[:-1], announce=0), "ended after 511999 of 512000 bytes"),
            (Page(status=404), "404 Client Error"),
            (Page(status=500), "500 Server Error"),
            (Page(status=403), "403 Client Error"),
            (Page(status=302, location="file:///etc/passwd"), "file:///etc/passwd"),
            (Page(status=302, location="/file.gz"), "redirects"),
        ],
    )  # fmt: skip
    def test_what_a_server_may_not(
        self, tmp_path: Path, web: Web, page: Page, message: str
    ) -> None:
        wanted = item(web, CONTENT)
        web.pages["/file.gz"] = page
        with pytest.raises(InputError, match=message) as caught:
            download(wanted, tmp_path / "file.gz")
        assert web.url("file.gz") in caught.value.message
        assert wanted.sha256 in caught.value.help and str(tmp_path) in caught.value.help
        assert not (tmp_path / "file.gz").exists()

    def test_redirections_are_followed(self, tmp_path: Path, web: Web) -> None:
        for number in range(5):
            web.pages[f"/{number}"] = Page(status=301, location=web.url(str(number + 1)))
        web.pages["/5"] = Page(CONTENT)
        download(item(web, CONTENT, urls=(web.url("0"),)), tmp_path / "file.gz")
        assert (tmp_path / "file.gz").read_bytes() == CONTENT

    def test_https_asks_for_a_certificate_that_is_trusted(
        self, tmp_path: Path, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        own = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        own.load_cert_chain(certificate)
        with serving(own) as web:
            with pytest.raises(InputError, match="certificate verify failed"):
                download(item(web, CONTENT), tmp_path / "file.gz")
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", f"{certificate}.cert")
            download(item(web, CONTENT), tmp_path / "file.gz")
        assert (tmp_path / "file.gz").read_bytes() == CONTENT

    def test_the_next_address_is_tried(self, tmp_path: Path, web: Web) -> None:
        wanted = item(web, CONTENT, urls=(web.url("gone"), web.url("file.gz")))
        download(wanted, tmp_path / "file.gz")
        assert (tmp_path / "file.gz").read_bytes() == CONTENT

    def test_offline(self, tmp_path: Path) -> None:
        with serving() as closed:
            wanted = item(closed, CONTENT)
        with pytest.raises(InputError, match=r"file\.gz could not be downloaded") as caught:
            download(wanted, tmp_path / "file.gz")
        assert "not reached" in caught.value.message
        for told in ("Offline", "512,000 bytes", wanted.sha256, str(tmp_path / "file.gz")):
            assert told in caught.value.help
        assert not [*tmp_path.iterdir()]

    def test_a_full_disk(self, tmp_path: Path, web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(self: Path, other: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(Path, "replace", full)
        with pytest.raises(StorageError, match="No space left"):
            download(item(web, CONTENT), tmp_path / "file.gz")
        assert part(tmp_path / "file.gz").read_bytes() == CONTENT
        assert not (tmp_path / "file.gz").exists()


def archive(path: Path, members: list[tuple[str, bytes]]) -> bytes:
    with tarfile.open(path, "w:gz") as tar:
        for member in members:
            info = tarfile.TarInfo(member[0])
            info.size = len(member[1])
            tar.addfile(info, io.BytesIO(member[1]))
    return path.read_bytes()


class TestUnpack:
    WANTED: ClassVar = ["set/a.bin", "set/b.bin"]
    A, B = ("set/a.bin", b"aaa"), ("set/b.bin", b"bb")

    def test_takes_what_is_wanted_and_nothing_else(self, tmp_path: Path) -> None:
        outside = tmp_path / "outside"
        others = [("../outside", b"x"), (str(outside), b"x"), ("set/readme", b"x")]
        archive(tmp_path / "a.tar.gz", [*others, self.A, self.B])
        paths = unpack(tmp_path / "a.tar.gz", self.WANTED, tmp_path / "to")
        assert [path.read_bytes() for path in paths] == [b"aaa", b"bb"]
        assert sorted(path.name for path in (tmp_path / "to").iterdir()) == ["a.bin", "b.bin"]
        assert not outside.exists()

    @pytest.mark.parametrize("part", [0.0, 0.3, 0.7, 0.95, 1.0])
    def test_nothing_is_left_of_what_cannot_be_unpacked(self, tmp_path: Path, part: float) -> None:
        """Cut short, or without one of the members."""
        content = archive(tmp_path / "a.tar.gz", [self.A])
        (tmp_path / "a.tar.gz").write_bytes(content[: int(len(content) * part)])
        with pytest.raises(InputError, match=r"a\.tar\.gz"):
            unpack(tmp_path / "a.tar.gz", self.WANTED, tmp_path / "to")
        assert not [*(tmp_path / "to").iterdir()]

    def test_a_full_disk(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        def full(*_: object) -> None:
            raise OSError(errno.ENOSPC, "No space left on device")

        archive(tmp_path / "a.tar.gz", [self.A, self.B])
        monkeypatch.setattr("os.fsync", full)
        with pytest.raises(StorageError, match=r"cannot write .*to: No space"):
            unpack(tmp_path / "a.tar.gz", self.WANTED, tmp_path / "to")
        assert not [*(tmp_path / "to").iterdir()]


def small_mnist(web: Web, folder: Path) -> DataFiles:
    """MNIST of ten images, with its files on the server."""
    write_idx(folder / "source", zipped=True)
    files = [path.name for path in sorted((folder / "source").iterdir())]
    items = tuple(item(web, (folder / "source" / name).read_bytes(), name) for name in files)
    return replace(CATALOGUE["mnist"], downloads=items)


def small_cifar100(web: Web, folder: Path) -> DataFiles:
    """CIFAR-100 of 16 images, with its archive on the server."""
    write_cifar100_binary(folder / "source")
    members = {name: (folder / "source" / name).read_bytes() for name in ("train.bin", "test.bin")}
    inside = [(f"cifar-100-binary/{name}", content) for name, content in members.items()]
    content = archive(folder / "set.tar.gz", [("cifar-100-binary/fine.txt", b"apple"), *inside])
    sizes = {name: len(member) for name, member in inside}
    return replace(SMALL_CIFAR100, downloads=(item(web, content, "set.tar.gz", members=sizes),))


class TestFetch:
    def test_single_files(self, tmp_path: Path, web: Web) -> None:
        known = small_mnist(web, tmp_path)
        paths = fetch(known, tmp_path / "data")
        assert {path.parent for path in paths} == {tmp_path / "data" / "mnist"}
        assert all(path.read_bytes() == (tmp_path / "source" / path.name).read_bytes()
                   for path in paths)  # fmt: skip

    def test_an_archive(self, tmp_path: Path, web: Web) -> None:
        known = small_cifar100(web, tmp_path)
        paths = fetch(known, tmp_path / "data")
        folder = tmp_path / "data" / "cifar-100-binary"
        assert paths == [folder / "train.bin", folder / "test.bin"]
        assert paths[0].read_bytes() == (tmp_path / "source" / "train.bin").read_bytes()
        assert sorted(path.name for path in folder.iterdir()) == [SUMS, "test.bin", "train.bin"]
        assert [*(tmp_path / "data").iterdir()] == [folder]
        if shutil.which("sha256sum"):
            subprocess.run(["sha256sum", "--check", "--status", SUMS], cwd=folder, check=True)

    @pytest.mark.parametrize("prepare", [small_mnist, small_cifar100])
    def test_what_is_there_is_not_fetched(
        self,
        tmp_path: Path,
        web: Web,
        prepare: Callable[[Web, Path], DataFiles],
        capsys: pytest.CaptureFixture[str],
    ) -> None:
        known = prepare(web, tmp_path)
        fetch(known, tmp_path / "data")
        web.requests.clear()
        fetch(known, tmp_path / "data")
        assert not web.requests and "is there already" in capsys.readouterr().err

    def test_another_version_is_there(self, tmp_path: Path, web: Web) -> None:
        write_cifar100_python(tmp_path / "data" / "cifar-100-python")
        fetch(small_cifar100(web, tmp_path), tmp_path / "data")
        assert not web.requests

    def test_a_missing_file_is_fetched_alone(self, tmp_path: Path, web: Web) -> None:
        known = small_mnist(web, tmp_path)
        gone = fetch(known, tmp_path / "data")[2]
        web.requests.clear()
        gone.unlink()
        fetch(known, tmp_path / "data")
        assert web.requests == [(f"/{gone.name}", "")] and gone.is_file()

    def test_a_missing_file_of_an_archive_fetches_it_again(self, tmp_path: Path, web: Web) -> None:
        known = small_cifar100(web, tmp_path)
        gone = fetch(known, tmp_path / "data")[1]
        gone.unlink()
        fetch(known, tmp_path / "data")
        assert gone.is_file()

    def test_files_of_others_are_not_written_over(self, tmp_path: Path, web: Web) -> None:
        mine = tmp_path / "data" / "cifar-100-binary" / "train.bin"
        mine.parent.mkdir(parents=True)
        mine.write_bytes(b"mine")
        with pytest.raises(InputError, match=r"holds train\.bin already"):
            fetch(small_cifar100(web, tmp_path), tmp_path / "data")
        other = tmp_path / "data" / "mnist" / "train-labels-idx1-ubyte.gz"
        other.parent.mkdir()
        other.write_bytes(gzip.compress(b"mine"))
        with pytest.raises(InputError, match="exists, but its SHA-256 is"):
            fetch(small_mnist(web, tmp_path), tmp_path / "data")
        assert mine.read_bytes() == b"mine" and gzip.decompress(other.read_bytes()) == b"mine"

    def test_one_at_a_time(self, tmp_path: Path, web: Web) -> None:
        known = small_cifar100(web, tmp_path)
        (tmp_path / "data").mkdir()
        with (
            FileLock(tmp_path / "data" / ".set.tar.gz.lock"),
            pytest.raises(InputError, match="is in use by process"),
        ):
            fetch(known, tmp_path / "data")
        fetch(known, tmp_path / "data")

    def test_an_archive_put_there_by_hand(self, tmp_path: Path, web: Web) -> None:
        known = small_cifar100(web, tmp_path)
        (tmp_path / "data").mkdir()
        shutil.copy(tmp_path / "set.tar.gz", tmp_path / "data")
        assert len(fetch(known, tmp_path / "data")) == 2 and not web.requests

    def test_a_login_is_not_faked(self, tmp_path: Path) -> None:
        with pytest.raises(InputError, match=r"ImageNet32 cannot be fetched: .* login") as caught:
            fetch(CATALOGUE["imagenet32"], tmp_path)
        assert "train_data_batch_1.npz" in caught.value.help
        assert str(tmp_path / "imagenet32") in caught.value.help


def test_the_catalogue_is_sound() -> None:
    for known in CATALOGUE.values():
        for wanted in known.downloads:
            assert len(wanted.sha256) == 64 and wanted.size > 0
            assert all(url.startswith("https://") for url in wanted.urls)
            names = {name.rpartition("/")[2] for name in wanted.members} or {
                wanted.name.removesuffix(".gz")
            }
            assert names <= set(known.layouts[0].files)
            assert all(name.split("/")[0] == known.layouts[0].folder for name in wanted.members)
        for layout in known.layouts:
            assert set(layout.checksums) <= set(layout.files)
            assert not (layout.form is Form.IDX and len(layout.files) != 4)
    assert sum(CATALOGUE["cifar100"].downloads[0].members.values()) == 60_000 * 3074


def test_the_page_says_what_the_catalogue_says() -> None:
    page = (Path(__file__).parents[4] / "docs" / "data.md").read_text(encoding="utf-8")
    for known in CATALOGUE.values():
        assert f"| `{known.name}` |" in page and f"{known.train:,} + {known.test:,} of" in page
        assert all(f"`{layout.folder}`" in page for layout in known.layouts)
        if known.downloads:
            assert f"| {sum(wanted.size for wanted in known.downloads):,} |" in page
        for name in ("mean", "std"):
            values = DATA[known.name].parameter(name).default
            assert isinstance(values, tuple)
            assert len(values) == 1 or ", ".join(f"{value:g}" for value in values) in page
