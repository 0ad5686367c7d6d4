import hashlib
import io
import tracemalloc
import zipfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import CommandError, call_command
from django.db import connection
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as some
from numpy.typing import NDArray

from embeddings.exchange import (
    Imported,
    ImportRefused,
    NothingToExport,
    Stage,
    export_embeddings,
    import_embeddings,
    importing,
    npz,
)
from embeddings.exchange.npz import Archive, BadArchive, new_archive, write_array
from embeddings.indexes import IndexState, build_index, index_state
from embeddings.models import Embedding, EmbeddingJob, Encoder
from embeddings.partitions import partition_name
from embeddings.selectors import coverage
from itembank.alone import Work
from itembank.models import Item
from tests.embeddings.spaces import clustered, fill, make_items, make_space

Arrays = dict[str, NDArray[Any]]
DIMENSIONS, COUNT = 8, 6


@pytest.fixture
def space(db: None) -> Encoder:
    return make_space(DIMENSIONS)


@pytest.fixture
def items(db: None) -> list[Item]:
    return make_items(COUNT)


@pytest.fixture
def arrays(space: Encoder, items: list[Item]) -> Arrays:
    """What a right file of these items holds."""
    return {
        "ids": np.array([item.code for item in items]),
        "embeddings": clustered(COUNT, DIMENSIONS).astype("<f2"),
        "fingerprint": np.array(space.fingerprint),
        "content_hashes": np.array([item.content_hash for item in items]),
    }


@pytest.fixture
def load(space: Encoder, tmp_path: Path) -> Callable[[Arrays], Imported]:
    """Import these arrays."""

    def save_and_import(arrays: Arrays) -> Imported:
        np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
        return import_embeddings(encoder=space, path=tmp_path / "in.npz")

    return save_and_import


def stored(space: Encoder) -> dict[str, NDArray[Any]]:
    rows = Embedding.objects.filter(encoder=space).values_list("item__code", "embedding")
    return {code: np.asarray(vector, np.float32) for code, vector in rows}


# ---- there and back


@settings(deadline=None, max_examples=50)
@given(
    vectors=some.arrays(
        st.sampled_from(["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"]),
        st.tuples(st.integers(0, 9), st.integers(1, 5)),
    ),
    code=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=9),
    chunk=st.integers(1, 200),
)
def test_arrays_come_back_as_they_were_however_they_are_cut(vectors: NDArray[Any], code: str, chunk: int) -> None:
    ids = np.array([f"{number}{code}" for number in range(len(vectors))], "<U10")
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        write_array(archive, "embeddings", vectors.dtype, vectors.shape, (vectors[i : i + 2] for i in range(0, 10, 2)))
        write_array(archive, "ids", ids.dtype, ids.shape, [ids])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(npz, "CHUNK_BYTES", chunk)
        chunks = list(Archive(buffer).rows("ids", "embeddings"))
    assert b"".join(rows.tobytes() for _ids, rows in chunks) == vectors.tobytes()
    assert [each for some_ids, _rows in chunks for each in some_ids.tolist()] == ids.tolist()
    buffer.seek(0)
    with np.load(buffer) as loaded:
        assert loaded["embeddings"].tobytes() == vectors.tobytes()
        assert loaded["embeddings"].dtype == vectors.dtype


@pytest.mark.django_db(transaction=True)
def test_an_export_is_what_numpy_reads_in_the_order_of_codes(tmp_path: Path) -> None:
    space, items, vectors = make_space(DIMENSIONS), make_items(COUNT), clustered(COUNT, DIMENSIONS)
    fill(space, items[::-1], vectors)
    assert export_embeddings(encoder=space, path=tmp_path / "out.npz") == COUNT
    with np.load(tmp_path / "out.npz", allow_pickle=False) as file:
        assert set(file) == {"ids", "embeddings", "fingerprint", "content_hashes"}
        assert file["ids"].tolist() == [item.code for item in items]
        assert file["content_hashes"].tolist() == [item.content_hash for item in items]
        assert file["fingerprint"].item() == space.fingerprint
        assert file["embeddings"].dtype == np.float16
        np.testing.assert_array_equal(file["embeddings"], vectors[::-1].astype(np.float16))


@pytest.mark.django_db(transaction=True)
def test_what_is_exported_and_imported_is_the_same_to_the_bit(tmp_path: Path) -> None:
    space, items = make_space(DIMENSIONS), make_items(COUNT)
    fill(space, items, clustered(COUNT, DIMENSIONS))
    before = stored(space)
    export_embeddings(encoder=space, path=tmp_path / "out.npz")
    Embedding.objects.filter(encoder=space).delete()
    imported = import_embeddings(encoder=space, path=tmp_path / "out.npz")
    assert imported == Imported(COUNT, replaced=0, normalised=0, outdated=0, had_hashes=True, index_dropped=False)
    assert {code: vector.tobytes() for code, vector in stored(space).items()} == {
        code: vector.tobytes() for code, vector in before.items()
    }


@pytest.mark.parametrize("dtype", ["<f2", ">f2", "<f4", ">f4", "<f8", ">f8"])
def test_floats_of_any_size_and_byte_order_are_taken(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder, dtype: str
) -> None:
    assert load(arrays | {"embeddings": arrays["embeddings"].astype(dtype)}).normalised == 0
    expected = dict(zip(arrays["ids"].tolist(), arrays["embeddings"].astype(np.float32), strict=True))
    assert {code: row.tolist() for code, row in stored(space).items()} == {
        code: row.tolist() for code, row in expected.items()
    }


def test_a_compressed_file_is_taken(arrays: Arrays, space: Encoder, tmp_path: Path) -> None:
    np.savez_compressed(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
    assert import_embeddings(encoder=space, path=tmp_path / "in.npz").count == COUNT


def test_vectors_of_another_length_are_normalised_and_counted(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder
) -> None:
    factors = np.array([1, 1, 3, 1e-30, 1, 1])[:, None]
    assert load(arrays | {"embeddings": arrays["embeddings"].astype("f8") * factors}).normalised == 2
    for code, vector in zip(arrays["ids"].tolist(), arrays["embeddings"], strict=True):
        np.testing.assert_allclose(stored(space)[code], vector, atol=1e-3)


def test_earlier_vectors_of_the_items_are_replaced_and_others_stay(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder, items: list[Item]
) -> None:
    [other] = make_items(1)
    fill(space, [*items[:2], other], clustered(3, DIMENSIONS, seed=1))
    others = stored(space)[other.code]
    assert load(arrays).replaced == 2
    assert len(stored(space)) == COUNT + 1
    assert stored(space)[items[0].code].tolist() == arrays["embeddings"][0].tolist()
    assert stored(space)[other.code].tolist() == others.tolist()


def test_a_vector_of_an_earlier_content_counts_as_outdated(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder, items: list[Item]
) -> None:
    Item.objects.filter(pk=items[0].pk).update(content_hash=hashlib.sha256(b"edited").hexdigest())
    assert load(arrays).outdated == 1
    assert (coverage(space).stale, coverage(space).embedded) == (1, COUNT - 1)


def test_without_hashes_vectors_count_as_those_of_the_present_content(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder
) -> None:
    del arrays["content_hashes"]
    assert load(arrays).had_hashes is False
    assert coverage(space).embedded == COUNT


def test_an_import_of_long_vectors_keeps_their_bits(items: list[Item], tmp_path: Path) -> None:
    wide = make_space(1792)
    vectors = clustered(COUNT, 1792).astype("f2")
    ids, path = np.array([item.code for item in items]), tmp_path / "in.npz"
    np.savez(path, ids=ids, embeddings=vectors, fingerprint=np.array(wide.fingerprint))
    import_embeddings(encoder=wide, path=path)
    import_embeddings(encoder=wide, path=path)
    with connection.cursor() as cursor:
        cursor.execute(f"SELECT item_id, bits::text FROM embedding_{wide.pk}_bits")  # noqa: S608
        bits = dict(cursor.fetchall())
    assert bits == {
        item.pk: "".join("1" if number > 0 else "0" for number in row) for item, row in zip(items, vectors, strict=True)
    }


# ---- what is refused


Change = Callable[[Arrays], Arrays]
DIGESTS = np.array(["z" * 64] * COUNT)


def with_value(value: float) -> Change:
    def change(arrays: Arrays) -> Arrays:
        vectors = arrays["embeddings"].astype("f4")
        vectors[[1, 4], 3] = value
        return {"embeddings": vectors}

    return change


def with_zeros(arrays: Arrays) -> Arrays:
    vectors = arrays["embeddings"].copy()
    vectors[2] = 0
    return {"embeddings": vectors}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda a: {"ids": np.array(["X-1", "X-2", *a["ids"][2:]])}, r"ids of no item: 2 \(X-1, X-2\)"),
        (lambda a: {"ids": np.array(["\ud800\n", *a["ids"][1:]])}, r"ids of no item: 1 \(\?\?\)"),
        (lambda a: {"ids": a["ids"][[0, 1, 2, 3, 0, 0]]}, r"ids given more than once: 2 \(S"),
        (lambda a: {"ids": a["ids"].astype("S")}, "“ids” should be <U1024"),
        (lambda a: {"ids": a["ids"].astype(object)}, "“ids” holds pickled objects"),
        (lambda a: {"ids": a["ids"][:5]}, r"“embeddings” should be .* \(5, 8\)"),
        (lambda a: {"ids": a["ids"][:, None]}, r"“ids” should be .* \(6, 1\)"),
        (lambda a: {"ids": a["ids"][:0], "embeddings": a["embeddings"][:0]}, "it is 0"),
        (lambda a: {"embeddings": a["embeddings"][:, :7]}, r"\(6, 8\); it is float16 \(6, 7\)"),
        (lambda a: {"embeddings": a["embeddings"].astype("i4")}, "it is int32"),
        (lambda a: {"embeddings": a["embeddings"].astype("c16")}, "it is complex128"),
        (lambda a: {"embeddings": a["embeddings"].astype(object)}, "“embeddings” holds pickled objects"),
        (lambda a: {"embeddings": np.asfortranarray(a["embeddings"])}, "“embeddings” is no array in C order"),
        (with_value(np.nan), r"NaN or infinity: 2 \(S"),
        (with_value(-np.inf), r"NaN or infinity: 2 \(S"),
        (with_value(70_000), r"beyond half precision \(65,504\): 2 \(S"),
        (with_value(3e38), r"beyond half precision \(65,504\): 2 \(S"),
        (with_zeros, r"zero vectors: 1 \(S"),
        (lambda a: {"fingerprint": np.array("0" * 64)}, "of another encoder: their fingerprint is 0000"),
        (lambda a: {"fingerprint": np.array(["0" * 64])}, "“fingerprint” should be"),
        (lambda a: {"content_hashes": DIGESTS}, "not 64 hexadecimal digits: 6"),
        (lambda a: {"content_hashes": DIGESTS[:5]}, "“content_hashes” should be"),
        (lambda a: {"content_hashes": DIGESTS.astype(object)}, "“content_hashes” holds pickled objects"),
    ],
)
def test_a_file_with_something_wrong_is_refused_and_nothing_changes(
    load: Callable[[Arrays], Imported],
    arrays: Arrays,
    space: Encoder,
    change: Change,
    message: str,
) -> None:
    fill(space, list(Item.objects.all()[:1]), clustered(1, DIMENSIONS, seed=1))
    before = {code: vector.tolist() for code, vector in stored(space).items()}
    with pytest.raises(ImportRefused, match=message):
        load(arrays | change(arrays))
    assert {code: vector.tolist() for code, vector in stored(space).items()} == before


def test_all_that_is_wrong_is_said_at_once(load: Callable[[Arrays], Imported], arrays: Arrays) -> None:
    wrong = with_zeros(arrays) | {"ids": np.array(["X-1", *arrays["ids"][1:]])}
    with pytest.raises(ImportRefused, match=r"(?s)ids of no item: 1.*zero vectors: 1"):
        load(arrays | wrong)


def test_of_many_wrong_rows_all_are_counted_and_five_named(load: Callable[[Arrays], Imported], arrays: Arrays) -> None:
    with pytest.raises(ImportRefused, match=r"ids of no item: 6 \(X-0, X-1, X-2, X-3, X-4\)"):
        load(arrays | {"ids": np.array([f"X-{number}" for number in range(COUNT)])})


@pytest.mark.parametrize("missing", ["ids", "embeddings", "fingerprint"])
def test_a_missing_array_is_named(load: Callable[[Arrays], Imported], arrays: Arrays, missing: str) -> None:
    del arrays[missing]
    with pytest.raises(ImportRefused, match=f"no array “{missing}”"):
        load(arrays)


def test_items_without_what_the_space_needs_are_refused(
    load: Callable[[Arrays], Imported], arrays: Arrays, items: list[Item]
) -> None:
    Item.objects.filter(pk=items[3].pk).update(text="", choices=[])
    with pytest.raises(ImportRefused, match=rf"hold nothing for this encoder: 1 \({items[3].code}\)"):
        load(arrays)


def test_vectors_for_an_encoder_without_a_precision_yet_are_refused(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder
) -> None:
    space.precision = "auto"
    with pytest.raises(ImportRefused, match="has no precision yet"):
        load(arrays)


def test_a_running_job_of_the_encoder_is_named(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder
) -> None:
    job = EmbeddingJob.objects.create(encoder=space)
    with pytest.raises(ImportRefused, match=f"Job {job.pk} of this encoder is running"):
        load(arrays)
    job.state = EmbeddingJob.State.PAUSED
    job.save()
    assert load(arrays).count == COUNT


def test_an_index_that_is_being_built_is_waited_for(
    load: Callable[[Arrays], Imported], arrays: Arrays, space: Encoder
) -> None:
    other = connection.copy()
    try:
        with other.cursor() as cursor:
            cursor.execute("SELECT pg_advisory_lock(%s, %s)", [Work.INDEX, space.pk])
        with pytest.raises(ImportRefused, match="index of this encoder is being built"):
            load(arrays)
    finally:
        other.close()
    assert not stored(space)


def test_a_job_that_starts_during_the_check_is_seen(space: Encoder, arrays: Arrays, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]

    def start(*_progress: object) -> None:
        EmbeddingJob.objects.create(encoder=space)

    with pytest.raises(ImportRefused, match="of this encoder is running"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz", report=start)
    assert not stored(space)


@pytest.mark.django_db(transaction=True)
def test_an_item_that_is_deleted_during_the_import_stops_it(tmp_path: Path) -> None:
    space, items = make_space(DIMENSIONS), make_items(COUNT)
    fill(space, items, clustered(COUNT, DIMENSIONS))
    export_embeddings(encoder=space, path=tmp_path / "in.npz")
    Embedding.objects.filter(encoder=space).delete()

    def delete(stage: Stage, *_progress: object) -> None:
        if stage is Stage.CHECK:
            items[2].delete()

    with pytest.raises(ImportRefused, match="changed during the import"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz", report=delete)
    assert not stored(space)


def test_a_file_that_is_overwritten_during_the_import_stops_it(items: list[Item], tmp_path: Path) -> None:
    space, vectors = make_space(2048), clustered(COUNT, 2048).astype("f2")
    path, ids = tmp_path / "in.npz", np.array([item.code for item in items])
    np.savez(path, ids=ids, embeddings=vectors, fingerprint=np.array(space.fingerprint))

    def spoil(stage: Stage, *_progress: object) -> None:
        if stage is Stage.CHECK:
            place = path.read_bytes().index(vectors.tobytes())
            with path.open("r+b") as file:
                file.seek(place)
                file.write(np.full(2048, np.nan, "f2").tobytes())

    with pytest.raises(ImportRefused, match="CRC"):
        import_embeddings(encoder=space, path=path, report=spoil)
    assert not stored(space)


def test_a_file_that_is_no_archive_is_refused(space: Encoder, tmp_path: Path) -> None:
    (tmp_path / "in.npz").write_bytes(b"\x93NUMPY" * 100)
    with pytest.raises(ImportRefused, match=r"not an \.npz file"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz")


def damaged(arrays: Arrays, path: Path, damage: Callable[[bytearray], bytes]) -> None:
    np.savez(path, **arrays)  # type: ignore[arg-type]
    path.write_bytes(damage(bytearray(path.read_bytes())))


def test_a_file_that_was_cut_off_is_refused(space: Encoder, arrays: Arrays, tmp_path: Path) -> None:
    damaged(arrays, tmp_path / "in.npz", lambda data: bytes(data[:-300]))
    with pytest.raises(ImportRefused, match=r"not an \.npz file"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz")


def test_a_flipped_bit_is_found_before_anything_is_stored(space: Encoder, arrays: Arrays, tmp_path: Path) -> None:
    numbers = arrays["embeddings"].tobytes()

    def flip(data: bytearray) -> bytes:
        data[data.index(numbers)] ^= 1
        return bytes(data)

    damaged(arrays, tmp_path / "in.npz", flip)
    with pytest.raises(ImportRefused, match="Bad CRC-32"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz")
    assert not stored(space)


def member(header: str) -> bytes:
    """An array with this header and no numbers."""
    text = header.encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<U8', 'fortran_order': False, 'shape': (10000000000000,)}\n",
        "{'descr': '<U0', 'fortran_order': False, 'shape': (10000000000000,)}\n",
        "{'descr': '<U8', 'fortran_order': False, 'shape': (-1,)}\n",
        "{'descr': '<U8', 'fortran_order': False}\n",
        "{'descr': '<f99', 'fortran_order': False, 'shape': (1,)}\n",
        "(" * 9000 + "\n",
        "__import__('os').abort()\n",
    ],
)
def test_a_header_that_lies_is_refused(space: Encoder, tmp_path: Path, header: str) -> None:
    with zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        write_array(archive, "fingerprint", "<U64", (), [np.array(space.fingerprint)])
        archive.writestr("ids.npy", member(header))
    with pytest.raises(ImportRefused, match="“ids”"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz")


def test_a_name_that_stands_twice_is_refused(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(tmp_path / "in.npz", "w") as archive:
        archive.writestr("ids.npy", b"1")
        archive.writestr("ids.npy", b"2")
    with (tmp_path / "in.npz").open("rb") as file, pytest.raises(BadArchive, match="twice"):
        Archive(file)


def test_a_packing_that_numpy_does_not_use_is_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "in.npz", "w", zipfile.ZIP_LZMA) as archive:
        archive.writestr("ids.npy", b"1")
    with (tmp_path / "in.npz").open("rb") as file, pytest.raises(BadArchive, match="numpy does not use"):
        Archive(file).header("ids")


def test_a_bomb_is_refused_without_unpacking_its_vectors(space: Encoder, tmp_path: Path) -> None:
    rows = 200_000
    with zipfile.ZipFile(tmp_path / "in.npz", "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        write_array(archive, "fingerprint", "<U64", (), [np.array(space.fingerprint)])
        write_array(archive, "ids", "<U1", (rows,), [np.full(rows, "x")])
        write_array(archive, "embeddings", "<f2", (rows, DIMENSIONS), [np.zeros((rows, DIMENSIONS), "f2")])
    stages: list[Stage] = []
    with pytest.raises(ImportRefused, match="ids of no item: 200000"):
        import_embeddings(encoder=space, path=tmp_path / "in.npz", report=lambda stage, *_: stages.append(stage))
    assert not stages


# ---- files and indexes


def test_an_existing_file_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    (tmp_path / "out.npz").write_text("precious")
    with pytest.raises(FileExistsError), new_archive(tmp_path / "out.npz", overwrite=False):
        pass
    assert (tmp_path / "out.npz").read_text() == "precious"
    with new_archive(tmp_path / "out.npz", overwrite=True) as archive:
        archive.writestr("a", b"new")
    assert zipfile.is_zipfile(tmp_path / "out.npz")


@pytest.mark.django_db(transaction=True)
def test_an_interrupted_export_leaves_no_file_and_the_earlier_one_whole(tmp_path: Path) -> None:
    space = make_space(DIMENSIONS)
    fill(space, make_items(COUNT), clustered(COUNT, DIMENSIONS))
    (tmp_path / "out.npz").write_text("earlier")

    def interrupt(*_progress: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        export_embeddings(encoder=space, path=tmp_path / "out.npz", overwrite=True, report=interrupt)
    assert [path.name for path in tmp_path.iterdir()] == ["out.npz"]
    assert (tmp_path / "out.npz").read_text() == "earlier"


def test_an_interrupted_import_stores_nothing(space: Encoder, arrays: Arrays, tmp_path: Path) -> None:
    np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]

    def interrupt(stage: Stage, *_progress: object) -> None:
        if stage is Stage.STORE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_embeddings(encoder=space, path=tmp_path / "in.npz", report=interrupt)
    assert not stored(space)


@pytest.mark.django_db(transaction=True)
def test_an_encoder_without_vectors_exports_nothing(tmp_path: Path) -> None:
    with pytest.raises(NothingToExport):
        export_embeddings(encoder=make_space(DIMENSIONS), path=tmp_path / "out.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.django_db(transaction=True)
def test_a_large_import_drops_the_index_and_a_small_one_keeps_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("embeddings.indexes.INDEX_MIN_ROWS", COUNT)
    space = make_space(DIMENSIONS)
    fill(space, make_items(COUNT), clustered(COUNT, DIMENSIONS))
    build_index(space)
    export_embeddings(encoder=space, path=tmp_path / "out.npz")
    assert import_embeddings(encoder=space, path=tmp_path / "out.npz").index_dropped is False
    assert index_state(space) is IndexState.READY
    monkeypatch.setattr(importing, "INDEX_DROP_ROWS", COUNT)
    assert import_embeddings(encoder=space, path=tmp_path / "out.npz").index_dropped is True
    assert index_state(space) is IndexState.NONE
    assert len(stored(space)) == COUNT


@pytest.mark.django_db(transaction=True)
def test_a_first_import_holds_nothing_that_readers_wait_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "INDEX_DROP_ROWS", COUNT)
    space = make_space(DIMENSIONS)
    fill(space, make_items(COUNT), clustered(COUNT, DIMENSIONS))
    export_embeddings(encoder=space, path=tmp_path / "out.npz")
    space.embeddings.all().delete()
    seen = []

    def read(stage: Stage, *_progress: object) -> None:
        if stage is Stage.STORE:
            with closing(connection.copy()) as other, other.cursor() as cursor:
                cursor.execute("SET lock_timeout = '1s'")
                cursor.execute(f"SELECT count(*) FROM {partition_name(space)}")  # noqa: S608
                seen.append(cursor.fetchone())

    import_embeddings(encoder=space, path=tmp_path / "out.npz", report=read)
    assert set(seen) == {(0,)}
    assert len(stored(space)) == COUNT


@pytest.mark.django_db(transaction=True)
def test_a_refused_import_keeps_the_index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importing, "INDEX_DROP_ROWS", COUNT)
    space = make_space(DIMENSIONS)
    fill(space, make_items(COUNT), clustered(COUNT, DIMENSIONS))
    build_index(space)
    export_embeddings(encoder=space, path=tmp_path / "out.npz")

    def fail_late(stage: Stage, *_progress: object) -> None:
        if stage is Stage.STORE:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        import_embeddings(encoder=space, path=tmp_path / "out.npz", report=fail_late)
    assert index_state(space) is IndexState.READY
    assert len(stored(space)) == COUNT


@pytest.mark.django_db(transaction=True)
def test_both_ways_stream(tmp_path: Path) -> None:
    """In a fraction of the 33 MB of numbers; items and codes included."""
    count, dimensions = 8000, 2048
    space, items = make_space(dimensions), make_items(count)
    fill(space, items, clustered(count, dimensions))
    path, arrays_bytes = tmp_path / "out.npz", count * dimensions * 2
    for go in (export_embeddings, import_embeddings):
        tracemalloc.start()
        go(encoder=space, path=path)
        _now, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert peak < arrays_bytes * 0.6


# ---- the commands


def command(name: str, *arguments: object) -> str:
    out = io.StringIO()
    call_command(name, *map(str, arguments), stdout=out)
    return out.getvalue()


@pytest.mark.django_db(transaction=True)
def test_the_commands_take_vectors_out_and_in_and_say_what_they_did(tmp_path: Path) -> None:
    space, items = make_space(DIMENSIONS), make_items(COUNT)
    fill(space, items, clustered(COUNT, DIMENSIONS))
    path = tmp_path / "out.npz"
    assert "6 vectors written" in command("export_embeddings", "--encoder", space.slug, path)
    with pytest.raises(CommandError, match="--overwrite"):
        command("export_embeddings", "--encoder", space.slug, path)
    said = command("import_embeddings", "--encoder", space.slug, path)
    assert said == "6 vectors imported, 6 of them in place of earlier ones.\n"


def test_the_command_says_that_hashes_are_missing(space: Encoder, arrays: Arrays, tmp_path: Path) -> None:
    del arrays["content_hashes"]
    np.savez(tmp_path / "in.npz", **arrays)  # type: ignore[arg-type]
    assert "no content hashes" in command("import_embeddings", "--encoder", space.slug, tmp_path / "in.npz")


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("name", "slug", "message"),
    [
        ("export_embeddings", "nope", "no encoder “nope”"),
        ("export_embeddings", "hashing", "“hashing” has no vectors"),
        ("import_embeddings", "nope", "no encoder “nope”"),
        ("import_embeddings", "hashing", "No such file"),
    ],
)
def test_the_commands_say_what_is_not_there(name: str, slug: str, message: str, tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=message):
        command(name, "--encoder", slug, tmp_path / "missing.npz")


@pytest.mark.django_db
def test_an_export_makes_no_encoder(tmp_path: Path) -> None:
    with pytest.raises(CommandError):
        command("export_embeddings", "--encoder", "hashing", tmp_path / "out.npz")
    assert not Encoder.objects.exists()
