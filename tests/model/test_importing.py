"""Published weights come in whole, with the reference's logits, or not at all."""

import hashlib
import os

import pytest
import torch
from safetensors.torch import save_file

import model
from manifests.console import Ui
from manifests.errors import ClipmillError
from manifests.spec import ClipSpec, Window
from model import checkpoint
from model.importing import import_weights
from tests.model import reference
from tests.web import Site

EIGHTEEN, THIRTY_FOUR = (2, 2, 2, 2), (3, 4, 6, 3)
TINY = {"width": 4}
CLIPS = torch.randn(2, 3, 8, 32, 32, generator=torch.Generator().manual_seed(3))


@pytest.fixture(autouse=True)
def one_seed():
    torch.manual_seed(0)


def torchvision(classes=5):
    return reference.filled(reference.torchvision_shapes(classes, EIGHTEEN, False, width=4))


def saved(path, value):
    torch.save(value, path)
    return str(path)


FILES = {
    "torchvision's r2plus1d_18": (
        lambda: torchvision(),
        ("r2plus1d_18", TINY),
        lambda weights: reference.torchvision_logits(weights, CLIPS, 1e-5),
    ),
    "IG-65M's r2plus1d_34": (
        lambda: reference.filled(reference.torchvision_shapes(5, THIRTY_FOUR, True, width=4)),
        ("r2plus1d_34", TINY),
        lambda weights: reference.torchvision_logits(weights, CLIPS, 1e-3),
    ),
    "the seed's r2plus1d": (
        lambda: reference.filled(reference.seed_r2plus1d_shapes(5, width=4)),
        ("r2plus1d", TINY),
        lambda weights: reference.seed_r2plus1d_logits(weights, CLIPS),
    ),
    "the seed's c3d": (
        lambda: reference.filled(reference.seed_c3d_shapes(5, width=4)),
        ("c3d", TINY | {"relu": False}),
        lambda weights: reference.seed_c3d_logits(weights, CLIPS),
    ),
}


@pytest.mark.parametrize("kind", FILES)
def test_the_logits_are_those_of_an_independent_forward_pass(kind, tmp_path):
    make, (name, options), forward = FILES[kind]
    weights = make()
    network = model.build(name, 5, **options)
    done = import_weights(network, saved(tmp_path / "published.pth", weights))
    assert len(done.matched) == len(weights) and not done.anew and not done.left
    with torch.no_grad():
        mine, other = network.eval()(CLIPS), forward(weights)
    assert other.std() > 0.05
    torch.testing.assert_close(mine, other, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(
    "wrap",
    [
        lambda weights: {"state_dict": weights, "epoch": 3},
        lambda weights: {"model": weights, "optimizer": {"lr": 0.1}},
        lambda weights: {f"module.{name}": value for name, value in weights.items()},
        lambda weights: {"model": {f"module._orig_mod.{k}": v for k, v in weights.items()}},
        lambda weights: {k: v for k, v in weights.items() if "num_batches" not in k},
        lambda weights: {k: v.double() if v.ndim else v for k, v in weights.items()},
    ],
)
@pytest.mark.parametrize("old", [False, True])
def test_what_scripts_wrap_around_weights_is_taken_off(wrap, old, tmp_path):
    weights = torchvision()
    path = tmp_path / "wrapped.pth"
    torch.save(wrap(weights), path, _use_new_zipfile_serialization=not old)
    network = model.build("r2plus1d_18", 5, **TINY)
    import_weights(network, str(path))
    mine = network.state_dict()
    assert all(torch.equal(mine[k], v) for k, v in weights.items() if "num_batches" not in k)


def test_safetensors_of_others_are_read(tmp_path):
    weights = torchvision()
    save_file(weights, tmp_path / "x.safetensors")
    network = model.build("r2plus1d_18", 5, **TINY)
    import_weights(network, str(tmp_path / "x.safetensors"))
    assert all(torch.equal(network.state_dict()[name], value) for name, value in weights.items())


def test_the_head_alone_is_made_anew(tmp_path, capsys):
    path = saved(tmp_path / "published.pth", torchvision(classes=400))
    network = model.build("r2plus1d_18", 5, **TINY)
    drawn = network.fc.weight.clone()
    done = import_weights(network, path)
    assert done.anew == done.left == ("fc.bias", "fc.weight")
    assert torch.equal(network.fc.weight, drawn)
    record = done.record()
    assert record["matched"] == len(torchvision()) - 2
    assert record["made_anew"] == ["fc.bias", "fc.weight"]
    done.show(Ui())
    said = capsys.readouterr().out
    assert "made anew" in said and "fc.weight" in said and "torchvision" in said


def test_the_head_is_made_anew_when_asked(tmp_path):
    path = saved(tmp_path / "published.pth", torchvision())
    network = model.build("r2plus1d_18", 5, **TINY)
    drawn = network.fc.weight.clone()
    assert import_weights(network, path, new_head=True).anew
    assert torch.equal(network.fc.weight, drawn)


def kept(path, network, labels):
    checkpoint.save(
        path,
        checkpoint.Checkpoint(
            network=network.spec,
            spec=ClipSpec(frames=8, rate=1, height=32, width=32),
            window=Window(8, 32, 32),
            mean=(0.0, 0.0, 0.0),
            std=(1.0, 1.0, 1.0),
            labels=labels,
            weights=network.state_dict(),
            state={"step": torch.ones(3)},
        ),
    )
    return str(path)


def test_a_checkpoint_of_ours_keeps_its_head_for_the_same_labels_alone(tmp_path):
    one = model.build("c3d", 2, **TINY)
    path = kept(tmp_path / "best.safetensors", one, ("jump", "run"))
    other = model.build("c3d", 2, **TINY)
    assert not import_weights(other, path, labels=("jump", "run")).anew
    assert torch.equal(other.head.weight, one.head.weight)
    again = model.build("c3d", 2, **TINY)
    assert import_weights(again, path, labels=("run", "jump")).anew
    assert torch.equal(again.feature.conv1.weight, one.feature.conv1.weight)


def test_what_fits_and_means_something_else_is_told(tmp_path):
    motion = model.build("c3d", 2, modality="motion", **TINY)
    path = kept(tmp_path / "best.safetensors", motion, ("jump", "run"))
    notes = import_weights(model.build("c3d", 2, **TINY), path).notes
    assert len(notes) == 1 and "--modality motion" in notes[0]
    seeds = saved(tmp_path / "seed.pth", FILES["the seed's c3d"][0]())
    notes = import_weights(model.build("c3d", 5, **TINY), seeds).notes
    assert any("--no-relu" in note for note in notes) and any("BGR" in note for note in notes)


@pytest.mark.parametrize(
    ("name", "options", "change", "named"),
    [
        ("r2plus1d_34", TINY, {}, "take --model r2plus1d_18 --width 4"),
        ("r2plus1d_18", TINY | {"planes": "exact"}, {}, "take --model r2plus1d_18 --width 4"),
        ("c3d", TINY, {}, "fc.fc6.bias is missing, expected (256,)"),
        ("r2plus1d_18", {"width": 8}, {}, "take --model r2plus1d_18 --width 4"),
        ("r2plus1d_18", TINY, {"stem.1.bias": None}, "stem.1.bias is missing, expected (2,)"),
        ("r2plus1d_18", TINY, {"stray": torch.zeros(3)}, "stray is (3,), expected nothing"),
        (
            "r2plus1d_18",
            TINY,
            {"stem.1.bias": torch.zeros(2, dtype=torch.int32)},
            "stem.1.bias is (2,) of int32, expected (2,)",
        ),
        ("r2plus1d_18", TINY, {"stem.1.bias": torch.tensor([1.0, float("nan")])}, "not finite"),
        ("r2plus1d_18", TINY, {"fc.weight": torch.zeros(5, 31)}, "fc.weight is (5, 31)"),
    ],
)
def test_anything_else_that_does_not_fit_is_one_error(name, options, change, named, tmp_path):
    weights = {k: v for k, v in (torchvision() | change).items() if v is not None}
    network = model.build(name, 5, **options)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    with pytest.raises(ClipmillError) as caught:
        import_weights(network, saved(tmp_path / "published.pth", weights))
    assert named in str(caught.value) and len(str(caught.value)) < 700
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


class Malice:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (self.path,)


@pytest.mark.parametrize("old", [False, True])
def test_code_in_a_file_is_never_run(old, tmp_path):
    path, trace = tmp_path / "evil.pth", tmp_path / "trace"
    value = torchvision() | {"evil": Malice(str(trace))}
    torch.save(value, path, _use_new_zipfile_serialization=not old)
    with pytest.raises(ClipmillError, match=r"holds code or objects \((posix|os)\.mkdir\)"):
        import_weights(model.build("r2plus1d_18", 5, **TINY), str(path))
    assert not trace.exists()


def test_files_that_are_no_weights_are_refused(tmp_path):
    network = model.build("r2plus1d_18", 5, **TINY)
    whole = saved(tmp_path / "whole.pth", torchvision())
    data = (tmp_path / "whole.pth").read_bytes()
    cases = {
        "cut.pth": (data[: len(data) // 2], "not a whole file of weights"),
        "page.pth": (b"<!DOCTYPE html><title>log in</title>", "no file of weights"),
        "empty.pth": (b"", "no file of weights"),
        "cut.safetensors": (b"\xff\x00\x00\x00\x00\x00\x00\x00{", "not a whole file"),
        "pickle.pth": (b"\x80\x02}q\x00.", "not a whole file"),
    }
    for name, (content, named) in cases.items():
        (tmp_path / name).write_bytes(content)
        with pytest.raises(ClipmillError, match=named):
            import_weights(network, str(tmp_path / name))
    for value in ([1, 2], {"a": 1}, {"state_dict": {}}, {"x": torch.zeros(2).to_sparse()}):
        with pytest.raises(ClipmillError, match="expected tensors by name"):
            import_weights(network, saved(tmp_path / "strange.pth", value))
    for missing in (str(tmp_path), f"{whole}x"):
        with pytest.raises(ClipmillError, match="expected a file"):
            import_weights(network, missing)


def test_the_digest_is_checked_before_anything_is_read(tmp_path):
    path = saved(tmp_path / "published.pth", torchvision())
    digest = hashlib.sha256((tmp_path / "published.pth").read_bytes()).hexdigest()
    network = model.build("r2plus1d_18", 5, **TINY)
    for right in (digest, digest.upper(), digest[:8]):
        assert import_weights(network, path, sha256=right).sha256 == digest
    with pytest.raises(ClipmillError, match="nothing in it was read"):
        import_weights(network, path, sha256="0" * 64)
    for wrong in ("abc", "x" * 64, digest + "0"):
        with pytest.raises(ClipmillError, match="hexadecimal digits"):
            import_weights(network, path, sha256=wrong)
    (tmp_path / "evil.pth").write_bytes(b"\x80garbage")
    with pytest.raises(ClipmillError, match="has sha256"):
        import_weights(network, str(tmp_path / "evil.pth"), sha256=digest)


def test_a_file_is_fetched_once(tmp_path, monkeypatch, site: Site):
    monkeypatch.setenv("CLIPMILL_SCRATCH", str(tmp_path / "scratch"))
    monkeypatch.setenv("CLIPMILL_STORE_PATIENCE", "2")
    saved(tmp_path / "published.pth", torchvision())
    data = (tmp_path / "published.pth").read_bytes()
    digest = hashlib.sha256(data).hexdigest()
    network = model.build("r2plus1d_18", 5, **TINY)
    site.files["/a/published.pth"] = data
    url = f"{site.url}/a/published.pth"
    for _ in range(2):
        done = import_weights(network, url, sha256=digest)
        assert done.source == url and done.sha256 == digest
    assert site.sent["/a/published.pth"] == len(data)
    with pytest.raises(ClipmillError, match="nothing in it was read"):
        import_weights(network, url, sha256="1" * 64)
    for wrong, named in (
        (f"{site.url}/a/other.pth", "no such file is there"),
        (f"{url}?token=secret", "may be a secret"),
        (url.replace("://", "://me:word@"), "~/.netrc"),
        (f"{site.url}/", "expected the address of a file"),
    ):
        with pytest.raises(ClipmillError, match=named) as caught:
            import_weights(network, wrong)
        assert "--root" not in str(caught.value)
        assert "secret" not in str(caught.value).replace("may be a secret", "")
        assert "word" not in str(caught.value).replace("password", "").replace("WORD", "")
