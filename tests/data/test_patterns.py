"""Patterns in braces that name shards: what they stand for, and one sentence where they are wrong or name too much."""

from __future__ import annotations

from pathlib import Path

import pytest
from packed import as_folder, as_tar, as_zip, refused, told
from test_webdataset import PHOTOS, shard

from bias_audit.data.patterns import names_of
from bias_audit.data.sources import open_dataset
from bias_audit.data.sources.options import SourceOptions
from bias_audit.limits.bounds import Limits


class TestNames:
    @pytest.mark.parametrize(
        ("pattern", "expected"),
        [
            ("s-{000..002}.tar", ("s-000.tar", "s-001.tar", "s-002.tar")),
            ("s-{8..11}.tar", ("s-8.tar", "s-9.tar", "s-10.tar", "s-11.tar")),
            ("s-{08..11}.tar", ("s-08.tar", "s-09.tar", "s-10.tar", "s-11.tar")),
            ("s-{0..1}.tar", ("s-0.tar", "s-1.tar")),
            ("s-{7..7}.tar", ("s-7.tar",)),
            ("{a,b}.tar", ("a.tar", "b.tar")),
            ("x{,-more}.tar", ("x.tar", "x-more.tar")),
            ("{train,val}/s-{0..1}.tar", ("train/s-0.tar", "train/s-1.tar", "val/s-0.tar", "val/s-1.tar")),
        ],
    )
    def test_are_those_of_a_shell(self, pattern: str, expected: tuple[str, ...]) -> None:
        assert names_of(pattern, "'x'", Limits()) == expected

    @pytest.mark.parametrize(
        ("pattern", "says"),
        [
            ("s-{000..009.tar", "a brace without its other one"),
            ("s-000..009}.tar", "a brace without its other one"),
            ("s-}0,1{.tar", "a brace without its other one"),
            ("s-{a,{b,c}}.tar", "braces in braces"),
            ("s-{9..0}.tar", "counts down in {9..0}"),
            ("s-{0..}.tar", "{0..}, which is neither"),
            ("s-{}.tar", "{}, which is neither"),
            ("s-{0..9..2}.tar", "{0..9..2}, which is neither"),
            ("s-{a..e}.tar", "{a..e}, which is neither"),
            ("s-{-1..3}.tar", "{-1..3}, which is neither"),
            ("s-{\u0660..\u0663}.tar", "which is neither"),
            ("s-{a,a}.tar", "names a file twice"),
            ("{..,a}/s.tar", "names nothing"),
            ("{,a}/s.tar", "names nothing"),
            (
                "s-{0..10000}.tar",
                "10,001 files, beyond the limit shards of 10,000 (raise it with --limit shards=10001)",
            ),
            ("s-{0..99}{0..99}{0..99}.tar", "1,000,000 files, beyond the limit shards"),
            ("s-{0..999999999999999999}.tar", "beyond the limit shards"),
            ("s-{0..9999999999999999999}.tar", "which is neither"),
        ],
    )
    def test_what_is_wrong_is_one_sentence(self, pattern: str, says: str) -> None:
        assert "'x'" in refused(lambda: names_of(pattern, "'x'", Limits()), says).message


class TestOnDisk:
    @pytest.fixture
    def shards(self, tmp_path: Path) -> Path:
        """Three shards of two photos, and one of two more that no pattern of the tests names."""
        names = sorted(PHOTOS)
        (tmp_path / "shards").mkdir()
        for number in range(4):
            part = {name: PHOTOS[name] for name in names[2 * number : 2 * number + 2]}
            as_tar(tmp_path / f"shards/s-{number:03}.tar", shard(part))
        return tmp_path / "shards"

    def test_are_the_folder_of_these_shards(self, shards: Path, tmp_path: Path) -> None:
        (tmp_path / "some").mkdir()
        for name in ("s-001.tar", "s-002.tar"):
            (tmp_path / "some" / name).write_bytes((shards / name).read_bytes())
        expected = open_dataset(tmp_path / "some", None)
        for pattern in ("s-{001..002}.tar", "s-{002,001}.tar", "{s-001,s-002}.tar"):
            dataset = open_dataset(shards / pattern, None)
            assert dataset.source == "webdataset"
            assert sorted(told(dataset)) == sorted(told(expected))

    def test_parts_go_by_the_names(self, tmp_path: Path) -> None:
        names = sorted(PHOTOS)
        for part, few in (("train", names[:6]), ("val", names[3:5])):
            (tmp_path / part).mkdir()
            as_tar(tmp_path / part / "s-0.tar", shard({name: PHOTOS[name] for name in few}))
        assert len(open_dataset(tmp_path / "{train,val}/s-0.tar", None).samples) == 2
        of_train = open_dataset(tmp_path / "{train,val}/s-0.tar", None, SourceOptions(split="train"))
        assert len(of_train.samples) == 6

    def test_a_shard_that_is_missing_is_said(self, shards: Path) -> None:
        pattern = shards / "s-{002..005}.tar"
        error = refused(lambda: open_dataset(pattern, None), str(pattern), "names 4 files, of which 2 cannot be read")
        assert "the first 's-004.tar': there is no such file" in error.message
        (shards / "s-004.tar").mkdir()  # a folder is no shard either
        refused(lambda: open_dataset(shards / "s-{000..004}.tar", None), "1 cannot be read", "s-004.tar")
        refused(lambda: open_dataset(shards / "none/s-{0..1}.tar", None), "there is no folder")

    def test_how_many_has_a_bound(self, shards: Path) -> None:
        options = SourceOptions(limits=Limits(shards=2))
        assert len(open_dataset(shards / "s-{000..001}.tar", None, options).samples) == 4
        refused(
            lambda: open_dataset(shards / "s-{000..002}.tar", None, options),
            "names 3 files, beyond the limit shards of 2 (raise it with --limit shards=3)",
        )

    def test_what_has_braces_in_its_name_is_no_pattern(self, tmp_path: Path) -> None:
        as_folder(tmp_path / "{a,b}", PHOTOS)
        assert len(open_dataset(tmp_path / "{a,b}", None).samples) == len(PHOTOS)
        as_tar(tmp_path / "s-{0..1}.tar", shard(PHOTOS))
        assert len(open_dataset(tmp_path / "s-{0..1}.tar", None).samples) == len(PHOTOS)

    def test_other_files_are_not_read_together(self, tmp_path: Path) -> None:
        for name in ("0.zip", "1.zip"):
            as_zip(tmp_path / name, PHOTOS)
        (tmp_path / "a.csv").write_text("image,label\n")
        (tmp_path / "b.csv").write_text("image,label\n")
        for pattern in ("{0..1}.zip", "{a,b}.csv"):
            refused(lambda pattern=pattern: open_dataset(tmp_path / pattern, None), "no files that are read together")
