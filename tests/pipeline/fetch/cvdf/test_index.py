"""What was read of archives is known to the next run, and nothing else is."""

from manifests.leftovers import host
from pipeline.fetch.cvdf.index import FOLDER, Index

A, B, LIST = "http://h/a.tar.gz", "http://h/b.tar.gz", "http://h/list.txt"


def test_what_was_read_to_its_end_is_known(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    index = Index(dataset)
    assert not index.known(A) and index.mark(A) is None and not [*index.members(A)]
    index.add(A, '"x"', 99, [("a_000001_000011.mp4", 5), ("b_000001_000011.mp4", 0)])
    index.add(B, None, 7, [("c_000001_000011.mp4", 5)], "it is damaged")
    index.add_list(LIST, 40, [A, B])
    assert not index.known(A)  # as it was when it was made
    index = Index(dataset)
    assert index.known(A) and index.mark(A) == '"x"' and not index.lacks(A)
    assert [*index.members(A)] == [("a_000001_000011.mp4", 5), ("b_000001_000011.mp4", 0)]
    assert not index.known(B) and [*index.members(B)] == []
    assert index.listed(LIST) == [A, B] and index.listed(A + "x") == []


def test_the_last_reading_counts(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    Index(dataset).add(A, "1", 99, [("old.mp4", 5)])
    Index(dataset).add(A, "2", 99, [("new.mp4", 5)])
    assert [*Index(dataset).members(A)] == [("new.mp4", 5)] and Index(dataset).mark(A) == "2"
    Index(dataset).add(A, None, 50, [], "it broke off")
    assert not Index(dataset).known(A)
    Index(dataset).add(A, None, 0, [])
    assert Index(dataset).lacks(A)


def test_an_unchanged_list_is_not_written_again(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    for listed in ([A], [A], [A, B]):
        Index(dataset).add_list(LIST, 9, listed)
    assert len(dataset.storage.list(FOLDER)) == 2 and Index(dataset).listed(LIST) == [A, B]


def test_many_readings_become_one_part_and_the_dead_leave_nothing(clips):
    dataset = clips("kinetics400", [(0, "a", "train")])
    for number in range(20):
        Index(dataset).add(f"{A}{number % 3}", str(number), 9, [(f"{number}.mp4", number)])
    dead = dataset.storage.place(FOLDER) / f".tmp-{host()}-999999999-0123abcd"
    dead.write_bytes(b"half a part")
    index = Index(dataset)
    assert len(dataset.storage.list(FOLDER)) < 16 and not dead.exists()
    assert [[*index.members(f"{A}{at}")] for at in range(3)] == [
        [("18.mp4", 18)],
        [("19.mp4", 19)],
        [("17.mp4", 17)],
    ]
