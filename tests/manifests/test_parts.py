import pytest

from manifests.parts import digest, part_of

ENTRY = ("a", "I64", [1], memoryview(b"12345678"))


@pytest.mark.parametrize(
    ("key", "part"),
    [
        ("stem.weight", "checkpoint"),
        ("state/0", "state"),
        ("seen/train", "seen"),
        ("seen", "checkpoint"),
        ("a/seen/b", "checkpoint"),
    ],
)
def test_a_tensors_part_is_in_its_name(key, part):
    assert part_of(key) == part


@pytest.mark.parametrize(
    ("text", "entry"),
    [
        ("t ", ENTRY),
        ("t", ("b", *ENTRY[1:])),
        ("t", ("a", "F64", *ENTRY[2:])),
        ("t", ("a", "I64", [1, 1], ENTRY[3])),
        ("t", ("a", "I64", [1], memoryview(b"12345679"))),
    ],
)
def test_the_digest_covers_text_name_type_shape_and_bytes(text, entry):
    assert digest("t", [ENTRY]) == digest("t", [ENTRY])
    assert digest(text, [entry]) != digest("t", [ENTRY])
