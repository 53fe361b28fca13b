"""What a path that is no checkpoint is called: nothing, an empty folder, a folder of runs."""

from pathlib import Path

from manifests.nocheckpoint import no_checkpoint


def test_a_folder_names_the_checkpoints_in_it(tmp_path: Path) -> None:
    gone = tmp_path / "gone"
    assert str(no_checkpoint(gone)) == (
        f"no checkpoint at {gone}; expected a .safetensors file by clipmill."
    )
    assert "a folder that holds none; expected" in str(no_checkpoint(tmp_path))
    for name in (
        "split1/best",
        "split1/last",
        "split2/best",
        "split2/last",
        "split3/last",
        "x/y/z",
    ):
        file = tmp_path / f"{name}.safetensors"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
    assert str(no_checkpoint(tmp_path, "Or not.")).endswith(
        "those in it: split1/best.safetensors, split1/last.safetensors, split2/best.safetensors, "
        "split2/last.safetensors and 1 more. Or not."
    )
    [only] = [no_checkpoint(tmp_path / "split3")]
    assert str(only).endswith("Give one of those in it: last.safetensors.")
